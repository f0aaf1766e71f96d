"""Places at a provider: never more than there are, the most urgent first, and none lost to a cancellation."""

from functools import partial

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from kbatch.runner.limits.concurrency import Slots

pytestmark = pytest.mark.anyio


async def test_those_that_come_together_go_by_urgency() -> None:
    """Of tasks that ask at the same time the most urgent get the places, whatever order the loop starts them in."""
    slots, order = Slots(1), []

    async def job(urgency: float) -> None:
        async with slots.hold(urgency):
            order.append(urgency)
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        for urgency in (3.0, 9.0, 1.0, 7.0):
            tasks.start_soon(job, urgency)
    assert order == [9.0, 7.0, 3.0, 1.0]
    assert slots.taken == 0


async def test_fewer_places_after_a_refusal_and_more_after_acceptances() -> None:
    """A 429 halves what may run at once, those that hold a place keep it; acceptances bring the places back."""
    slots, running, most = Slots(4), 0, []
    slots.rate_limited(anyio.current_time())

    async def job() -> None:
        nonlocal running
        async with slots.hold(0.0):
            running += 1
            most.append(running)
            await checkpoint()
            running -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(job)
    assert max(most) == 2
    for _ in range(20):
        slots.accepted()
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(job)
    assert max(most) == 4


async def test_few_wait_for_a_place_of_many_that_are_to_come() -> None:
    """Whoever starts tasks is held back while many wait, and goes on as places come free."""
    slots, started, release = Slots(2), [], anyio.Event()

    async def job(number: int) -> None:
        started.append(number)
        async with slots.hold(0.0):
            await release.wait()

    async def start(jobs: TaskGroup) -> None:
        for number in range(500):
            jobs.start_soon(job, number)
            await slots.wait_for_room()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start, tasks)
        for _ in range(300):
            await checkpoint()
        assert 60 <= len(started) <= 70
        release.set()
    assert len(started) == 500
    assert slots.taken == 0


jobs = st.lists(st.tuples(st.floats(0, 9), st.integers(0, 4), st.none() | st.integers(0, 6)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    jobs,
    st.integers(1, 4),
    st.lists(st.sampled_from(("back", "well")), max_size=4),
    st.sampled_from(("asyncio", "trio")),
)
def test_no_order_of_events_breaks_the_count(
    jobs: list[tuple[float, int, int | None]], most: int, moves: list[str], backend: str
) -> None:
    """Under any urgencies, lengths and cancellations never more than the places are taken, and all come free again."""
    anyio.run(partial(_shuffle, jobs, most, moves), backend=backend)


async def _shuffle(jobs: list[tuple[float, int, int | None]], most: int, moves: list[str]) -> None:
    slots, running = Slots(most), 0

    async def job(urgency: float, length: int) -> None:
        nonlocal running
        async with slots.hold(urgency):
            running += 1
            try:
                assert running <= slots.taken <= most
                for _ in range(length):
                    await checkpoint()
            finally:
                running -= 1

    async def cancelled(urgency: float, length: int, after: int) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(job, urgency, length)
                for _ in range(after):
                    await checkpoint()
                scope.cancel()

    async with anyio.create_task_group() as tasks:
        for urgency, length, after in jobs:
            if after is None:
                tasks.start_soon(job, urgency, length)
            else:
                tasks.start_soon(cancelled, urgency, length, after)
        for move in moves:
            await checkpoint()
            if move == "back":
                slots.rate_limited(anyio.current_time())
            else:
                slots.accepted()
    assert (running, slots.taken) == (0, 0)
    for _ in range(40):
        slots.accepted()
    async with anyio.create_task_group() as tasks:
        for _ in range(most):
            tasks.start_soon(job, 0.0, 1)
