"""One account of a provider during a run: its adapter, HTTP client, slots, rate, clock and stop reason."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio
from msgspec.structs import replace

from kbatch.planner.payers import DEFAULT
from kbatch.providers.base import Answer, Balance, Listed, NotAccepted, Provider, Reason, Reply, Request
from kbatch.providers.error_messages import message_of
from kbatch.providers.http.client import Client
from kbatch.providers.responses import date_of, retry_after
from kbatch.receipts.account import Account, StoredAccount
from kbatch.runner.limits.concurrency import Slots
from kbatch.runner.limits.polling.watches import Watches
from kbatch.runner.limits.rate import Gcra, hold, take_turn, wait_before
from kbatch.runner.limits.retry import LONGEST_REFUSAL_S, LONGEST_WAIT_S
from kbatch.runner.limits.waits import asked_for
from kbatch.runner.progress_events import ignore

_log = logging.getLogger(__name__)

FATAL = (Reason.KEY, Reason.CREDITS, Reason.FORBIDDEN)
"""Reasons after which nothing more is submitted to that provider in this run."""


@dataclass(slots=True, kw_only=True)
class ProviderSession:
    """State of one account in a run; `scale` multiplies kbatch's own waits (loopback and simulator only).

    `rate` spaces all calls and `polls` those that read; the difference is reserved for purchases. `closed_reason`
    says why nothing is submitted for a while. `too_long_wait` is an answer whose `Retry-After` is longer than kbatch
    waits: it is returned for every call until `held_until_s`; `holds_s` is the sum of all such waits. `on_wait` is
    called with the text of each wait. `lookup_lock` lets one search at a time claim jobs of the provider's list,
    `listed_jobs` caches the jobs read from it. `last_date` is the latest `Date` header with the local monotonic time
    at which it arrived. `sees_team` is False once the provider has refused this key the jobs of its colleagues.
    `watches` has the jobs in flight, `submit_turn` is held by the one submit that waits for its turn at the rate.
    `name` is the account's, `role` its user's. `key_id` names the key where its provider does not. `leader` is the
    session of the same team whose rate this one shares. `webhook_url` is where this run receives webhooks, empty
    where it does not; `webhook_secret` is the SHA-256 of the API key, with which they are signed.
    """

    provider: Provider
    client: Client
    slots: Slots
    origin: str
    scale: float = 1.0
    rate: Gcra = field(default_factory=partial(Gcra, interval_s=0.0))
    polls: Gcra = field(default_factory=partial(Gcra, interval_s=0.0))
    account: StoredAccount = None
    stopped: Reason | None = None
    stop_reason: str = ""
    lookup_lock: anyio.Lock = field(default_factory=anyio.Lock)
    listed_jobs: dict[str, Listed] = field(default_factory=dict)
    last_date: tuple[datetime, float] | None = None
    closed_reason: str = ""
    too_long_wait: Answer | None = None
    held_until_s: float = 0.0
    holds_s: float = 0.0
    refusing_since_s: float | None = None
    on_wait: Callable[[str], None] = ignore
    sees_team: bool = True
    watches: Watches = field(init=False)
    submit_turn: anyio.Lock = field(default_factory=anyio.Lock)
    name: str = DEFAULT
    role: str = ""
    key_id: str = ""
    leader: "ProviderSession | None" = None
    webhook_url: str = field(default="", repr=False)
    webhook_secret: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        self.watches = Watches(self.scale)

    @property
    def ended_jobs(self) -> Callable[..., Request] | None:
        """The provider's `ended_jobs`, None where its jobs can only be polled singly."""
        found: Callable[..., Request] | None = getattr(self.provider, "ended_jobs", None)
        return found

    @property
    def sends_webhooks(self) -> bool:
        """Whether the provider sends webhooks."""
        return hasattr(self.provider, "with_webhook")

    def with_webhook(self, body: bytes) -> bytes:
        """Return a body that also asks for webhooks, where this run receives them."""
        if not self.webhook_url:
            return body
        asking: bytes = self.provider.with_webhook(body, self.webhook_url)  # type: ignore[attr-defined]
        return asking

    @property
    def spacing_s(self) -> float:
        """Seconds between two calls while the next one has to wait for the provider's rate; 0 while it has not."""
        rate = (self.leader or self).rate
        return rate.interval_s if wait_before(rate, anyio.current_time()) > 0 else 0.0

    @property
    def title(self) -> str:
        """The provider's name for people, with the account's where it is not the default one."""
        return self.provider.title if self.name == DEFAULT else f"{self.provider.title} ({self.name})"

    def turn(self) -> float:
        """Take the next call that the provider's rate allows; return the seconds to wait before it."""
        pace = self.leader or self
        pace.rate, wait_s = take_turn(pace.rate, anyio.current_time())
        return wait_s

    async def ask(self, request: Request, *, timeout_s: float) -> Reply:
        """Send one request and store the provider's clock; a paying request has waited for its turn before.

        After an answer with `Retry-After` no read is sent before that time. When the wait is longer than
        `LONGEST_WAIT_S`, the same answer is returned for every read until then.
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
        """Delay all calls as `Retry-After` of a 429 or 503 asks, or stop reading when that is too long."""
        asked_s = retry_after(answer.headers) if answer.status in (429, 503) else None
        if asked_s is None or (answer.status == 503 and asked_s <= LONGEST_WAIT_S):
            return
        news = asked_s > self.held_s + 1.0
        now_s = anyio.current_time()
        before_s, self.held_until_s = max(self.held_until_s, now_s), max(self.held_until_s, now_s + asked_s)
        self.holds_s += max(0.0, self.held_until_s - before_s)
        message = asked_for(self.provider.title, asked_s)
        if asked_s > LONGEST_WAIT_S:
            self.too_long_wait, self.closed_reason = answer, message
        else:
            pace = self.leader or self
            pace.rate = hold(pace.rate, anyio.current_time() + asked_s)
        if news:
            _log.info("HTTP %d: %s; no call to it before that", answer.status, message)
            self.on_wait(f"{message} ({message_of(answer)})")

    @property
    def held_s(self) -> float:
        """Seconds that remain of the provider's `Retry-After`; 0 without one."""
        return max(0.0, self.held_until_s - anyio.current_time())

    def since(self, began_s: float, held_s: float) -> float:
        """Return the seconds since `began_s`, those of `Retry-After` as they are and all others without the scale.

        `held_s` is what `held_so_far_s` was then.
        """
        passed_s = anyio.current_time() - began_s
        held_s = min(passed_s, self.held_so_far_s - held_s)
        return (passed_s - held_s) / self.scale + held_s

    @property
    def held_so_far_s(self) -> float:
        """Seconds of `Retry-After` that have passed in this run."""
        return self.holds_s - self.held_s

    def note_refusal(self, wait_s: float, message: str) -> None:
        """Count a temporary refusal of a purchase; after `LONGEST_REFUSAL_S` without an acceptance submitting ends."""
        now_s = anyio.current_time()
        self.refusing_since_s = now_s if self.refusing_since_s is None else self.refusing_since_s
        if now_s + wait_s - self.refusing_since_s > LONGEST_REFUSAL_S:
            reason = f"{self.title} has refused all purchases for {LONGEST_REFUSAL_S / 60:.0f} min"
            self.closed_reason = self.closed_reason or f"{reason}: {message}"

    async def _wait_for_turn(self) -> None:
        pace = self.leader or self
        pace.polls, wait_s = take_turn(pace.polls, anyio.current_time())
        if wait_s > 0:
            await anyio.sleep(wait_s)
        wait_s = self.turn()
        if wait_s > 0:
            await anyio.sleep(wait_s)

    async def ask_balance(self, *, timeout_s: float = 20.0) -> Balance | NotAccepted:
        """Read the balance once, and store the account that the answer names."""
        answer = self.provider.read_balance(await self.ask(self.provider.balance(), timeout_s=timeout_s))
        if isinstance(answer, Balance):
            self.account, self.role = self._kept(answer.account), answer.role or ""
        elif self.too_long_wait is not None:
            return replace(answer, message=f"{answer.message}; {self.closed_reason}")
        return answer

    def _kept(self, account: Account | None) -> StoredAccount:
        """Return an account in the receipts' form, with at most half of the key as its prefix."""
        name = None if self.name == DEFAULT else self.name
        if account is None:
            return Account(team=None, user=None, key=self.key_id, name=name) if self.key_id else None
        key = account.key and self.client.without_key(account.key)
        return replace(account, key=key or None, name=name)

    def provider_time(self) -> datetime | None:
        """Return the provider's time of day, None before its first `Date` header.

        It is its last `Date` plus the time since by the monotonic clock: this machine's time of day may be wrong.
        """
        if self.last_date is None:
            return None
        date, at = self.last_date
        return date + timedelta(seconds=anyio.current_time() - at)

    def stop(self, reason: Reason, stop_reason: str) -> None:
        """Submit nothing more to this provider; running jobs are still collected."""
        if self.stopped is None:
            self.stopped, self.stop_reason = reason, stop_reason
            _log.info("nothing more is submitted to %s: %s", self.provider.name, reason.value)
