"""Fetching gives way to purchases, not for ever, and not where others wait for the clip."""

from collections.abc import Awaitable, Callable

import anyio
import trio
from trio.testing import MockClock

from kbatch.runner.limits.download_slots import DownloadSlots


def in_virtual_time(work: Callable[[], Awaitable[float]]) -> float:
    """Return what the work comes to; waiting takes no real time."""
    return float(trio.run(work, clock=MockClock(autojump_threshold=0)))


def waited(sending_s: float, *, awaited: bool = False, others: int = 0, theirs: bool = False) -> float:
    """Return how long a clip waits for its place while a purchase is sent, and `others` hold or want places already."""

    async def work() -> float:
        downloads, begun = DownloadSlots(), anyio.current_time()

        async def send() -> None:
            with downloads.purchase():
                await anyio.sleep(sending_s)

        async def fetch() -> None:
            async with downloads.hold(awaited=theirs):
                await anyio.sleep(10.0)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            for _ in range(others):
                tasks.start_soon(fetch)
            await anyio.sleep(0.001)
            async with downloads.hold(awaited=awaited):
                came = anyio.current_time() - begun
            tasks.cancel_scope.cancel()
        return came

    return in_virtual_time(work)


def test_a_purchase_goes_first() -> None:
    """A clip waits until the purchase is sent."""
    assert 0.5 <= waited(0.5) < 0.51


def test_a_clip_waits_two_seconds_at_most() -> None:
    """A provider that takes a minute to answer, or purchases without end, hold no clip back for long."""
    assert 2.0 <= waited(60.0) < 2.01


def test_a_clip_that_others_wait_for_waits_for_nobody() -> None:
    """Its last frame is what the next purchase needs."""
    assert waited(60.0, awaited=True) < 0.01


def test_sixteen_are_fetched_at_once() -> None:
    """The seventeenth waits until one of them is through; those that others wait for have places of their own."""
    for awaited in (True, False):
        assert waited(0.0, awaited=awaited, others=15, theirs=awaited) < 0.01
        assert 10.0 <= waited(0.0, awaited=awaited, others=16, theirs=awaited) < 10.01
    assert waited(60.0, awaited=True, others=64) < 0.01


def test_purchases_one_after_the_other_hold_clips_back_only_while_they_are_sent() -> None:
    """Between two purchases the clips that wait begin."""

    async def work() -> float:
        downloads = DownloadSlots()
        for _ in range(2):
            with downloads.purchase():
                await anyio.sleep(0.1)
            with anyio.fail_after(0.01):
                async with downloads.hold(awaited=False):
                    pass
        return 0.0

    assert in_virtual_time(work) == 0.0
