"""The first job of each model and variant is submitted alone, until the provider has reported its charge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio


@dataclass(slots=True)
class _Model:
    """`stopped`: why nothing more of a model is submitted, None while it may be."""

    stopped: str | None = None


class PriceGuard:
    """Admits one job at a time until it is opened, or until a charge above the quote stops its model."""

    def __init__(self, model: _Model) -> None:
        self._model = model
        self._lock = anyio.Lock()
        self._open = False

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[bool]:
        """Wait for the first job; yields True to the job that goes first and blocks the others meanwhile."""
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
        """Whether no job has to wait: the charge was as quoted, or it stopped the model."""
        return self._open or self.stopped is not None

    @property
    def stopped(self) -> str | None:
        """Why nothing of this variant is submitted any more, None while it may be submitted."""
        return self._model.stopped

    def open(self) -> None:
        """Admit all jobs: the charge is as quoted, or the provider reports none before the end."""
        self._open = True


class PriceGuards:
    """The price guards of a run by provider, model and variant."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], _Model] = {}
        self._guards: dict[tuple[str, str, str], PriceGuard] = {}

    def of(self, provider: str, model: str, variant: str) -> PriceGuard:
        """Return the guard of a variant, closed at first."""
        known = self._model(provider, model)
        return self._guards.setdefault((provider, model, variant), PriceGuard(known))

    def stop(self, provider: str, model: str, reason: str) -> None:
        """Submit nothing more of a model in this run, after a charge above its quote."""
        known = self._model(provider, model)
        known.stopped = known.stopped or reason

    def _model(self, provider: str, model: str) -> _Model:
        return self._models.setdefault((provider, model), _Model())
