"""Slots for downloads; submits go first, since a late start of a render costs more time than a late download."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

_MOST = 16
_PATIENCE_S = 2.0  # the longest wait of a download for submits, so that a row of submits starves none


class DownloadSlots:
    """At most 16 downloads at once, and 16 more of clips that other jobs wait for."""

    def __init__(self) -> None:
        self._places = anyio.Semaphore(_MOST, fast_acquire=True)
        self._awaited = anyio.Semaphore(_MOST, fast_acquire=True)
        self._sending = 0
        self._quiet = anyio.Event()

    @contextmanager
    def purchase(self) -> Iterator[None]:
        """Mark a submit in progress during the block: downloads begin after it."""
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
        """Hold a slot; submits in progress go first, for 2 s at most, unless a job awaits the clip."""
        async with self._awaited if awaited else self._places:
            if self._sending and not awaited:
                with anyio.move_on_after(_PATIENCE_S):
                    while self._sending:
                        await self._quiet.wait()
            yield
