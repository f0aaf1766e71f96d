"""Locks on paths: one task at a time may write or move a clip; tasks on different paths run concurrently."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio


class PathLocks:
    """Locks created on demand; `archive_lock` guards the whole `.kept/` folder and is taken last."""

    def __init__(self) -> None:
        self._locks: dict[str, anyio.Lock] = {}
        self._users: dict[str, int] = {}
        self.archive_lock = anyio.Lock()

    @asynccontextmanager
    async def hold(self, *paths: str) -> AsyncIterator[None]:
        """Hold these paths during the block. Locks are taken in sorted order to prevent deadlock.

        Paths that differ only in case share a lock, since they may be one file.
        """
        async with AsyncExitStack() as held:
            for key in sorted({path.casefold() for path in paths}):
                await held.enter_async_context(self._held(key))
            yield

    @asynccontextmanager
    async def _held(self, key: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(key, anyio.Lock(fast_acquire=True))
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
