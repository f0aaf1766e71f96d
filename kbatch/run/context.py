"""What the parts of a run share: the journal and what it folds to, a line to each provider, the ceiling, the stops."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import anyio

from kbatch.files import Folder
from kbatch.plan.actions import Entry
from kbatch.plan.consent import ConfirmedPlan
from kbatch.providers.base import Answer, Provider, Reason, Reply, Request
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.fold import apply, check
from kbatch.receipts.journal import Journal
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.run.gates import Gates
from kbatch.run.happenings import Happening, Moment, Tell
from kbatch.run.outcome import End
from kbatch.run.pacing import Learned, retry_wait
from kbatch.run.reserve import Reserve
from kbatch.run.slots import Slots
from kbatch.run.transport import Client

FATAL = (Reason.KEY, Reason.CREDITS, Reason.FORBIDDEN)
"""Answers after which nothing more is submitted to that provider in this run."""


_ANY_TIME = "2000-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run behaves: failures after which it submits nothing more (None: never),
    how long it waits for one render, hosts clips may come from; `pull` does not buy and fetches what is missing here."""

    max_failures: int | None = None
    submit_timeout_s: float = 60.0
    poll_timeout_s: float = 30.0
    render_deadline_s: float = 3600.0
    allow_hosts: frozenset[str] = frozenset()
    buy: bool = True
    fetch_missing: bool = False


@dataclass(slots=True, kw_only=True)
class Line:
    """One provider during a run: its translator, its client, its places, and whether it stopped the run.

    `scale` multiplies kbatch's own waits (rehearsals only); `skew_s` is the provider's clock minus this machine's.
    """

    provider: Provider
    client: Client
    slots: Slots
    origin: str
    scale: float = 1.0
    account: str | None = None
    skew_s: float = 0.0
    stopped: Reason | None = None
    why: str = ""

    async def ask(self, request: Request, *, timeout_s: float) -> Reply:
        """Send one call and note the provider's clock."""
        reply = await self.client.send(request, timeout_s=timeout_s)
        if isinstance(reply, Answer) and "date" in reply.headers:
            try:
                theirs = parsedate_to_datetime(reply.headers["date"])
                self.skew_s = (theirs - datetime.now(UTC)).total_seconds()
            except (TypeError, ValueError):
                pass
        return reply

    def stop(self, reason: Reason, why: str) -> None:
        """Submit nothing more to this provider; what runs there is still collected."""
        if self.stopped is None:
            self.stopped, self.why = reason, why


@dataclass(slots=True, kw_only=True)
class Stopping:
    """How far a stop has gone: `soft` submits nothing more, `hard` ends at once; `deadline` frees submits under way."""

    soft: bool = False
    hard: bool = False
    scopes: set[anyio.CancelScope] = field(default_factory=set)

    def now(self, grace_s: float) -> None:
        """End submits under way within `grace_s`: an answer that comes in that time is still recorded."""
        self.soft = self.hard = True
        for scope in self.scopes:
            scope.deadline = min(scope.deadline, anyio.current_time() + grace_s)


@dataclass(slots=True, kw_only=True)
class Run:
    """Everything that the tasks of one run share; only `record` changes what is known of a purchase."""

    confirmed: ConfirmedPlan
    folder: Path
    tree: Folder
    journal: Journal
    renders: dict[str, Receipt]
    lines: Mapping[str, Line]
    reserve: Reserve
    options: Options
    tell: Tell
    gates: Gates = field(default_factory=Gates)
    stopping: Stopping = field(default_factory=Stopping)
    ends: dict[str, End] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    settled: dict[str, anyio.Event] = field(default_factory=dict)
    learned: dict[tuple[str, str, str], Learned] = field(default_factory=dict)
    uploads: dict[tuple[str, str], tuple[str, datetime | None]] = field(default_factory=dict)
    places: anyio.Lock = field(default_factory=anyio.Lock)
    touched: set[tuple[str, int]] = field(default_factory=set)
    elsewhere: frozenset[tuple[str, str]] = frozenset()
    surprises: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    jitter: Callable[[], float] = random.random
    follow: Callable[[Event], None] = lambda _event: None

    async def record(self, fact: Fact) -> None:
        """Check a fact against the lifecycle, make it durable, then know it."""
        check(self.renders, stamp(fact, at=_ANY_TIME, run="check", sequence=1))
        for event in await self.journal.record(fact):
            self.follow(event)
            receipt = apply(self.renders, event)
            if receipt is not None and event.fingerprint is not None:
                self.renders[event.fingerprint] = receipt

    def say(self, moment: Moment, address: str | None = None, text: str = "", **more: int | str | None) -> None:
        """Tell the watcher what happened."""
        self.tell(Happening(moment=moment, address=address, text=text, **more))  # type: ignore[arg-type]

    def end(self, address: str, end: End, reason: str = "") -> None:
        """Note how a job ended, and let those that wait for it go on."""
        self.ends[address] = end
        if reason:
            self.reasons[address] = reason
        self.settled[address].set()

    @property
    def failures(self) -> int:
        """Jobs that failed in this run."""
        return sum(end is End.FAILED for end in self.ends.values())

    def may_submit(self) -> bool:
        """Whether new purchases may begin: nobody asked to stop, and failures are within what is borne."""
        limit = self.options.max_failures
        return self.options.buy and not self.stopping.soft and (limit is None or self.failures < limit)

    def end_of_interrupted(self, entry: Entry) -> End:
        """Return how a job stands that a stop cut off: by its receipt, which is on the disk."""
        receipt = self.renders.get(entry.job.fingerprint)
        if receipt is None or receipt.state is ReceiptState.FAILED:
            return End.SKIPPED
        if receipt.state is ReceiptState.UNKNOWN:
            return End.UNKNOWN
        return End.OWED if receipt.state in (ReceiptState.SUBMITTED, ReceiptState.RENDERED) else End.REUSED

    async def wait(self, line: Line, attempt: int, retry_after_s: float | None) -> None:
        """Wait before trying again: the provider's own wish in full, kbatch's back-off scaled."""
        await anyio.sleep(retry_wait(attempt, self.jitter(), retry_after_s=retry_after_s, scale=line.scale))
