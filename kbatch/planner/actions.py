"""What each job needs next: a job and its receipt become an action, a price and a reason in words.

The table is DESIGN's: `render` costs its quote, `unknown` holds it, everything else costs nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from kbatch.planner.comparison.changed_fields import changed_fields
from kbatch.planner.jobs import Job
from kbatch.planner.known_charges import Known, known_charges
from kbatch.receipts.join import larger
from kbatch.receipts.receipt import Output, Receipt, ReceiptState, kept_words
from kbatch.receipts.unknown import settle_by_hand

_REPLACEABLE = (ReceiptState.RENDERED, ReceiptState.DONE, ReceiptState.DELIVERED_WRONG)
_SURPRISED = "was charged above its card's price: state the real one under `prices`"


class Action(StrEnum):
    """What a plan does with a job."""

    RENDER = "render"
    REUSE = "reuse"
    POLL = "poll"
    DOWNLOAD = "download"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"


class PlanEntry(Struct, frozen=True, kw_only=True, gc=False):
    """A job in a plan: `credits` is what it may cost now (None: unknown price), `held` what an unknown outcome holds.

    `shares` is the address of an earlier job with the same request, which is bought for both; `replaces` says that a
    paid render is bought again on purpose; `reminder` that nothing is wrong with money but someone should look;
    `receipt` is what is on record of the request; `invented` that only the manifest states a price for it: its card has
    none and no receipt tells a charge. `resend` says that an unknown send may be sent again from here, which is a
    purchase of what it holds; `objection` why it may not; `mistaken` that its record is of another request, so that
    it is not even looked for. These are this machine's, so no digest has them.
    """

    job: Job
    action: Action
    credits: int | None
    reason: str
    held: int | None = 0
    shares: str | None = None
    replaces: bool = False
    reminder: bool = False
    receipt: Receipt | None = None
    invented: bool = False
    resend: bool = False
    objection: str = ""
    mistaken: bool = False

    @property
    def words(self) -> str:
        """The reason, and of an unknown send whether it may be sent again, with what that may cost."""
        if self.resend:
            cost = "for a price that is not known" if self.held is None else f"for up to {self.held:,} credits"
            return f"{self.reason}; with consent it is sent again under its key, {cost}"
        return f"{self.reason}; not sent again: {self.objection}" if self.objection else self.reason

    @property
    def address(self) -> str:
        """The job's readable id."""
        return self.job.address

    @property
    def buys(self) -> bool:
        """Whether this entry is a purchase."""
        return self.action is Action.RENDER


class Sizes(Protocol):
    """The bytes of each output that is there, by its path."""

    def get(self, path: str, /) -> int | None:
        """Return the size of an output, None when it is missing."""


class Addresses(Protocol):
    """The fingerprint that each address referred to."""

    def get(self, address: str, /) -> str | None:
        """Return the fingerprint of an address, None of one that is new."""


def _is_trusted(_output: Output) -> bool:
    return False


def _at_any_provider(_provider: str) -> str:
    return settle_by_hand(None)


class Past(Struct, frozen=True, kw_only=True):
    """What is on record: receipts by fingerprint, the fingerprints that addresses had, the sizes of output files.

    `altered` tells of a file that has its receipt's size whether it was changed all the same, as far as can be seen.
    `way_out` says of a provider what helps with a send whose outcome is unknown.
    """

    renders: Mapping[str, Receipt] = field(default_factory=dict)
    addresses: Addresses = field(default_factory=dict[str, str])
    sizes: Sizes = field(default_factory=dict[str, int])
    altered: Callable[[Output], bool] = _is_trusted
    way_out: Callable[[str], str] = _at_any_provider


class Wishes(Struct, frozen=True, kw_only=True):
    """What the command line asks of actions: addresses to buy again, and whether refused jobs are tried again.

    `cascade` are those of `replace` that are bought again only because of a job whose frame they need.
    """

    replace: frozenset[str] = frozenset()
    cascade: frozenset[str] = frozenset()
    retry_failed: bool = False


def decide(jobs: Sequence[Job], past: Past, wishes: Wishes) -> tuple[PlanEntry, ...]:
    """Return one entry a job, in order; jobs with one fingerprint share the purchase of the first."""
    deciding = _Deciding(past=past, wishes=wishes)
    if not any(job.upstream for job in jobs):
        return tuple([deciding.entry_of(job) for job in jobs])
    return _decide_chained(jobs, deciding)


class _Deciding(Struct, kw_only=True):
    """What is known while a plan's jobs are decided.

    `first` has the entry of each request, `made` the entries by address as far as a chain may ask for them, `known`
    what receipts were charged, None until a purchase asks.
    """

    past: Past
    wishes: Wishes
    first: dict[str, PlanEntry] = field(default_factory=dict)
    made: dict[str, PlanEntry] = field(default_factory=dict)
    surprises: frozenset[tuple[str, str, str | None]] | None = None
    known: Known | None = None

    def entry_of(self, job: Job) -> PlanEntry:
        """Return the entry of a job whose upstream was decided before."""
        earlier = self.first.get(job.fingerprint)
        if earlier is not None:
            return _share(job, earlier)
        entry = _decide(job, self.past, self.wishes, self.made)
        if entry.buys and job.quote.source == "card" and self._surprised(job):
            entry = replace(entry, credits=None, reason=f"{entry.reason}; {_SURPRISED}")
        elif entry.buys and job.quote.source == "manifest":
            entry = self._stated(entry)
        elif entry.action is Action.UNKNOWN and (entry.held is None or job.quote.source == "manifest"):
            worst = self._known().worst(job.provider, job.model, job.quote.variant)
            entry = replace(entry, held=larger(entry.held, worst))
        self.first[job.fingerprint] = entry
        return entry

    def _surprised(self, job: Job) -> bool:
        if self.surprises is None:
            self.surprises = surprising(self.past.renders)
        return (job.provider, job.model, job.quote.variant) in self.surprises

    def _known(self) -> Known:
        if self.known is None:
            self.known = known_charges(self.past.renders)
        return self.known

    def _stated(self, entry: PlanEntry) -> PlanEntry:
        """Let a price that the manifest states never be below the largest charge that is known.

        Where the card has a lower price than was charged, or none, that charge is the figure to go by.
        """
        job, quote = entry.job, entry.job.quote
        worst = self._known().of(job.provider, job.model, quote.variant)
        if worst is None:
            return replace(entry, invented=quote.unlisted)
        if quote.credits is None or worst <= max(quote.credits, quote.listed or 0):
            return entry
        reason = f"{entry.reason}; `prices` states {quote.credits:,}, and {worst:,} was charged before"
        return replace(entry, credits=worst, reason=reason)


def _decide_chained(jobs: Sequence[Job], deciding: _Deciding) -> tuple[PlanEntry, ...]:
    """Decide each job after those whose frames it needs."""
    by_address = {job.address: job for job in jobs}
    made = deciding.made

    def entry_of(job: Job) -> PlanEntry:
        if job.address not in made:
            for need in job.upstream:
                if need in by_address:
                    entry_of(by_address[need])
            made[job.address] = deciding.entry_of(job)
        return made[job.address]

    return tuple([entry_of(job) for job in jobs])


def surprising(renders: Mapping[str, Receipt]) -> frozenset[tuple[str, str, str | None]]:
    """Return provider, model and variant of what was ever charged above its quote: their cards' prices are not true.

    Their jobs count as unpriced until `prices` states what they really cost.
    """
    return frozenset(
        (one.provider, one.model, one.variant)
        for receipt in renders.values()
        for one in (receipt, *receipt.also, *receipt.failed)
        if (one.credits.charged or one.credits.reported or 0) > (one.credits.planned or math.inf)
    )


def _share(job: Job, earlier: PlanEntry) -> PlanEntry:
    reason = (
        f"same request as `{earlier.address}`, bought once" if earlier.buys else f"same request as `{earlier.address}`"
    )
    action = Action.REUSE if earlier.buys else earlier.action
    return PlanEntry(job=job, action=action, credits=0, reason=reason, shares=earlier.address, receipt=earlier.receipt)


def _decide(job: Job, past: Past, wishes: Wishes, made: Mapping[str, PlanEntry]) -> PlanEntry:
    receipt = past.renders.get(job.fingerprint)
    blocked = _blocked_by(job, past, made) if job.upstream else None
    replaced = receipt is not None and job.address in wishes.replace and receipt.state in _REPLACEABLE
    if blocked is not None and (receipt is None or receipt.state is ReceiptState.FAILED or replaced):
        return _free(job, Action.BLOCKED, blocked, receipt)
    if receipt is None:
        return _render(job, _why_new(job, past), None)
    if replaced:
        why = "with its upstream (--cascade)" if job.address in wishes.cascade else "on purpose (--replace)"
        return _render(job, f"bought again {why}", receipt, replaces=True)
    match receipt.state:
        case ReceiptState.DONE | ReceiptState.DELIVERED_WRONG:
            return _reuse(job, receipt, past, made)
        case ReceiptState.SUBMITTED:
            return _free(job, Action.POLL, f"accepted as {receipt.job_id}, still rendering", receipt)
        case ReceiptState.RENDERED:
            return _free(job, Action.DOWNLOAD, "rendered, not fetched yet", receipt)
        case ReceiptState.UNKNOWN:
            reason = f"sent earlier, nobody knows whether it was accepted; {past.way_out(job.provider)}"
            held = _held(job, receipt)
            return PlanEntry(job=job, action=Action.UNKNOWN, credits=0, reason=reason, held=held, receipt=receipt)
        case ReceiptState.FAILED:
            return _after_failure(job, receipt, wishes)


def _free(job: Job, action: Action, reason: str, receipt: Receipt | None) -> PlanEntry:
    """Return the entry of a job that costs nothing now."""
    return PlanEntry(job=job, action=action, credits=0, reason=reason, receipt=receipt)


def _held(job: Job, receipt: Receipt) -> int | None:
    """Return what an unknown send may have cost: its quote of then, or today's where that is more; None: no price."""
    return max((quote for quote in (receipt.credits.planned, job.quote.credits) if quote is not None), default=None)


def _render(job: Job, reason: str, receipt: Receipt | None, *, replaces: bool = False) -> PlanEntry:
    return PlanEntry(
        job=job, action=Action.RENDER, credits=job.quote.credits, reason=reason, replaces=replaces, receipt=receipt
    )


def _blocked_by(job: Job, past: Past, made: Mapping[str, PlanEntry]) -> str | None:
    """Return why a job that would be bought cannot be: its upstream gives no frame; None when all of them do."""
    for address in job.upstream:
        upstream = made.get(address)
        if upstream is None:
            continue
        theirs = past.renders.get(upstream.job.fingerprint)
        wrong = theirs is not None and theirs.state is ReceiptState.DELIVERED_WRONG and not theirs.accepted_as_is
        if upstream.action in (Action.BLOCKED, Action.UNKNOWN) or (wrong and not upstream.buys):
            why = (
                "was delivered wrong" if wrong else "is blocked" if upstream.action is Action.BLOCKED else "is unknown"
            )
            return f"needs a frame of `{address}`, which {why}"
    return None


def _after_failure(job: Job, receipt: Receipt, wishes: Wishes) -> PlanEntry:
    error = receipt.error or {}
    said = str(error.get("message") or "no reason given")
    if error.get("reason") == "moderation" and error.get("at") == "submit" and not wishes.retry_failed:
        reason = f"refused by moderation and unchanged ({said}): change the prompt, or `--failed` tries it again"
        return _free(job, Action.BLOCKED, reason, receipt)
    when = "refused last time" if error.get("at") == "submit" else "failed last time"
    return _render(job, f"{when}, {kept_words(receipt.credits.reported)}: {said}", receipt)


def _reuse(job: Job, receipt: Receipt, past: Past, made: Mapping[str, PlanEntry]) -> PlanEntry:
    reason, reminder = _bought((receipt.submitted_at or "")[:10]), False
    output = receipt.output
    if receipt.state is ReceiptState.DELIVERED_WRONG:
        said = (receipt.error or {}).get("message", "")
        if receipt.accepted_as_is:
            reason = f"{reason}, accepted as it is: {said}"
        else:
            reason = f"delivered otherwise than bought: {said}; `--replace` buys it again, `kbatch accept` keeps it"
            reminder = True
    elif receipt.inputs and _stale(receipt, past):
        if receipt.accepted_as_is:
            reason = f"{reason}, accepted as it is though its upstream was bought anew"
        else:
            reason, reminder = "stale: its upstream was bought anew; `--replace` buys this again", True
    elif job.upstream and any(address in made and made[address].replaces for address in job.upstream):
        reason += "; stale after this run, its upstream is bought anew: `--cascade` buys this again too"
    if output is not None:
        here = past.sizes.get(output.path)
        if here is None:
            reason += "; its file is not here, `kbatch pull` fetches it"
        elif here != output.bytes or past.altered(output):
            reason += "; its file differs from the receipt, `kbatch pull` moves it aside and fetches the clip again"
        elif output.path != job.draft.output:
            reason += f"; moves to {job.draft.output}"
    return PlanEntry(job=job, action=Action.REUSE, credits=0, reason=reason, reminder=reminder, receipt=receipt)


@lru_cache(maxsize=64)
def _bought(day: str) -> str:
    """Return the reason of what was bought on a day, one text for all of them."""
    return f"bought {day}"


def _stale(receipt: Receipt, past: Past) -> bool:
    """Whether the upstream's present receipt is another purchase than the one whose frame was used."""
    for used in receipt.inputs.values():
        theirs = past.renders.get(str(used.get("fingerprint", "")))
        if theirs is not None and used.get("job_id") and theirs.job_id and theirs.job_id != used["job_id"]:
            return True
    return False


def _why_new(job: Job, past: Past) -> str:
    earlier = past.addresses.get(job.address)
    receipt = past.renders.get(earlier) if earlier else None
    if receipt is None:
        return "not bought yet"
    changes = ", ".join(changed_fields(receipt.request, job.request)) or "its inputs"
    return f"{changes} changed since `{job.address}` was rendered"
