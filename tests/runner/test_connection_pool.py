"""Connections are things that are lent; which ones come back is what counts."""

from itertools import count

import anyio
import pytest

from kbatch.providers.http.pool import KEPT, Pool

pytestmark = pytest.mark.anyio


def pool_of(kept):
    """Return a pool of numbers and the list of those that were closed."""
    numbers, closed = count(1), []

    async def close(number):
        await anyio.lowlevel.checkpoint()
        closed.append(number)

    return Pool(lambda: next(numbers), close, kept=kept), closed


async def test_the_last_used_is_used_first():
    """Of two free connections the one freed last is lent, so that the others can grow old."""
    pool, closed = pool_of(4)
    async with pool.lease() as first, pool.lease() as second:
        assert (first, second) == (1, 2)
    async with pool.lease() as again:
        assert again == 1
    assert closed == []


async def test_a_fresh_lease_is_new_and_is_kept_after():
    """A purchase gets a connection of its own, which then serves polls; no more are kept than should be."""
    pool, closed = pool_of(1)
    async with pool.lease() as one:
        assert one == 1
    async with pool.lease(fresh=True) as two:
        assert two == 2
    assert closed == [1]
    async with pool.lease() as again:
        assert again == 2


async def test_a_connection_that_failed_is_closed():
    """An error in the exchange ends the connection."""
    pool, closed = pool_of(1)
    with pytest.raises(ZeroDivisionError):
        async with pool.lease():
            raise ZeroDivisionError
    assert closed == [1]
    async with pool.lease() as next_one:
        assert next_one == 2


async def test_a_cancelled_exchange_closes_its_connection():
    """Closing is not cut off by the cancellation that caused it."""
    pool, closed = pool_of(1)
    with anyio.CancelScope() as scope:
        async with pool.lease():
            scope.cancel()
            await anyio.sleep_forever()
    assert closed == [1]


async def test_a_closed_pool_keeps_nothing():
    """Free ones are closed at once, lent ones when they come back."""
    pool, closed = pool_of(4)
    async with pool.lease():
        async with pool.lease():
            pass
        await pool.aclose()
        assert closed == [2]
    assert closed == [2, 1]


async def test_few_connections_are_kept_of_many() -> None:
    """A hundred that were lent at once come back, and all but the last 32 are closed."""
    pool, closed = pool_of(KEPT)

    async def hold() -> None:
        async with pool.lease(fresh=True):
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(hold)
    assert len(closed) == 100 - KEPT
