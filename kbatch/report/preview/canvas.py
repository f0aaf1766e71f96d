"""Where things stand on an animatic's frame: a stage for pictures, a band of words below it; pure arithmetic.

The stage has the shape that most of the film's seconds have; pictures of another shape are letterboxed in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

LONG_SIDE = 960
_NARROWEST = 540
_BAND, _BAND_OF_NARROW = 128, 188
_NARROW = 720

Size = tuple[int, int]
Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels, all even."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """The measures of a frame in pixels, all even: the stage at its top, the band below it."""

    width: int
    stage: int
    band: int

    @property
    def height(self) -> int:
        """The whole frame's height."""
        return self.stage + self.band


def canvas_of(shapes: Iterable[tuple[Size, float]]) -> Canvas:
    """Return the canvas of (width and height, seconds) pairs: the shape with the most seconds, the first of equals.

    >>> canvas_of([((1920, 1080), 5.0), ((16, 9), 5.0), ((9, 16), 8.0)])
    Canvas(width=960, stage=540, band=128)
    """
    seconds: dict[float, float] = {}
    for (width, height), length in shapes:
        shape = round(width / height, 2)
        seconds[shape] = seconds.get(shape, 0.0) + length
    ratio = max(0.5, min(2.4, max(seconds, key=lambda shape: seconds[shape], default=16 / 9)))
    width, stage = (LONG_SIDE, _even(LONG_SIDE / ratio)) if ratio >= 1 else (_even(LONG_SIDE * ratio), LONG_SIDE)
    if abs(ratio - 1) < 0.2:
        width, stage = (_even(side * 0.75) for side in (width, stage))
    width = max(width, _NARROWEST)
    return Canvas(width=width, stage=stage, band=_BAND if width >= _NARROW else _BAND_OF_NARROW)


def fitted(size: Size, stage: Size) -> Box:
    """Return where a picture of this size stands on the stage: as large as fits, in the middle.

    >>> fitted((1080, 1920), (960, 540))
    (328, 0, 304, 540)
    """
    scale = min(stage[0] / size[0], stage[1] / size[1])
    width, height = (max(2, min(_even(side * scale), most)) for side, most in zip(size, stage, strict=True))
    return centred((width, height), stage)


def centred(size: Size, stage: Size) -> Box:
    """Return where a picture that fits the stage stands in the middle of it, as large as it is."""
    return _even((stage[0] - size[0]) / 2), _even((stage[1] - size[1]) / 2), *size


def _even(length: float) -> int:
    return round(length / 2) * 2
