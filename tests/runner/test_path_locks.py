"""Who may move what: one task a path, and nobody waits in a circle."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from kbatch.runner.limits.path_locks import PathLocks

pytestmark = pytest.mark.anyio


async def _held_together(path_locks: PathLocks, *groups: tuple[str, ...]) -> int:
    """Let one task hold each group of paths, and return how many held theirs at once at most."""
    now = most = 0

    async def hold(paths: tuple[str, ...]) -> None:
        nonlocal now, most
        async with path_locks.hold(*paths):
            now += 1
            most = max(most, now)
            for _ in range(5):
                await checkpoint()
            now -= 1

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for paths in groups:
                tasks.start_soon(hold, paths)
    return most


@pytest.mark.parametrize(
    ("groups", "most"),
    [
        pytest.param((("a.mp4",), ("b.mp4",)), 2, id="different-paths-go-side-by-side"),
        pytest.param((("a.mp4",), ("a.mp4",)), 1, id="one-path-is-held-once"),
        pytest.param((("Hero.mp4",), ("hero.MP4",)), 1, id="two-that-may-be-one-file"),
        pytest.param((("a", "b"), ("b", "c"), ("c", "a")), 1, id="a-circle"),
        pytest.param((("a", "b"), ("b", "a"), ("c",)), 2, id="opposite-orders"),
        pytest.param((("a", "a"),), 1, id="the-same-twice"),
    ],
)
async def test_paths_are_held(groups: tuple[tuple[str, ...], ...], most: int) -> None:
    """Tasks that touch a common path go one after the other, all others at once, and all come to their end."""
    assert await _held_together(PathLocks(), *groups) == most


async def test_a_cancelled_hold_leaves_nothing_behind() -> None:
    """Who gives up waiting, or is cut off while holding, holds nothing any more."""
    path_locks = PathLocks()

    async def give_up() -> None:
        with anyio.move_on_after(0.01):
            async with path_locks.hold("b", "a"):
                pytest.fail("held twice")

    async with path_locks.hold("a"), anyio.create_task_group() as tasks:
        tasks.start_soon(give_up)
    with anyio.CancelScope() as scope:
        async with path_locks.hold("a", "b"):
            scope.cancel()
            await anyio.sleep_forever()
    assert await _held_together(path_locks, ("a",), ("b",)) == 2
    assert (path_locks._locks, path_locks._users) == ({}, {})
