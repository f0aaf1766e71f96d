"""The shared state of one run: journal, receipts, provider sessions, ceilings, shutdown."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from msgspec import Struct

from kbatch.planner.actions import PlanEntry
from kbatch.planner.approval.consent import ConfirmedPlan
from kbatch.providers.base import NotNow, Reply, Request
from kbatch.providers.endpoints import at_endpoint
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.fold import apply, check
from kbatch.receipts.join import records_of
from kbatch.receipts.journal.journal import Journal
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Purchase, Receipt, ReceiptState
from kbatch.runner.accounts.sessions import Sessions
from kbatch.runner.limits.budgets.run_budgets import RunBudgets
from kbatch.runner.limits.credit_reservations import CreditReservations
from kbatch.runner.limits.download_slots import DownloadSlots
from kbatch.runner.limits.path_locks import PathLocks
from kbatch.runner.limits.polling.poll_schedule import PollSchedules
from kbatch.runner.limits.price_guard import PriceGuards
from kbatch.runner.limits.retry import LIST_TRIES, pause, retry, temporary
from kbatch.runner.limits.unpriced import Unpriced
from kbatch.runner.outcome import JobEnd
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind, OnProgress, ProgressEvent
from kbatch.runner.session import FATAL, ProviderSession
from kbatch.runner.shutdown import Shutdown
from kbatch.runner.submit.refused_parameters import RefusedParameters
from kbatch.runner.webhooks.target import WebhookTarget
from kbatch.storage import Folder

Outcome = TypeVar("Outcome")
Page = TypeVar("Page")

__all__ = ["FATAL", "ProviderSession", "Run", "RunOptions", "UploadedImage"]


class RunOptions(Struct, frozen=True, kw_only=True):
    """Settings of a run: `max_failures` ends submitting (None: no limit), `render_deadline_s` bounds one render.

    `allow_hosts` are the hosts that clips may come from, `webhooks` is where webhooks are received. `kbatch pull` sets
    `buy` to False and `fetch_missing` to True. With `live` a public price list that cannot be read refuses the run.
    """

    max_failures: int | None = None
    submit_timeout_s: float = 60.0
    poll_timeout_s: float = 30.0
    render_deadline_s: float = 3600.0
    allow_hosts: frozenset[str] = frozenset()
    buy: bool = True
    fetch_missing: bool = False
    live: bool = False
    webhooks: WebhookTarget | None = None


class UploadedImage(Struct, frozen=True, kw_only=True):
    """An uploaded image: its URL, and when it expires by the provider's clock."""

    url: str
    ends: datetime


@dataclass(slots=True, kw_only=True)
class Run:
    """State that the tasks of one run share; only `record` changes the receipts.

    `on_event` is called with every durable event. `purchase` is what receipts remember of this run, `budgets` are
    the envelopes that it holds.
    `referenced` has (fingerprint, path) of each job of any profile,
    `frame_sources` the addresses whose clips purchases need, `current` the addresses of up-to-date jobs. `completed`
    has an event for each job that others wait for, set at its end. `pending_sidecars` are clips whose sidecars are not
    written yet. `run_events` are the run's own events, `uploaded` the recorded uploads of this user. `resends` are the
    unknown sends that may be sent again by consent; `resend_objections` says why others may not, `mismatched` has those
    whose record is of another request. `touched` has (fingerprint, attempt) of the purchases that this run sent or
    collected. `job_owners` has by provider and job id the fingerprint and attempt of the one purchase that owns it.
    """

    confirmed: ConfirmedPlan
    folder: Path
    tree: Folder
    journal: Journal
    renders: dict[str, Receipt]
    sessions: Sessions
    reservations: CreditReservations
    unpriced: Unpriced
    options: RunOptions
    on_progress: OnProgress
    shutdown: Shutdown
    on_event: Callable[[Event], None]
    referenced: frozenset[tuple[str, str]] = frozenset()
    purchase: Purchase | None = None
    budgets: RunBudgets | None = None
    frame_sources: frozenset[str] = frozenset()
    current: frozenset[str] = frozenset()
    price_guards: PriceGuards = field(default_factory=PriceGuards)
    refused_parameters: RefusedParameters = field(default_factory=RefusedParameters)
    ends: dict[str, JobEnd] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    altered: list[str] = field(default_factory=list)
    completed: dict[str, anyio.Event] = field(default_factory=dict)
    poll_schedules: PollSchedules = field(default_factory=PollSchedules)
    resends: frozenset[str] = frozenset()
    resend_objections: Mapping[str, str] = field(default_factory=dict)
    mismatched: frozenset[str] = frozenset()
    uploaded: list[Event] = field(default_factory=list)
    run_events: list[Event] = field(default_factory=list)
    uploads: dict[tuple[str, str], UploadedImage] = field(default_factory=dict)
    uploading: dict[tuple[str, str], anyio.Lock] = field(default_factory=dict)
    path_locks: PathLocks = field(default_factory=PathLocks)
    download_slots: DownloadSlots = field(default_factory=DownloadSlots)
    touched: set[tuple[str, int]] = field(default_factory=set)
    job_owners: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    pending_sidecars: list[PendingRender] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        for fingerprint, receipt in self.renders.items():
            for record in records_of(receipt):
                if record.job_id is not None:
                    self.job_owners.setdefault((record.provider, record.job_id), (fingerprint, record.attempt))

    def claim(self, provider: str, job_id: str, fingerprint: str, attempt: int) -> str | None:
        """Assign a provider's job to a purchase; return the address of its owner when it has another one already."""
        owner, _ = taken = self.job_owners.setdefault((provider, job_id), (fingerprint, attempt))
        if taken == (fingerprint, attempt):
            return None
        return self.renders[owner].address or owner[:12]

    async def record(self, *facts: Fact) -> None:
        """Check facts against the lifecycle, write them to the journal, apply them; OSError when the write may be lost.

        Facts of one call are each checked against the state before the call. When the journal cannot be written, facts
        are still applied, so that the lockfile holds them if it can be written; `intended` is not, since nothing was
        sent.
        """
        for fact in facts:
            check(self.renders, fact)
        try:
            events = await self.journal.record(*facts)
        except OSError:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            for fact in facts:
                if fact.kind is not Kind.INTENDED:
                    self._know(stamp(fact, at=now, run="not-journaled", sequence=1))
            raise
        for event in events:
            self._know(event)
            self.on_event(event)

    def _know(self, event: Event) -> None:
        if event.kind is Kind.UPLOADED:
            self.uploaded.append(event)
        elif event.fingerprint is None:
            self.run_events.append(event)
        receipt = apply(self.renders, event)
        if receipt is not None and event.fingerprint is not None:
            self.renders[event.fingerprint] = receipt

    def receipt(self, pending: PendingRender) -> Receipt:
        """Return the present receipt of a purchase."""
        return pending.receipt(self.renders)

    def sent_here(self) -> frozenset[str]:
        """Return the fingerprints of the purchases that this run has sent."""
        mine = self.purchase.run if self.purchase else ""
        records = ((key, one) for key, receipt in self.renders.items() for one in records_of(receipt))
        return frozenset(key for key, one in records if one.purchase is not None and one.purchase.run == mine)

    async def admit(self) -> str | None:
        """Return why the envelopes let no purchase be sent now, None when they do."""
        return None if self.budgets is None else await self.budgets.admit(self.sent_here, datetime.now(UTC))

    def emit(self, moment: EventKind, address: str | None = None, text: str = "", **more: int | str | None) -> None:
        """Report a progress event."""
        self.on_progress(ProgressEvent(moment=moment, address=address, text=text, **more))  # type: ignore[arg-type]

    def end_job(self, address: str, end: JobEnd, reason: str = "") -> None:
        """Store how a job ended, and wake the jobs that wait for it."""
        self.ends[address] = end
        if reason:
            self.reasons[address] = reason
        if address in self.completed:
            self.completed[address].set()

    def stop_submitting(self, reason: str) -> None:
        """Submit nothing more after a disk error, since new purchases could not be recorded or stored."""
        self.shutdown.stop_for_disk_error()
        if reason not in self.problems:
            self.problems.append(reason)

    @property
    def failures(self) -> int:
        """Jobs that failed in this run."""
        return sum(end is JobEnd.FAILED for end in self.ends.values())

    def may_submit(self) -> bool:
        """Whether new purchases may begin: no shutdown was requested, and failures are below `max_failures`."""
        limit = self.options.max_failures
        return self.options.buy and not self.shutdown.graceful and (limit is None or self.failures < limit)

    def end_of_interrupted(self, entry: PlanEntry) -> JobEnd:
        """Return the end of a job that a shutdown interrupted, by its recorded receipt."""
        receipt = self.renders.get(entry.job.fingerprint)
        if receipt is None or receipt.state is ReceiptState.FAILED:
            return JobEnd.SKIPPED
        if receipt.state is ReceiptState.UNKNOWN:
            return JobEnd.UNKNOWN
        if receipt.state in (ReceiptState.SUBMITTED, ReceiptState.RENDERED):
            return JobEnd.OWED
        if (entry.job.fingerprint, receipt.attempt) in self.touched:
            return JobEnd.DONE if receipt.state is ReceiptState.DONE else JobEnd.DELIVERED_WRONG
        return JobEnd.SKIPPED if entry.buys else JobEnd.REUSED

    async def wait(
        self, session: ProviderSession, attempt: int, asked_s: float | None, *, to_submit: bool = False
    ) -> bool:
        """Wait before a retry, as `pause` does; a shutdown ends a wait `to_submit`."""
        sleep = self.shutdown.pause if to_submit else anyio.sleep
        name, scale = session.provider.name, session.scale
        return await pause(attempt, asked_s, name=name, scale=scale, jitter=self.jitter(), sleep=sleep)

    async def retry(
        self,
        session: ProviderSession,
        tries: int,
        ask: Callable[[], Awaitable[Outcome]],
        *,
        again: Callable[[Outcome], float | None] = temporary,
        to_submit: bool = False,
    ) -> Outcome:
        """Ask a provider as often as it may help; return the last outcome."""
        return await retry(tries, ask, partial(self.wait, session, to_submit=to_submit), again=again)

    async def ask_job(self, session: ProviderSession, receipt: Receipt, job_id: str) -> Reply:
        """Ask for a job of a purchase at the endpoint that it was sent to: another one may not know it."""
        request = at_endpoint(session.provider, receipt.endpoint).poll(job_id)
        return await session.ask(request, timeout_s=self.options.poll_timeout_s)

    async def ask_page(
        self, session: ProviderSession, request: Request, read: Callable[[Reply], Page | NotNow]
    ) -> Page | NotNow:
        """Ask for a page of a list, again where that may help; the last answer that was no page is returned."""

        async def ask() -> Page | NotNow:
            return read(await session.ask(request, timeout_s=self.options.poll_timeout_s))

        return await self.retry(session, LIST_TRIES, ask)
