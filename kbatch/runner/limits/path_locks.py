"""Who may move what: a path is held by one task at a time, and tasks that touch different paths go side by side."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio


class PathLocks:
    """Locks on paths, made when they are asked for; `aside` is the one of all that is kept aside, taken last."""

    def __init__(self) -> None:
        self._locks: dict[str, anyio.Lock] = {}
        self._users: dict[str, int] = {}
        self.archive_lock = anyio.Lock()

    @asynccontextmanager
    async def hold(self, *paths: str) -> AsyncIterator[None]:
        """Hold these paths for the time of a block, taken in one order by all, so that nobody waits in a circle.

        Two paths that differ in case only may be one file, so they are one here.
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
