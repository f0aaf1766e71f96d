"""The band of words below an animatic's picture: address, prompt, seconds, credits and their running total.

Nothing of a prompt is left out: what does not fit is dealt out over pages, one after another while the clip is shown.
"""

from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

from kbatch.report.preview.canvas import Canvas
from kbatch.report.preview.cuts import FilmCut, Tone
from kbatch.simulator.clips.fonts import Colour, Typeface, right_to_left, typefaces
from kbatch.simulator.clips.typesetting import LEADING, Setting, TextLine, clean, set_text

GROUND: Colour = (16, 18, 26)
INK: Colour = (238, 241, 246)
QUIET: Colour = (158, 168, 188)
_TRACK: Colour = (58, 66, 86)
_PLATES: dict[Tone, Colour] = {
    Tone.BOUGHT: (112, 201, 141),
    Tone.SIMULATED: (244, 184, 76),
    Tone.WRONG: (240, 113, 103),
}
_ADDRESS = range(8, 19)
_PROMPT = range(11, 18)
_SMALL = 12.5
_SMALLEST = 6.0
_MARGIN = 20
_EDGE = 12
_HEAD = 28
_STRIP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionPlace:
    """Where a cut stands in its film: number from 1, of how many, and its share of the film's time."""

    number: int
    of: int
    begins: float
    ends: float


def bands(cut: FilmCut, place: CaptionPlace, canvas: Canvas) -> list[Image.Image]:
    """Return the bands of a cut, one a page of its prompt, each shown for an equal time."""
    text = " ".join(cut.prompt.split()) or "(no prompt)"
    prompt = _set(text, (_room(canvas), _prompt_height(canvas)), typefaces()[0], _PROMPT)
    base = Image.new("RGB", (canvas.width, canvas.band), GROUND)
    _draw_head(base, cut)
    _draw_foot(base, cut, place)
    _draw_strip(base, place)
    return [_with_prompt(base, prompt, at, canvas) for at in range(len(prompt.pages))]


def draw_lines(
    picture: Image.Image, at: tuple[float, float], width: float, lines: tuple[TextLine, ...], points: float
) -> None:
    """Draw lines of text below each other, each at the side from which its script is read."""
    pen, face = ImageDraw.Draw(picture), typefaces()[0]
    for number, line in enumerate(lines):
        left = at[0] + (width - face.width(line.text, points) if right_to_left(line.text) else 0.0)
        face.draw(pen, (left, at[1] + number * points * LEADING), line.text, points, QUIET if line.quiet else INK)


def draw_tag(picture: Image.Image, right: float, top: float, cut: FilmCut, points: float) -> float:
    """Draw the plate with the state of a cut, ending at `right`; return how wide it is."""
    pen, bold = ImageDraw.Draw(picture), typefaces()[1]
    text = cut.tag.upper()
    wide = bold.width(text, points) + points
    plate = (right - wide, top, right, top + points * 1.7)
    pen.rounded_rectangle(plate, radius=points * 0.45, fill=_PLATES[cut.tone])
    bold.draw(pen, (right - wide + points / 2, top + points * 0.25), text, points, GROUND)
    return wide


def _set(text: str, box: tuple[float, float], face: Typeface, sizes: range) -> Setting:
    return set_text([TextLine(text=clean(text))], box, cache(face.width), sizes)


def _room(canvas: Canvas) -> float:
    return canvas.width - 2 * _MARGIN


def _prompt_height(canvas: Canvas) -> float:
    return canvas.band - _EDGE - _HEAD - _foot_height(canvas.width) - _STRIP - 14


def _foot_height(width: int) -> float:
    return _SMALL * LEADING * (1 if _on_one_row(width) else 2) + 8


def _on_one_row(width: int) -> bool:
    return width >= 720


def _draw_head(base: Image.Image, cut: FilmCut) -> None:
    right = base.width - _MARGIN
    wide = draw_tag(base, right, _EDGE, cut, 11 if _on_one_row(base.width) else 9)
    room = base.width - 2 * _MARGIN - wide - 16
    bold = typefaces()[1]
    address = _set(cut.address, (room, 24.0), bold, _ADDRESS)
    if len(address.pages[0]) > 1:
        address = _set(cut.address.replace(",", ", "), (room, 24.0), bold, _ADDRESS)
    pen = ImageDraw.Draw(base)
    lines = address.pages[0]
    top = _EDGE + 9 - len(lines) * address.points * LEADING / 2
    for number, line in enumerate(lines):
        at = (_MARGIN, top + number * address.points * LEADING)
        bold.draw(pen, at, line.text, address.points, INK)


def _with_prompt(base: Image.Image, prompt: Setting, at: int, canvas: Canvas) -> Image.Image:
    band = base.copy()
    draw_lines(band, (_MARGIN, _EDGE + _HEAD), _room(canvas), prompt.pages[at], prompt.points)
    if len(prompt.pages) > 1:
        mono = typefaces()[2]
        count = f"{at + 1}/{len(prompt.pages)}"
        left = base.width - _MARGIN - mono.width(count, 10)
        mono.draw(ImageDraw.Draw(band), (left, _EDGE + _HEAD + _prompt_height(canvas) - 2), count, 10, QUIET)
    return band


def _draw_foot(base: Image.Image, cut: FilmCut, place: CaptionPlace) -> None:
    about = f"{place.number}/{place.of}  {cut.seconds:g} s  {cut.model}"
    money = f"{cut.credits}  total {cut.total}"
    low = base.height - _STRIP - 8 - _SMALL * LEADING
    if _on_one_row(base.width):
        _draw_row(base, low, (about, money))
    else:
        _draw_row(base, low - _SMALL * LEADING, (about,))
        _draw_row(base, low, (money,))


def _draw_row(base: Image.Image, top: float, words: tuple[str, ...]) -> None:
    """Draw one or two texts on a row, the first at its left, the second at its right, as large as both fit."""
    pen, mono = ImageDraw.Draw(base), typefaces()[2]
    points, room = _SMALL, base.width - 2 * _MARGIN - 24 * (len(words) - 1)
    while points > _SMALLEST and sum(mono.width(text, points) for text in words) > room:
        points -= 0.5
    shown = [_shortened(text, room / len(words), points, mono) for text in words] if points <= _SMALLEST else words
    mono.draw(pen, (_MARGIN, top), shown[0], points, QUIET)
    for text in shown[1:]:
        mono.draw(pen, (base.width - _MARGIN - mono.width(text, points), top), text, points, QUIET)


def _shortened(text: str, room: float, points: float, face: Typeface) -> str:
    if face.width(text, points) <= room:
        return text
    while text and face.width(text + "…", points) > room:
        text = text[:-1]
    return text + "…"


def _draw_strip(base: Image.Image, place: CaptionPlace) -> None:
    pen = ImageDraw.Draw(base)
    top = base.height - _STRIP
    pen.rectangle((0, top, base.width, base.height), fill=_TRACK)
    left, right = place.begins * base.width, max(place.ends * base.width, place.begins * base.width + 2)
    pen.rectangle((left, top, right, base.height), fill=_PLATES[Tone.SIMULATED])
