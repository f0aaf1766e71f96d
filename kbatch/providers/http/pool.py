"""Connections that are kept for reuse: few of them, and the one used last is used first.

A connection is reused only when its exchange ended in order and nothing was received since; otherwise it is closed,
since stray data could be read as the answer to the next request. The pool does not depend on HTTP.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import anyio

Connection = TypeVar("Connection")

KEPT = 32
"""Free connections that wait for their next use; thousands of jobs in flight ask far less often than they are many."""


class Pool(Generic[Connection]):
    """Makes connections when none is free; `close` is called for each one that is not reused, `quiet` before reuse."""

    def __init__(
        self,
        make: Callable[[], Connection],
        close: Callable[[Connection], Awaitable[None]],
        quiet: Callable[[Connection], Awaitable[bool]] | None = None,
        *,
        kept: int = KEPT,
    ) -> None:
        self._make = make
        self._close = close
        self._quiet = quiet
        self._kept = kept
        self._free: list[Connection] = []
        self._closed = False

    @asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """Lend one connection, a new one if `fresh`; it comes back only when the block ends in order."""
        connection = (None if fresh else await self._reusable()) or self._make()
        try:
            yield connection
        except BaseException:
            await self._end(connection)
            raise
        self._free.append(connection)
        if self._closed or len(self._free) > self._kept:
            await self._end(self._free.pop(0))

    async def _reusable(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            quiet = False
            try:
                quiet = self._quiet is None or await self._quiet(connection)
            finally:
                if not quiet:
                    await self._end(connection)
            if quiet:
                return connection
        return None

    async def aclose(self) -> None:
        """Close all that are free; one that is still lent is closed when it comes back."""
        self._closed = True
        while self._free:
            await self._end(self._free.pop())

    async def _end(self, connection: Connection) -> None:
        with anyio.CancelScope(shield=True):
            await self._close(connection)
