"""The gate of a variant: one goes ahead, the others follow once its charge is known, and a surprise stops the model."""

import anyio
import anyio.lowlevel
import pytest

from kbatch.runner.limits.price_guard import PriceGuards

pytestmark = pytest.mark.anyio


async def test_one_goes_ahead_and_the_others_follow() -> None:
    """While the first is in the gate nobody else is; once it is open all pass at once."""
    price_guards, inside, most, ahead = PriceGuards(), 0, [], []

    async def job() -> None:
        nonlocal inside
        async with price_guards.of("apiframe", "kling-2.6", "5s").passing() as first:
            inside += 1
            most.append((price_guards.of("apiframe", "kling-2.6", "5s").decided, inside))
            ahead.append(first)
            await anyio.lowlevel.checkpoint()
            inside -= 1
            price_guards.of("apiframe", "kling-2.6", "5s").open()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(job)
    assert ahead.count(True) == 1
    assert max(count for decided, count in most if not decided) == 1


async def test_when_the_one_ahead_was_not_bought_the_next_goes_ahead() -> None:
    """A gate that was left without being opened lets the next one in alone."""
    guard = PriceGuards().of("apiframe", "kling-2.6", "5s")
    for _ in range(3):
        async with guard.passing() as ahead:
            assert ahead


async def test_a_surprise_stops_every_variant_of_the_model() -> None:
    """Those that wait and those that come later find it stopped; other models and providers do not."""
    price_guards = PriceGuards()
    seen = []

    async def waiting(variant: str) -> None:
        guard = price_guards.of("apiframe", "kling-2.6", variant)
        async with guard.passing():
            seen.append(guard.stopped)

    async with price_guards.of("apiframe", "kling-2.6", "5s").passing():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting, "10s")
        seen.clear()
    price_guards.stop("apiframe", "kling-2.6", "charged twice")
    price_guards.stop("apiframe", "kling-2.6", "and again")
    await waiting("5s")
    await waiting("10s-audio")
    assert seen == ["charged twice", "charged twice"]
    assert price_guards.of("apiframe", "kling-2.1", "5s").stopped is None
    assert price_guards.of("aimlapi", "kling-2.6", "5s").stopped is None


async def test_one_that_is_cancelled_in_the_gate_leaves_it_free() -> None:
    """A cancellation ahead or in the queue closes nobody out."""
    guard = PriceGuards().of("apiframe", "kling-2.6", "5s")

    async def stuck() -> None:
        async with guard.passing():
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stuck)
        tasks.start_soon(stuck)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(1):
        async with guard.passing() as ahead:
            assert ahead
