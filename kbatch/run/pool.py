"""Connections that are kept for reuse: few of them, and the one used last is used first.

Rules it keeps: only a connection whose exchange ended in order is reused; after an error or a cancellation it is
closed, since what is still on its way could be taken for the answer to the next request. It knows nothing of HTTP.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import anyio

Connection = TypeVar("Connection")

KEPT = 32
"""Free connections that wait for their next use; thousands of jobs in flight ask far less often than they are many."""


class Pool(Generic[Connection]):
    """Makes connections when none is free; `close` is called for each one that is not reused."""

    def __init__(
        self, make: Callable[[], Connection], close: Callable[[Connection], Awaitable[None]], *, kept: int = KEPT
    ) -> None:
        self._make = make
        self._close = close
        self._kept = kept
        self._free: list[Connection] = []
        self._closed = False

    @asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """Lend one connection, a new one if `fresh`; it comes back only when the block ends in order."""
        connection = self._free.pop() if self._free and not fresh else self._make()
        try:
            yield connection
        except BaseException:
            await self._end(connection)
            raise
        self._free.append(connection)
        if self._closed or len(self._free) > self._kept:
            await self._end(self._free.pop(0))

    async def aclose(self) -> None:
        """Close all that are free; one that is still lent is closed when it comes back."""
        self._closed = True
        while self._free:
            await self._end(self._free.pop())

    async def _end(self, connection: Connection) -> None:
        with anyio.CancelScope(shield=True):
            await self._close(connection)
