"""Where clips are made: in threads, two at a time, each order once, and kept in memory while there is room."""

from collections import OrderedDict
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from kbatch.simulator.clips.orders import ClipOrder
from kbatch.simulator.clips.tiny import make_tiny

ROOM_BYTES = 256 * 1024 * 1024
_AT_A_TIME = 2


@dataclass(slots=True, kw_only=True)
class Studio:
    """Makes clips on demand; `real` False stands for tiny files that only declare what was bought."""

    real: bool = True
    kept: OrderedDict[ClipOrder, bytes] = field(default_factory=OrderedDict)
    under_way: dict[ClipOrder, anyio.Event] = field(default_factory=dict)
    used_bytes: int = 0
    _limiter: anyio.CapacityLimiter | None = None


async def fetch(studio: Studio, clip: ClipOrder) -> bytes:
    """Return the clip's bytes; who asks while it is being made waits for the same one."""
    if not studio.real:
        return make_tiny(clip)
    while clip in studio.under_way:
        await studio.under_way[clip].wait()
    if clip in studio.kept:
        studio.kept.move_to_end(clip)
        return studio.kept[clip]
    made = studio.under_way[clip] = anyio.Event()
    try:
        data = await _made(studio, clip)
        _keep(studio, clip, data)
        return data
    finally:
        del studio.under_way[clip]
        made.set()


async def _made(studio: Studio, clip: ClipOrder) -> bytes:
    from kbatch.simulator.clips.encode import make_clip  # noqa: PLC0415 - PyAV is needed for real clips only

    if studio._limiter is None:
        studio._limiter = anyio.CapacityLimiter(_AT_A_TIME)
    return await anyio.to_thread.run_sync(make_clip, clip, limiter=studio._limiter)


def _keep(studio: Studio, clip: ClipOrder, data: bytes) -> None:
    studio.kept[clip] = data
    studio.used_bytes += len(data)
    while studio.used_bytes > ROOM_BYTES and len(studio.kept) > 1:
        _, oldest = studio.kept.popitem(last=False)
        studio.used_bytes -= len(oldest)
