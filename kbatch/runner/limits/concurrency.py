"""Slots at a provider: how many jobs run there at once, with a limit that adapts."""

import heapq
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import anyio
import anyio.lowlevel

from kbatch.runner.limits.capacity import Capacity, full, halved, recovered

_log = logging.getLogger(__name__)

_QUEUE = 64  # waiting tasks: enough to refill every slot, few enough for the memory


class Slots:
    """A semaphore with priorities: the waiting task with the highest `priority` gets the next free slot."""

    def __init__(self, most: int) -> None:
        self._capacity: Capacity = full(most)
        self._taken = 0
        self._order = count()
        self._waiting: list[tuple[float, int, anyio.Event]] = []
        self._moved: anyio.Event | None = None

    async def wait_for_room(self) -> None:
        """Wait until fewer than 64 tasks wait for a slot; tasks that were just started are counted."""
        await anyio.lowlevel.checkpoint()
        while len(self._waiting) >= _QUEUE:
            self._moved = anyio.Event()
            await self._moved.wait()

    @property
    def taken(self) -> int:
        """Jobs that hold a slot now."""
        return self._taken

    @asynccontextmanager
    async def hold(self, priority: float) -> AsyncIterator[None]:
        """Hold a slot during the block."""
        await self._take(priority)
        try:
            yield
        finally:
            self._taken -= 1
            self._wake()

    def rate_limited(self, now_s: float) -> None:
        """Halve the number of slots after a 429."""
        self._capacity = halved(self._capacity, now_s)
        _log.info("too many requests: %d jobs at once from now on", self._capacity.slots)

    def accepted(self) -> None:
        """Grow towards the configured number of slots after an acceptance."""
        self._capacity = recovered(self._capacity)
        self._wake()

    async def _take(self, priority: float) -> None:
        turn = anyio.Event()
        waiter = (-priority, next(self._order), turn)
        heapq.heappush(self._waiting, waiter)
        try:
            # Tasks that start together are all in the queue before the first of them gets a slot.
            await anyio.lowlevel.checkpoint()
            self._wake()
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._taken -= 1
                self._wake()
            else:
                self._waiting.remove(waiter)
                heapq.heapify(self._waiting)
                self._on_progress()
            raise

    def _wake(self) -> None:
        while self._waiting and self._taken < self._capacity.slots:
            self._taken += 1
            heapq.heappop(self._waiting)[2].set()
        self._on_progress()

    def _on_progress(self) -> None:
        if self._moved is not None and len(self._waiting) < _QUEUE:
            self._moved.set()
