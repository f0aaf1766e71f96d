"""The first job of each model and variant goes ahead alone, until the provider has said what it charges for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class Gate:
    """Lets one job pass at a time until it is opened; closed for good once a charge above the quote was seen."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._open = False
        self.stopped: str | None = None

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[bool]:
        """Wait for the job ahead; True for the one that goes ahead itself, and holds back the others until it is through."""
        if self.decided:
            yield False
            return
        await self._lock.acquire()
        if self.decided:
            self._lock.release()
            yield False
            return
        try:
            yield True
        finally:
            self._lock.release()

    @property
    def decided(self) -> bool:
        """Whether nobody has to wait any more: the charge is known to be right, or wrong."""
        return self._open or self.stopped is not None

    def open(self) -> None:
        """The charge is as quoted: let all others through."""
        self._open = True

    def stop(self, reason: str) -> None:
        """The charge is above the quote: nothing of this variant is submitted any more in this run."""
        self.stopped = reason


class Gates:
    """The gates of a run, by provider, model and variant."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str, str], Gate] = {}

    def of(self, provider: str, model: str, variant: str) -> Gate:
        """Return the gate of a variant, closed at first."""
        return self._gates.setdefault((provider, model, variant), Gate())

    def stopped(self) -> list[str]:
        """Return why gates were stopped."""
        return [gate.stopped for gate in self._gates.values() if gate.stopped]
