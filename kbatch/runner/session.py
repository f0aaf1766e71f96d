"""One provider during a run: its translator, its client, its places, its clock, and whether it stopped the run."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio
from msgspec.structs import replace

from kbatch.providers.base import Answer, Balance, Listed, NotAccepted, Provider, Reason, Reply, Request
from kbatch.providers.error_messages import message_of
from kbatch.providers.http.client import Client
from kbatch.providers.responses import date_of, retry_after
from kbatch.receipts.account import Account, Kept
from kbatch.runner.limits.concurrency import Slots
from kbatch.runner.limits.rate import Gcra, hold, take_turn
from kbatch.runner.limits.retry import LONGEST_REFUSAL_S, LONGEST_WAIT_S
from kbatch.runner.limits.waits import asked_for
from kbatch.runner.progress_events import ignore

_log = logging.getLogger(__name__)

FATAL = (Reason.KEY, Reason.CREDITS, Reason.FORBIDDEN)
"""Answers after which nothing more is submitted to that provider in this run."""


@dataclass(slots=True, kw_only=True)
class ProviderSession:
    """A provider as one run sees it; `scale` multiplies kbatch's own waits (rehearsals only).

    `rate` spaces all calls, `polls` those that ask: what is left between the two is for purchases, however many ask.
    `closed` says why nothing is submitted here for a while, `shut` is the answer that asked for more patience than
    kbatch has, which stands for all others until it may be asked again, `held_until_s` how long nobody asks. `say` is
    told of waits. `looking` lets one look-up at a time claim jobs of the provider's list, `listed` are the jobs that it
    has read.
    """

    provider: Provider
    client: Client
    slots: Slots
    origin: str
    scale: float = 1.0
    rate: Gcra = field(default_factory=partial(Gcra, interval_s=0.0))
    polls: Gcra = field(default_factory=partial(Gcra, interval_s=0.0))
    account: Kept = None
    stopped: Reason | None = None
    stop_reason: str = ""
    lookup_lock: anyio.Lock = field(default_factory=anyio.Lock)
    listed_jobs: dict[str, Listed] = field(default_factory=dict)
    last_date: tuple[datetime, float] | None = None
    closed_reason: str = ""
    too_long_wait: Answer | None = None
    held_until_s: float = 0.0
    refusing_since_s: float | None = None
    on_wait: Callable[[str], None] = ignore

    def turn(self) -> float:
        """Take the next turn that the provider's rate allows; return the seconds until it comes."""
        self.rate, wait_s = take_turn(self.rate, anyio.current_time())
        return wait_s

    async def ask(self, request: Request, *, timeout_s: float) -> Reply:
        """Send one call and note the provider's clock; what pays has had its turn before it was written down.

        After a 429 that says how long to wait nobody asks before that. One that says more than kbatch waits is the
        answer to whatever is asked until then.
        """
        if request.method == "GET":
            if self.too_long_wait is None:
                await self._wait_for_turn()
            if self.too_long_wait is not None:
                if self.held_s > 0:
                    return self.too_long_wait
                self.too_long_wait = None
        reply = await self.client.send(request, timeout_s=timeout_s)
        if isinstance(reply, Answer):
            self._apply_retry_after(reply)
            date = date_of(reply.headers)
            if date is not None:
                self.last_date = date, anyio.current_time()
        return reply

    def _apply_retry_after(self, answer: Answer) -> None:
        """Hold all calls back as an answer asks for, or end asking where that is too long."""
        asked_s = retry_after(answer.headers) if answer.status in (429, 503) else None
        if asked_s is None or (answer.status == 503 and asked_s <= LONGEST_WAIT_S):
            return
        news = asked_s > self.held_s + 1.0
        self.held_until_s = max(self.held_until_s, anyio.current_time() + asked_s)
        words = asked_for(self.provider.title, asked_s)
        if asked_s > LONGEST_WAIT_S:
            self.too_long_wait, self.closed_reason = answer, words
        else:
            self.rate = hold(self.rate, anyio.current_time() + asked_s)
        if news:
            _log.info("HTTP %d: %s; no call to it before that", answer.status, words)
            self.on_wait(f"{words} ({message_of(answer)})")

    @property
    def held_s(self) -> float:
        """How many seconds nobody may ask, as the provider wishes; 0 when it has no such wish."""
        return max(0.0, self.held_until_s - anyio.current_time())

    def note_refusal(self, wait_s: float, message: str) -> None:
        """Note that a purchase was refused for now; after half an hour of nothing else no more is submitted."""
        now_s = anyio.current_time()
        self.refusing_since_s = now_s if self.refusing_since_s is None else self.refusing_since_s
        if now_s + wait_s - self.refusing_since_s > LONGEST_REFUSAL_S:
            said = f"{self.provider.title} has refused all purchases for {LONGEST_REFUSAL_S / 60:.0f} min"
            self.closed_reason = self.closed_reason or f"{said}: {message}"

    async def _wait_for_turn(self) -> None:
        self.polls, wait_s = take_turn(self.polls, anyio.current_time())
        if wait_s > 0:
            await anyio.sleep(wait_s)
        wait_s = self.turn()
        if wait_s > 0:
            await anyio.sleep(wait_s)

    async def ask_balance(self, *, timeout_s: float = 20.0) -> Balance | NotAccepted:
        """Ask once what the account holds, and note whose it is."""
        answer = self.provider.read_balance(await self.ask(self.provider.balance(), timeout_s=timeout_s))
        if isinstance(answer, Balance):
            self.account = self._kept(answer.account)
        elif self.too_long_wait is not None:
            return replace(answer, message=f"{answer.message}; {self.closed_reason}")
        return answer

    def _kept(self, account: Account | None) -> Kept:
        """Return an account as receipts keep it; of the key at most half, whatever the provider takes for a prefix."""
        if account is None:
            return None
        key = account.key and self.client.without_key(account.key)
        return replace(account, key=key or None).kept()

    def provider_time(self) -> datetime | None:
        """Return the provider's time of day, None before it told one.

        Counted on from its last `Date` by the steady clock: this machine's time of day may be wrong, and may jump.
        """
        if self.last_date is None:
            return None
        date, at = self.last_date
        return date + timedelta(seconds=anyio.current_time() - at)

    def stop(self, reason: Reason, stop_reason: str) -> None:
        """Submit nothing more to this provider; what runs there is still collected."""
        if self.stopped is None:
            self.stopped, self.stop_reason = reason, stop_reason
            _log.info("nothing more is submitted to %s: %s", self.provider.name, reason.value)
