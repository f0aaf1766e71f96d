"""One provider during a run: its translator, its client, its places, its clock, and whether it stopped the run."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio

from kbatch.providers.answers import date_of, retry_after
from kbatch.providers.base import Answer, Balance, Listed, NotAccepted, Provider, Reason, Reply, Request
from kbatch.run.pacing import Gcra, hold, reserve
from kbatch.run.slots import Slots
from kbatch.run.transport import Client

FATAL = (Reason.KEY, Reason.CREDITS, Reason.FORBIDDEN)
"""Answers after which nothing more is submitted to that provider in this run."""


@dataclass(slots=True, kw_only=True)
class Line:
    """A provider as one run sees it; `scale` multiplies kbatch's own waits (rehearsals only).

    `rate` spaces all calls, `polls` those that ask: what is left between the two is for purchases, however many ask.
    `looking` lets one look-up at a time claim jobs of the provider's list, `listed` are the jobs that it has read.
    """

    provider: Provider
    client: Client
    slots: Slots
    origin: str
    scale: float = 1.0
    rate: Gcra = field(default_factory=partial(Gcra, interval_s=0.0))
    polls: Gcra = field(default_factory=partial(Gcra, interval_s=0.0))
    account: str | None = None
    stopped: Reason | None = None
    why: str = ""
    looking: anyio.Lock = field(default_factory=anyio.Lock)
    listed: dict[str, Listed] = field(default_factory=dict)
    heard: tuple[datetime, float] | None = None

    def turn(self) -> float:
        """Take the next turn that the provider's rate allows; return the seconds until it comes."""
        self.rate, wait_s = reserve(self.rate, anyio.current_time())
        return wait_s

    async def ask(self, request: Request, *, timeout_s: float) -> Reply:
        """Send one call and note the provider's clock; what pays has had its turn before it was written down.

        After a 429 that says how long to wait nobody asks before that.
        """
        if request.method == "GET":
            await self._may_ask()
        reply = await self.client.send(request, timeout_s=timeout_s)
        if isinstance(reply, Answer):
            asked_s = retry_after(reply.headers) if reply.status == 429 else None
            if asked_s is not None:
                self.rate = hold(self.rate, anyio.current_time() + asked_s)
            date = date_of(reply.headers)
            if date is not None:
                self.heard = date, anyio.current_time()
        return reply

    async def _may_ask(self) -> None:
        self.polls, wait_s = reserve(self.polls, anyio.current_time())
        if wait_s > 0:
            await anyio.sleep(wait_s)
        wait_s = self.turn()
        if wait_s > 0:
            await anyio.sleep(wait_s)

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
