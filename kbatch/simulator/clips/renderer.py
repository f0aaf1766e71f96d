"""Renders clips in threads, two at a time and each order once, and caches them in memory up to `ROOM_BYTES`."""

from collections import OrderedDict
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from kbatch.simulator.clips.orders import ClipOrder
from kbatch.simulator.clips.tiny import make_tiny

ROOM_BYTES = 256 * 1024 * 1024
_AT_A_TIME = 2


@dataclass(slots=True, kw_only=True)
class ClipRenderer:
    """Renders clips on demand; with `real` False they are tiny files that only declare what was bought."""

    real: bool = True
    kept: OrderedDict[ClipOrder, bytes] = field(default_factory=OrderedDict)
    under_way: dict[ClipOrder, anyio.Event] = field(default_factory=dict)
    used_bytes: int = 0
    _limiter: anyio.CapacityLimiter | None = None


async def fetch(renderer: ClipRenderer, clip: ClipOrder) -> bytes:
    """Return the clip's bytes; concurrent callers for one order wait for the same render."""
    if not renderer.real:
        return make_tiny(clip)
    while clip in renderer.under_way:
        await renderer.under_way[clip].wait()
    if clip in renderer.kept:
        renderer.kept.move_to_end(clip)
        return renderer.kept[clip]
    made = renderer.under_way[clip] = anyio.Event()
    try:
        data = await _made(renderer, clip)
        _keep(renderer, clip, data)
        return data
    finally:
        del renderer.under_way[clip]
        made.set()


async def _made(renderer: ClipRenderer, clip: ClipOrder) -> bytes:
    from kbatch.simulator.clips.encode import make_clip  # noqa: PLC0415 - PyAV is needed for real clips only

    if renderer._limiter is None:
        renderer._limiter = anyio.CapacityLimiter(_AT_A_TIME)
    return await anyio.to_thread.run_sync(make_clip, clip, limiter=renderer._limiter)


def _keep(renderer: ClipRenderer, clip: ClipOrder, data: bytes) -> None:
    renderer.kept[clip] = data
    renderer.used_bytes += len(data)
    while renderer.used_bytes > ROOM_BYTES and len(renderer.kept) > 1:
        _, oldest = renderer.kept.popitem(last=False)
        renderer.used_bytes -= len(oldest)
