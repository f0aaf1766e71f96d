"""One provider during a run: its translator, its client, its places, its clock, and whether it stopped the run."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from kbatch.providers.answers import date_of
from kbatch.providers.base import Answer, Balance, Listed, NotAccepted, Provider, Reason, Reply, Request
from kbatch.run.slots import Slots
from kbatch.run.transport import Client

FATAL = (Reason.KEY, Reason.CREDITS, Reason.FORBIDDEN)
"""Answers after which nothing more is submitted to that provider in this run."""


@dataclass(slots=True, kw_only=True)
class Line:
    """A provider as one run sees it; `scale` multiplies kbatch's own waits (rehearsals only).

    `looking` lets one look-up at a time claim jobs of the provider's list, `listed` are the jobs that it has read.
    """

    provider: Provider
    client: Client
    slots: Slots
    origin: str
    scale: float = 1.0
    account: str | None = None
    stopped: Reason | None = None
    why: str = ""
    looking: anyio.Lock = field(default_factory=anyio.Lock)
    listed: dict[str, Listed] = field(default_factory=dict)
    heard: tuple[datetime, float] | None = None

    async def ask(self, request: Request, *, timeout_s: float) -> Reply:
        """Send one call and note the provider's clock."""
        reply = await self.client.send(request, timeout_s=timeout_s)
        if isinstance(reply, Answer):
            date = date_of(reply.headers)
            if date is not None:
                self.heard = date, anyio.current_time()
        return reply

    async def ask_balance(self, *, timeout_s: float = 20.0) -> Balance | NotAccepted:
        """Ask once what the account holds, and note whose it is."""
        answer = self.provider.read_balance(await self.ask(self.provider.balance(), timeout_s=timeout_s))
        if isinstance(answer, Balance):
            self.account = answer.account
        return answer

    def their_time(self) -> datetime | None:
        """Return the provider's time of day, None before it told one.

        Counted on from its last `Date` by the steady clock: this machine's time of day may be wrong, and may jump.
        """
        if self.heard is None:
            return None
        date, at = self.heard
        return date + timedelta(seconds=anyio.current_time() - at)

    def stop(self, reason: Reason, why: str) -> None:
        """Submit nothing more to this provider; what runs there is still collected."""
        if self.stopped is None:
            self.stopped, self.why = reason, why
