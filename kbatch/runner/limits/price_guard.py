"""The first job of each model and variant goes ahead alone, until the provider has said what it charges for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio


@dataclass(slots=True)
class _Model:
    """Why nothing more of a model is submitted, None while that is not so."""

    stopped: str | None = None


class PriceGuard:
    """Lets one job pass at a time until it is opened, or until a charge above the quote stops its model for good."""

    def __init__(self, model: _Model) -> None:
        self._model = model
        self._lock = anyio.Lock()
        self._open = False

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[bool]:
        """Wait for the job ahead; True for the one that goes ahead itself and holds the others back meanwhile."""
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

    @property
    def stopped(self) -> str | None:
        """Why nothing of this variant is submitted any more, None while it may be."""
        return self._model.stopped

    def open(self) -> None:
        """The charge is as quoted, or the provider does not tell it now: let all others through."""
        self._open = True


class PriceGuards:
    """The gates of a run, by provider, model and variant."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], _Model] = {}
        self._guards: dict[tuple[str, str, str], PriceGuard] = {}

    def of(self, provider: str, model: str, variant: str) -> PriceGuard:
        """Return the gate of a variant, closed at first."""
        known = self._model(provider, model)
        return self._guards.setdefault((provider, model, variant), PriceGuard(known))

    def stop(self, provider: str, model: str, reason: str) -> None:
        """A charge is above its quote: nothing of this model is submitted any more in this run."""
        known = self._model(provider, model)
        known.stopped = known.stopped or reason

    def _model(self, provider: str, model: str) -> _Model:
        return self._models.setdefault((provider, model), _Model())
