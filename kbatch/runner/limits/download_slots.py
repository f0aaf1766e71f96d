"""Places for fetching clips; they give way to purchases, since a render that begins late is dearer than a late clip."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

_MOST = 16
_PATIENCE_S = 2.0


class DownloadSlots:
    """At most 16 clips are fetched at once, and 16 more that others wait for."""

    def __init__(self) -> None:
        self._places = anyio.Semaphore(_MOST, fast_acquire=True)
        self._awaited = anyio.Semaphore(_MOST, fast_acquire=True)
        self._sending = 0
        self._quiet = anyio.Event()

    @contextmanager
    def purchase(self) -> Iterator[None]:
        """Send a purchase during the block: fetching begins after it."""
        if not self._sending:
            self._quiet = anyio.Event()
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1
            if not self._sending:
                self._quiet.set()

    @asynccontextmanager
    async def hold(self, *, awaited: bool) -> AsyncIterator[None]:
        """Hold a place; purchases that are being sent go first, for 2 s at most, unless others await the clip."""
        async with self._awaited if awaited else self._places:
            if self._sending and not awaited:
                with anyio.move_on_after(_PATIENCE_S):
                    while self._sending:
                        await self._quiet.wait()
            yield
