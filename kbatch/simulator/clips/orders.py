"""Clip orders: the description from which the clip of a simulated job is made.

An order is hashable, and equal orders give equal bytes, so rendered clips are cached by order.
"""

import hashlib
from dataclasses import dataclass, replace

FRAMES_PER_SECOND = 12
LONG_SIDE = 480
_SHORT_SIDE_AT_LEAST = 32

Ratio = tuple[int, int]
"""Width to height, such as (16, 9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillImage:
    """A start or end image: its bytes where the simulator has them, else the host of its URL."""

    data: bytes = b""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One prompt of a timeline, with its length in seconds."""

    prompt: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOrder:
    """A clip to make; without `ratio` the shape is that of the start image, else 16:9; `beats` is the timeline, if any.

    `take` counts equal orders of one world, so that a second render of a request looks slightly different.
    """

    provider: str
    model: str
    variant: str
    prompt: str
    seconds: float
    audio: bool
    ratio: Ratio | None = None
    beats: tuple[Beat, ...] = ()
    start: StillImage | None = None
    end: StillImage | None = None
    take: int = 1


def digest_of_clip(clip: ClipOrder) -> str:
    """Return the SHA-256 of an order in hex, with its images by their bytes."""
    digest = hashlib.sha256()
    for image in (clip.start, clip.end):
        digest.update(b"-" if image is None else hashlib.sha256(image.data).digest() + image.host.encode())
    rest = replace(clip, start=None, end=None)
    digest.update(repr(rest).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def frame_size(ratio: Ratio, long_side: int = LONG_SIDE) -> tuple[int, int]:
    """Return width and height in pixels: even, the long side as given, the short one never under 32.

    >>> frame_size((16, 9)), frame_size((9, 16)), frame_size((1, 1))
    ((480, 270), (270, 480), (480, 480))
    """
    wide, high = ratio
    short = max(_SHORT_SIDE_AT_LEAST, round(long_side * min(wide, high) / max(wide, high) / 2) * 2)
    return (long_side, short) if wide >= high else (short, long_side)


def frame_count(seconds: float) -> int:
    """Return the number of frames of a clip of `seconds`: at least one."""
    return max(1, round(seconds * FRAMES_PER_SECOND))
