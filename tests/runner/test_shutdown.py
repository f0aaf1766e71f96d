"""Stopping: what a soft and a hard stop end at once, and what they wait for."""

import anyio
import pytest
from anyio.abc import TaskStatus

from kbatch.runner.shutdown import Shutdown

pytestmark = pytest.mark.anyio


async def test_a_soft_stop_ends_waits_before_a_submit_only() -> None:
    """A long wait before a send ends; blocks go on."""
    shutdown = Shutdown()
    went_on = []

    async def block(*, task_status: TaskStatus[None]) -> None:
        with shutdown.block():
            task_status.started()
            await anyio.sleep(0.01)
            went_on.append(True)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shutdown.pause, 600.0)
            await tasks.start(block)
            shutdown.stop_gracefully()
    assert went_on == [True]
    assert shutdown.graceful
    assert not shutdown.immediate


async def test_a_hard_stop_ends_blocks_and_gives_sends_a_moment() -> None:
    """A block ends at once; an answer that comes within the grace is still had, one that does not is given up."""
    shutdown = Shutdown()
    had, given_up, ended = [], [], []

    async def answer(seconds: float, into: list[bool], *, task_status: TaskStatus[None]) -> None:
        with anyio.CancelScope(shield=True), shutdown.send():
            task_status.started()
            await anyio.sleep(seconds)
            into.append(True)

    async def block(*, task_status: TaskStatus[None]) -> None:
        with shutdown.block():
            task_status.started()
            await anyio.sleep_forever()
        ended.append(True)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            await tasks.start(answer, 60.0, given_up)
            await tasks.start(block)
            await tasks.start(answer, 0.02, had)
            shutdown.stop_now(grace_s=0.3)
    assert (had, given_up, ended) == ([True], [], [True])


async def test_after_a_hard_stop_nothing_begins() -> None:
    """A block and a send that come too late end where they would first wait."""
    shutdown = Shutdown()
    shutdown.stop_now()
    begun = []
    for late in (shutdown.block, shutdown.send):
        with late():
            await anyio.sleep(0.01)
            begun.append(late)
    assert begun == []


async def test_a_disk_in_trouble_stops_softly() -> None:
    """Nothing more is submitted, and nobody has asked for a stop."""
    shutdown = Shutdown()
    shutdown.stop_for_disk_error()
    assert shutdown.graceful
    assert not shutdown.requested
