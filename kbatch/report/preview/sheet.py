"""The contact sheet: a grid of posters, each with its address, prompt, seconds and credits; bounded in size.

The more clips there are, the smaller they are shown. A prompt that is longer than its place ends with an ellipsis here;
the film and the clips show it whole.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from PIL import Image, ImageDraw

from kbatch.errors import Refused
from kbatch.report.data.format import count
from kbatch.report.preview.canvas import Canvas, fitted
from kbatch.report.preview.captions import GROUND, INK, QUIET, draw_lines, draw_tag
from kbatch.report.preview.cuts import FilmCut, Tone
from kbatch.simulator.clips.fonts import typefaces
from kbatch.simulator.clips.typesetting import LEADING, TextLine, clean, set_text

MOST = 1_000
FORMATS = {".png": "PNG", ".webp": "WEBP"}
_WIDEST = {".png": 1 << 30, ".webp": 16_383}
_SHAPE = 1.5
_GAP = 14
_EDGE = 28
_TITLE = 22
_PROMPT_LINES = 4
_PAPER = (24, 27, 38)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The measures of a sheet in pixels: columns of cells, each a poster above its caption."""

    columns: int
    rows: int
    width: int
    poster: int
    caption: int
    points: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet."""
        wide = 2 * _EDGE + self.columns * (self.width + _GAP) - _GAP
        return wide, _top() + _EDGE + self.rows * (self.poster + self.caption + _GAP) - _GAP

    def place(self, number: int) -> tuple[int, int]:
        """Return the left upper corner of a cell by its number from 0."""
        row, column = divmod(number, self.columns)
        return _EDGE + column * (self.width + _GAP), _top() + row * (self.poster + self.caption + _GAP)


def grid_of(clips: int, canvas: Canvas) -> Grid:
    """Return the grid for so many clips of a film with this stage."""
    width = next(wide for most, wide in ((30, 360), (120, 300), (300, 240), (MOST, 180)) if clips <= most)
    width = width if canvas.width > canvas.stage else round(width * 0.75)
    points = max(9.0, min(13.0, width / 26))
    poster = round(width * canvas.stage / canvas.width)
    caption = round(points * LEADING * (_PROMPT_LINES + 2) + 14)
    columns = max(1, min(clips, round(math.sqrt(clips * _SHAPE * (poster + caption + _GAP) / (width + _GAP)))))
    return Grid(
        columns=columns, rows=math.ceil(clips / columns), width=width, poster=poster, caption=caption, points=points
    )


def compose(title: str, cuts: Sequence[FilmCut], posters: Iterator[Image.Image], canvas: Canvas) -> Image.Image:
    """Return the sheet; one poster at a time is in memory. Refused when there are more clips than a sheet can show."""
    if len(cuts) > MOST:
        hint = "select fewer with --only"
        raise Refused("too-many-clips", f"{len(cuts):,} clips; a contact sheet shows at most {MOST:,}", hint=hint)
    grid = grid_of(len(cuts), canvas)
    sheet = Image.new("RGB", grid.size, GROUND)
    bold = typefaces()[1]
    pen = ImageDraw.Draw(sheet)
    room = grid.size[0] - 2 * _EDGE
    bold.draw(pen, (_EDGE, _EDGE), _shortened(title, room, _TITLE, 1, bold=True)[0].text, _TITLE, INK)
    said = f"{count(len(cuts), 'clip')}  {sum(cut.seconds for cut in cuts):g} s  total {cuts[-1].total}"
    draw_lines(sheet, (_EDGE, _EDGE + _TITLE * 1.5), room, (TextLine(text=said, quiet=True),), 14)
    for number, (cut, poster) in enumerate(zip(cuts, posters, strict=True)):
        _draw_cell(sheet, grid, number, cut, poster)
    return sheet


def packed(sheet: Image.Image, ending: str) -> bytes:
    """Return the bytes of a sheet in the format of a file's ending; Refused when that format cannot hold it."""
    ending = ending.lower()
    if max(sheet.size) > _WIDEST[ending]:
        raise Refused("too-many-clips", f"WebP holds at most {_WIDEST[ending]:,} pixels a side", hint="write a .png")
    out = io.BytesIO()
    sheet.save(out, format=FORMATS[ending], quality=88)
    return out.getvalue()


def _top() -> int:
    return _EDGE + round(_TITLE * 1.5 + 14 * LEADING + 16)


def _draw_cell(sheet: Image.Image, grid: Grid, number: int, cut: FilmCut, poster: Image.Image) -> None:
    left, top = grid.place(number)
    sheet.paste(_PAPER, (left, top, left + grid.width, top + grid.poster + grid.caption))
    sheet.paste((0, 0, 0), (left, top, left + grid.width, top + grid.poster))
    x, y, wide, high = fitted(poster.size, (grid.width, grid.poster))
    sheet.paste(poster.convert("RGB").resize((wide, high), Image.Resampling.LANCZOS), (left + x, top + y))
    if cut.tag != Tone.SIMULATED:
        draw_tag(sheet, left + grid.width - 6, top + grid.poster - grid.points * 1.5 - 6, cut, grid.points * 0.8)
    _draw_caption(sheet, grid, (left + 10, top + grid.poster + 8), cut)


def _draw_caption(sheet: Image.Image, grid: Grid, at: tuple[float, float], cut: FilmCut) -> None:
    room, points = grid.width - 20, grid.points
    row = points * LEADING
    bold, mono = typefaces()[1:]
    pen = ImageDraw.Draw(sheet)
    bold.draw(pen, at, _shortened(cut.address, room, points, 1, bold=True)[0].text, points, INK)
    prompt = _shortened(" ".join(cut.prompt.split()) or "(no prompt)", room, points, _PROMPT_LINES)
    quiet = tuple(replace(line, quiet=True) for line in prompt)
    draw_lines(sheet, (at[0], at[1] + row), room, quiet, points)
    said, small = f"{cut.seconds:g} s  {cut.credits}  {cut.model}", points * 0.86
    while small > 5 and mono.width(said, small) > room:
        small -= 0.5
    mono.draw(pen, (at[0], at[1] + row * (_PROMPT_LINES + 1)), said, small, QUIET)


def _shortened(text: str, room: float, points: float, most: int, *, bold: bool = False) -> tuple[TextLine, ...]:
    """Return a text set at one size on at most so many lines, the last with an ellipsis when it goes on."""
    face = typefaces()[1 if bold else 0]
    measure = cache(face.width)
    whole = set_text([TextLine(text=clean(text))], (room, 1e9), measure, range(round(points), round(points) + 1)).pages[
        0
    ]
    if len(whole) <= most:
        return whole
    last = whole[most - 1].text
    while last and face.width(last + "…", points) > room:
        last = last[:-1]
    return (*whole[: most - 1], TextLine(text=last.rstrip() + "…"))
