"""Words on previews: the band below the picture, and the contact sheet; whatever is written, it stays in its place."""

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image, ImageChops

from kbatch.errors import Refused
from kbatch.report.preview.canvas import Canvas, canvas_of
from kbatch.report.preview.captions import GROUND, CaptionPlace, bands
from kbatch.report.preview.cuts import FilmCut, Tone
from kbatch.report.preview.sheet import MOST, compose, grid_of, packed

WIDE, TALL = canvas_of([((16, 9), 5.0)]), canvas_of([((9, 16), 5.0)])
PLACE = CaptionPlace(number=3, of=12, begins=0.25, ends=0.5)
LONG = "hero[product=" + "a-very-long-product-name-" * 4 + ",city=lisbon,light=golden-hour]@2"


def cut(**changes: Any) -> FilmCut:
    """Return a cut with these words."""
    words = {"address": "hero[city=lisbon]", "prompt": "a ridge at dusk", "model": "kling-3.0"}
    words |= {name: changes.pop(name) for name in tuple(changes) if name in words}
    draft = SimpleNamespace(prompt=words["prompt"])
    quote = SimpleNamespace(variant="pro-audio")
    job = SimpleNamespace(address=words["address"], draft=draft, model=words["model"], quote=quote)
    usual: dict[str, Any] = {
        "job": cast(Any, job), "tone": Tone.BOUGHT, "tag": "bought", "seconds": 5.0, "credits": "25 credits",
        "total": "apiframe 1,250", "clip": None,
    }  # fmt: skip
    return FilmCut(**{**usual, **changes})


def ink(picture: Image.Image, ground: tuple[int, int, int] = GROUND) -> tuple[int, int, int, int] | None:
    """Return the box outside which there is nothing but ground."""
    return ImageChops.difference(picture.convert("RGB"), Image.new("RGB", picture.size, ground)).getbbox()


@pytest.mark.parametrize("canvas", [WIDE, TALL], ids=["wide", "tall"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"address": LONG},
        {"prompt": "word " * 799},
        {"prompt": "x" * 4000},
        {"prompt": "東京の夜景、ネオン " * 40},
        {"prompt": "كلب يركض على الشاطئ عند الغروب"},
        {"prompt": ""},
        {"prompt": "nul \x00 and \x1b[31m"},
        {"total": " · ".join(f"provider-{n} 1,000,000,000" for n in range(4))},
        {"model": "m" * 200, "credits": "as " + LONG},
        {"tag": "rendered, not fetched", "tone": Tone.SIMULATED},
    ],
    ids=["usual", "address", "long", "one-word", "cjk", "arabic", "empty", "controls", "totals", "model", "tag"],
)
def test_nothing_runs_out_of_the_band(canvas: Canvas, changes: dict[str, Any]) -> None:
    """Left and right of the words there is a margin, whatever they are; the strip of time alone has none."""
    for band in bands(cut(**changes), PLACE, canvas):
        assert band.size == (canvas.width, canvas.band)
        box = ink(band.crop((0, 0, canvas.width, canvas.band - 4)))
        assert box is not None
        assert box[0] >= 10
        assert box[2] <= canvas.width - 10


def test_a_long_prompt_is_dealt_out_over_pages_that_all_differ() -> None:
    """Every page shows other words; a short prompt has one page, on several lines if need be."""
    prompt = " ".join(f"word{number}" for number in range(600))
    pages = bands(cut(prompt=prompt), PLACE, WIDE)
    assert len(pages) > 3
    assert len({page.tobytes() for page in pages}) == len(pages)
    assert len(bands(cut(prompt="word " * 20), PLACE, WIDE)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "x"},
        {"prompt": "y"},
        {"seconds": 6.0},
        {"credits": "4 credits"},
        {"total": "apiframe 7"},
        {"tag": "not bought"},
        {"model": "z"},
    ],
    ids=str,
)
def test_all_that_is_asked_for_is_burnt_in(changes: dict[str, Any]) -> None:
    """Address, prompt, seconds, credits, total, standing and model: another one is another picture."""
    assert bands(cut(**changes), PLACE, WIDE)[0].tobytes() != bands(cut(), PLACE, WIDE)[0].tobytes()
    assert bands(cut(), replace(PLACE, number=4), WIDE)[0].tobytes() != bands(cut(), PLACE, WIDE)[0].tobytes()


def test_the_strip_shows_where_in_the_film_a_clip_stands() -> None:
    """Its part of the time is lit, the rest is not."""
    (band,) = bands(cut(), PLACE, WIDE)
    row = band.crop((0, WIDE.band - 2, WIDE.width, WIDE.band - 1))
    lit = [row.getpixel((at, 0)) == row.getpixel((300, 0)) for at in (100, 230, 250, 470, 500)]
    assert lit == [False, False, True, True, False]


# contact sheets


def colours(count: int) -> list[Image.Image]:
    """Return posters that differ."""
    return [Image.new("RGB", (160, 90), (30 + number * 5 % 200, 200 - number * 3 % 150, 90)) for number in range(count)]


@pytest.mark.parametrize("clips", [1, 2, 7, 30, 31, 120, 301, 1000])
@pytest.mark.parametrize("canvas", [WIDE, TALL], ids=["wide", "tall"])
def test_a_grid_holds_every_clip_and_stays_within_bounds(clips: int, canvas: Canvas) -> None:
    """Cells do not overlap and lie on the sheet; a thousand clips are still a picture that can be opened."""
    grid = grid_of(clips, canvas)
    assert grid.columns * grid.rows >= clips > grid.columns * (grid.rows - 1)
    width, height = grid.size
    places = [grid.place(number) for number in range(clips)]
    assert len(set(places)) == clips
    assert max(x for x, _ in places) + grid.width <= width
    assert max(y for _, y in places) + grid.poster + grid.caption <= height
    assert width * height < 80_000_000


@pytest.mark.parametrize("ending", [".png", ".webp", ".PNG"])
def test_a_sheet_shows_every_poster_in_order(ending: str) -> None:
    """Each one stands in its own cell, with words below it; the file is what its name says."""
    posters = colours(5)
    cuts = [cut(address=f"shot-{number}") for number in range(5)]
    sheet = compose("campaign", cuts, iter(posters), WIDE)
    grid = grid_of(5, WIDE)
    for number, poster in enumerate(posters):
        left, top = grid.place(number)
        assert sheet.getpixel((left + grid.width // 2, top + 5)) == poster.getpixel((0, 0))
        caption = sheet.crop((left, top + grid.poster, left + grid.width, top + grid.poster + grid.caption))
        assert ink(caption, (24, 27, 38)) is not None
    with Image.open(io.BytesIO(packed(sheet, ending))) as picture:
        assert (picture.format, picture.size) == (ending.strip(".").upper(), sheet.size)


def test_a_prompt_that_is_too_long_for_its_cell_ends_there() -> None:
    """It reaches neither the next cell nor the line of numbers below it."""
    short = compose("c", [cut(prompt="word")], iter(colours(1)), WIDE)
    long = compose("c", [cut(prompt="word " * 800)], iter(colours(1)), WIDE)
    grid = grid_of(1, WIDE)
    left, top = grid.place(0)
    foot = top + grid.poster + grid.caption - 24
    assert long.size == short.size
    assert long.crop((0, foot, *long.size)).tobytes() == short.crop((0, foot, *short.size)).tobytes()
    beside = (left + grid.width - 6, top + grid.poster, left + grid.width, foot)
    assert ink(long.crop(beside), (24, 27, 38)) is None


def test_too_many_clips_for_one_sheet_are_refused() -> None:
    """Said before a poster is made."""
    with pytest.raises(Refused, match="at most 1,000"):
        compose("c", [cut()] * (MOST + 1), iter(()), WIDE)


def test_webp_has_a_largest_side() -> None:
    """A sheet that it cannot hold is refused with a way out."""
    with pytest.raises(Refused, match="WebP"):
        packed(Image.new("RGB", (20, 16_400)), ".webp")
