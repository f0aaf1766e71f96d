"""What a pretended job delivers: the order that a clip is made from, known to the world and to the makers of clips.

An order is a value that can be a key: equal orders give equal bytes, so a rendered clip is kept by its order.
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
    """A start or end picture: its bytes where the simulator has them, else the host that was named."""

    data: bytes = b""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One prompt of a timeline and how many seconds it lasts."""

    prompt: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOrder:
    """A clip to be made: without a `ratio` the start picture, else 16:9, decides; `beats` is empty without a timeline.

    `take` counts equal orders of one world: the second render of a request looks a little different, as it would.
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
    """Return a SHA-256 in hex of all that an order says, its pictures by their bytes."""
    digest = hashlib.sha256()
    for picture in (clip.start, clip.end):
        digest.update(b"-" if picture is None else hashlib.sha256(picture.data).digest() + picture.host.encode())
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
    """Return how many frames last `seconds`: at least one."""
    return max(1, round(seconds * FRAMES_PER_SECOND))
