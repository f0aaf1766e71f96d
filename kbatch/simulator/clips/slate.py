"""Draws the frames of a simulated clip: an animatic slate with the prompt on it.

Every frame shows SIMULATED, the model, the variant and the time. The background drifts slowly and a progress line runs
along the bottom. The start image fades out during the first third and the end image fades in during the last; the
prompt is hidden meanwhile, so that the first frame of a chained clip looks like the last frame before it. Equal orders
give equal pixels.
"""

import colorsys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from PIL import Image, ImageDraw, ImageFilter

from kbatch.simulator.clips.fonts import Colour, Typeface, right_to_left, typefaces
from kbatch.simulator.clips.orders import (
    FRAMES_PER_SECOND,
    LONG_SIDE,
    ClipOrder,
    digest_of_clip,
    frame_count,
    frame_size,
)
from kbatch.simulator.clips.stills import ratio_of, still
from kbatch.simulator.clips.typesetting import LEADING, Setting, TextLine, clean, set_text

_INK: Colour = (238, 241, 246)
_QUIET: Colour = (158, 168, 188)
_DIM: Colour = (120, 131, 153)
_TRACK: Colour = (58, 66, 86)
_AMBER: Colour = (244, 184, 76)
_NIGHT: Colour = (16, 18, 26)
_FADE_SHARE = 0.34
_GIVES_WAY = 0.9
_SHADE = 190
_DRIFT = 1.3
_LEGIBLE = 11
_SMALLEST = 4
_NO_PROMPT = "(no prompt)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlateLayout:
    """Measures of a slate in pixels: its margin and the box of the prompt; `scale` is 1 at 480 pixels."""

    width: int
    height: int
    margin: int
    small: float
    top: int
    bottom: int
    scale: float = 1.0

    @property
    def box(self) -> tuple[float, float]:
        """Width and height of the prompt's box."""
        return max(8, self.width - 2 * self.margin), max(8, self.bottom - self.top)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlatePage:
    """Layers over the background up to frame `until`: the prompt's text and the legend."""

    until: int
    words: Image.Image
    legend: Image.Image


def frames(clip: ClipOrder, long_side: int = LONG_SIDE) -> Iterator[Image.Image]:
    """Yield the clip's frames in order, as RGB images."""
    draw = painter(clip, long_side)
    yield from (draw(number) for number in range(frame_count(clip.seconds)))


def painter(clip: ClipOrder, long_side: int = LONG_SIDE) -> Callable[[int], Image.Image]:
    """Return a function that draws the clip's frame of a number; each frame can be drawn alone."""
    size, total = frame_size(ratio_of(clip), long_side), frame_count(clip.seconds)
    sans = typefaces()[0]
    layout = layout_of(size)
    background = _background(size, digest_of_clip(clip))
    pages = _pages(clip, layout, total)
    start = still(clip.start, size, "start", sans) if clip.start else None
    end = still(clip.end, size, "end", sans) if clip.end else None
    marks = [sum(beat.seconds for beat in clip.beats[:at]) / clip.seconds for at in range(1, len(clip.beats))]

    def draw(number: int) -> Image.Image:
        share = number / max(1, total - 1)
        frame = background.crop(_window(background.size, size, share))
        weight = 0.0
        if start is not None and share < _FADE_SHARE:
            weight = _eased(1 - share / _FADE_SHARE)
            frame = Image.blend(frame, start, weight)
        if end is not None and share > 1 - _FADE_SHARE:
            weight = _eased((share - 1 + _FADE_SHARE) / _FADE_SHARE)
            frame = Image.blend(frame, end, weight)
        page = next(page for page in pages if number < page.until)
        left = 1 - _GIVES_WAY * weight
        frame.paste(page.words, mask=page.words.getchannel("A").point(lambda alpha: round(alpha * left)))
        frame.paste(page.legend, mask=page.legend.getchannel("A"))
        _draw_time(frame, layout, number, total, marks)
        return frame

    return draw


def layout_of(size: tuple[int, int]) -> SlateLayout:
    """Return the measures of a slate of `size`, width and height in pixels."""
    width, height = size
    scale = max(1.0, max(size) / LONG_SIDE)
    small = max(6.0, min(11.0 * scale, width / 30, height / 12))
    margin = max(2, round(min(width, height) * 0.07))
    return SlateLayout(
        width=width,
        height=height,
        margin=margin,
        small=small,
        top=round(margin + small * 2.3),
        bottom=round(height - margin - small * 3.4),
        scale=scale,
    )


def typeset(clip: ClipOrder, layout: SlateLayout, face: Typeface) -> list[tuple[float, Setting]]:
    """Return for each part of the timeline its end in seconds and its prompt, typeset in the box."""
    prompt = clean(clip.prompt) or _NO_PROMPT
    parts = [(0.0, clip.seconds, [TextLine(text=prompt)])] if not clip.beats else []
    begins = 0.0
    for beat in clip.beats:
        lines = [TextLine(text=clean(beat.prompt)), TextLine(text=""), TextLine(text=prompt, quiet=True)]
        parts.append((begins, begins + beat.seconds, lines))
        begins += beat.seconds
    return [(ends, _setting(lines, layout, face, ends - begins)) for begins, ends, lines in parts]


def _setting(lines: list[TextLine], layout: SlateLayout, face: Typeface, seconds: float) -> Setting:
    """Typeset a text at a size that gives each page at least a quarter of a second."""
    largest = round(max(9, min(26 * layout.scale, min(layout.box) / 5)))
    measure = cache(face.width)
    for least in range(min(largest, round(_LEGIBLE * layout.scale)), _SMALLEST - 1, -1):
        setting = set_text(lines, layout.box, measure, range(least, largest + 1))
        if len(setting.pages) <= max(1, 4 * seconds):
            return setting
    return setting


def _pages(clip: ClipOrder, layout: SlateLayout, total: int) -> list[SlatePage]:
    sans = typefaces()[0]
    pages: list[SlatePage] = []
    begins = 0.0
    for ends, setting in typeset(clip, layout, sans):
        each = (ends - begins) / len(setting.pages)
        for at, lines in enumerate(setting.pages):
            until = min(total, round((begins + each * (at + 1)) * FRAMES_PER_SECOND))
            count = f"{at + 1}/{len(setting.pages)}" if len(setting.pages) > 1 else ""
            lacking = any(sans.lacks(line.text) for line in lines)
            legend = _legend(clip, layout, count, lacking)
            pages.append(SlatePage(until=until, words=_draw_prompt(layout, lines, setting.points), legend=legend))
        begins = ends
    pages[-1] = replace(pages[-1], until=total)
    return pages


def _draw_prompt(layout: SlateLayout, lines: tuple[TextLine, ...], points: float) -> Image.Image:
    sans = typefaces()[0]
    words = Image.new("RGBA", (layout.width, layout.height))
    pen = ImageDraw.Draw(words)
    width, height = layout.box
    top = layout.top + (height - len(lines) * points * LEADING) / 2
    for at, line in enumerate(lines):
        left = layout.margin + (width - sans.width(line.text, points) if right_to_left(line.text) else 0.0)
        sans.draw(pen, (left, top + at * points * LEADING), line.text, points, _QUIET if line.quiet else _INK)
    return _haloed(words, layout)


def _legend(clip: ClipOrder, layout: SlateLayout, count: str, lacking: bool) -> Image.Image:
    words = Image.new("RGBA", (layout.width, layout.height))
    _draw_legend(ImageDraw.Draw(words), clip, layout, count, lacking)
    legend = _haloed(words, layout)
    if clip.start is None and clip.end is None:
        return legend
    shade = Image.new("L", legend.size)
    foot = layout.height - layout.margin - round(layout.small * 3.6)
    shade.paste(Image.linear_gradient("L").resize((layout.width, max(1, round(layout.small)))), (0, foot))
    shade.paste(255, (0, foot + round(layout.small), layout.width, layout.height))
    background = Image.new("RGBA", legend.size, (*_NIGHT, 0))
    background.putalpha(shade.point(lambda alpha: alpha * _SHADE // 255))
    background.alpha_composite(legend)
    return background


def _haloed(words: Image.Image, layout: SlateLayout) -> Image.Image:
    """Add a soft dark halo under a text, which keeps it legible over any image."""
    blurred = words.getchannel("A").filter(ImageFilter.GaussianBlur(3 * layout.scale))
    halo = Image.new("RGBA", words.size, (*_NIGHT, 0))
    halo.putalpha(blurred.point(lambda alpha: min(205, alpha * 3)))
    halo.alpha_composite(words)
    return halo


def _draw_legend(pen: ImageDraw.ImageDraw, clip: ClipOrder, layout: SlateLayout, count: str, lacking: bool) -> None:
    _, bold, mono = typefaces()
    small, margin, room = layout.small, layout.margin, layout.width - 2 * layout.margin
    tag = "SIMULATED"
    tag_points = _fitting(tag, room * 0.9, small, bold)
    wide = bold.width(tag, tag_points)
    plate = (margin, margin, margin + wide + small, margin + small * 1.7)
    pen.rounded_rectangle(plate, radius=small * 0.45, fill=_AMBER)
    bold.draw(pen, (margin + small / 2, margin + small * 0.25), tag, tag_points, _NIGHT)
    take = f"take {clip.take}" if clip.take > 1 else ""
    note = "no font for some letters" if lacking else ""
    aside = "  ".join(word for word in (note, take, count) if word)
    free = room - wide - small * 2
    if aside and free > small * 2:
        points = _fitting(aside, free, small, mono)
        mono.draw(pen, (layout.width - margin - mono.width(aside, points), margin + small * 0.3), aside, points, _QUIET)
    model = f"{clip.model} · {clip.variant}"
    points = _fitting(model, room, small, mono)
    mono.draw(pen, (margin, layout.height - margin - small * 2.75), model, points, _QUIET)


def _draw_time(frame: Image.Image, layout: SlateLayout, number: int, total: int, marks: list[float]) -> None:
    pen, mono = ImageDraw.Draw(frame), typefaces()[2]
    small, left, right = layout.small, layout.margin, layout.width - layout.margin
    high = layout.height - layout.margin - small * 1.35
    head, thick = left + (right - left) * (number + 1) / total, round(layout.scale)
    pen.rectangle((left, high, right, high + thick), fill=_TRACK)
    pen.rectangle((left, high, head, high + thick), fill=_AMBER)
    for mark in marks:
        at = left + (right - left) * mark
        pen.rectangle((at, high - 3 * thick, at + thick, high + 3 * thick), fill=_INK)
    clock = f"{number // FRAMES_PER_SECOND:02d}:{number % FRAMES_PER_SECOND:02d}"
    length = f"{total / FRAMES_PER_SECOND:g} s"
    points = _fitting(clock + "  " + length, right - left, small, mono)
    low = layout.height - layout.margin - small
    mono.draw(pen, (left, low), clock, points, _INK)
    mono.draw(pen, (right - mono.width(length, points), low), length, points, _DIM)


def _fitting(text: str, room: float, points: float, face: Typeface) -> float:
    while points > 4 and face.width(text, points) > room:
        points -= 0.5
    return points


def _background(size: tuple[int, int], digest: str) -> Image.Image:
    """Return a dark gradient, larger than the frame, with soft lights in colours that depend on the order's digest."""
    width, height = (round(side * _DRIFT) for side in size)
    hue = 0.47 + 0.42 * int(digest[:4], 16) / 65_536  # from teal over blue to plum: calm beside any amber
    dark, lit = _colour(hue, 0.48, 0.13), _colour(hue + 0.06, 0.55, 0.30)
    ramp = Image.linear_gradient("L").rotate(90 * (int(digest[4], 16) % 4)).resize((width, height))
    background = Image.composite(Image.new("RGB", (width, height), lit), Image.new("RGB", (width, height), dark), ramp)
    lights = Image.new("L", (64, 64))
    pen = ImageDraw.Draw(lights)
    for at in range(3):
        x, y = int(digest[5 + 4 * at : 7 + 4 * at], 16) // 4, int(digest[7 + 4 * at : 9 + 4 * at], 16) // 4
        pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=90 + 40 * at)
    soft = lights.filter(ImageFilter.GaussianBlur(7)).resize((width, height), Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", (width, height), _colour(hue + 0.14, 0.5, 0.46)), background, soft)


def _window(background: tuple[int, int], size: tuple[int, int], share: float) -> tuple[int, int, int, int]:
    left, top = (round((big - small) * share) for big, small in zip(background, size, strict=True))
    top = background[1] - size[1] - top
    return left, top, left + size[0], top + size[1]


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _eased(share: float) -> float:
    share = max(0.0, min(1.0, share))
    return share * share * (3 - 2 * share)
