"""Decides what each job needs next: an action, a price and a reason, from the job and its receipt.

The action `render` costs its quote, `unknown` holds its quote, every other action costs nothing.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct, field
from msgspec.structs import replace

from kbatch.models.pricing import MANIFEST
from kbatch.planner.actions import Action, ActionOptions, PlanEntry, RecordedState
from kbatch.planner.comparison.changed_fields import changed_fields
from kbatch.planner.jobs import Job
from kbatch.planner.known_charges import KnownCharges, known_charges
from kbatch.receipts.join import larger_amount
from kbatch.receipts.receipt import OUTCOME_UNKNOWN, Receipt, ReceiptState, describe_remaining_charge

_REPLACEABLE = (ReceiptState.RENDERED, ReceiptState.DONE, ReceiptState.DELIVERED_WRONG)
_OVERCHARGED = "was charged above its card's price: state the real one under `prices`"


def decide(jobs: Sequence[Job], recorded: RecordedState, options: ActionOptions) -> tuple[PlanEntry, ...]:
    """Return one entry per job, in order; jobs with one fingerprint share the purchase of the first."""
    decisions = _Decisions(recorded=recorded, options=options)
    if not any(job.upstream for job in jobs):
        return tuple([decisions.entry_of(job) for job in jobs])
    return _decide_chained(jobs, decisions)


class _Decisions(Struct, kw_only=True):
    """The entries decided so far.

    `first` holds the first entry of each request by fingerprint, `made` the entries that a chain may need by address.
    `overcharged` and `known` are computed on first use.
    """

    recorded: RecordedState
    options: ActionOptions
    first: dict[str, PlanEntry] = field(default_factory=dict)
    made: dict[str, PlanEntry] = field(default_factory=dict)
    overcharged: frozenset[tuple[str, str, str | None]] | None = None
    known: KnownCharges | None = None

    def entry_of(self, job: Job) -> PlanEntry:
        """Return the entry of a job; its upstream jobs must be decided already."""
        earlier = self.first.get(job.fingerprint)
        if earlier is not None:
            return _share(job, earlier)
        entry = _decide(job, self.recorded, self.options, self.made)
        if entry.buys and job.quote.source == "card" and self._is_overcharged(job):
            entry = replace(entry, credits=None, reason=f"{entry.reason}; {_OVERCHARGED}")
        elif entry.buys and job.quote.stated:
            entry = self._with_known_charge(entry)
        elif entry.action is Action.UNKNOWN and (entry.held is None or job.quote.stated):
            worst = self._known_charges().worst(job.provider, job.model, job.quote.variant)
            entry = replace(entry, held=larger_amount(entry.held, worst))
        self.first[job.fingerprint] = entry
        return entry

    def _is_overcharged(self, job: Job) -> bool:
        if self.overcharged is None:
            self.overcharged = overcharged_variants(self.recorded.renders)
        return (job.provider, job.model, job.quote.variant) in self.overcharged

    def _known_charges(self) -> KnownCharges:
        if self.known is None:
            self.known = known_charges(self.recorded.renders)
        return self.known

    def _with_known_charge(self, entry: PlanEntry) -> PlanEntry:
        """Raise a price that the manifest or a card of the user states to the largest known charge.

        The charge counts where the card's price is lower or unknown.
        """
        job, quote = entry.job, entry.job.quote
        worst = self._known_charges().of(job.provider, job.model, quote.variant)
        if worst is None:
            return replace(entry, invented=quote.unlisted)
        if quote.credits is None or worst <= max(quote.credits, quote.listed or 0):
            return entry
        reason = f"{entry.reason}; {stating(job)} states {quote.credits:,}, and {worst:,} was charged before"
        return replace(entry, credits=worst, reason=reason)


def stating(job: Job) -> str:
    """Return what states the price of a job, in words."""
    return "`prices`" if job.quote.source == MANIFEST else f"the card {job.card.file}"


def _decide_chained(jobs: Sequence[Job], decisions: _Decisions) -> tuple[PlanEntry, ...]:
    """Decide each job after its upstream jobs."""
    by_address = {job.address: job for job in jobs}
    made = decisions.made

    def entry_of(job: Job) -> PlanEntry:
        if job.address not in made:
            for need in job.upstream:
                if need in by_address:
                    entry_of(by_address[need])
            made[job.address] = decisions.entry_of(job)
        return made[job.address]

    return tuple([entry_of(job) for job in jobs])


def overcharged_variants(renders: Mapping[str, Receipt]) -> frozenset[tuple[str, str, str | None]]:
    """Return provider, model and variant of every receipt that was charged above its quote.

    The card's price of such a variant is wrong: its jobs count as unpriced until `prices` states the real price.
    """
    return frozenset(
        (one.provider, one.model, one.variant)
        for receipt in renders.values()
        for one in (receipt, *receipt.also, *receipt.failed)
        if (one.credits.charged or one.credits.reported or 0) > (one.credits.planned or math.inf)
    )


def _share(job: Job, earlier: PlanEntry) -> PlanEntry:
    first = earlier.address
    reason = f"same request as `{first}`, bought once" if earlier.buys else f"same request as `{first}`"
    action = Action.REUSE if earlier.buys else earlier.action
    return PlanEntry(job=job, action=action, credits=0, reason=reason, shared_with=first, receipt=earlier.receipt)


def _decide(job: Job, recorded: RecordedState, options: ActionOptions, made: Mapping[str, PlanEntry]) -> PlanEntry:
    receipt = recorded.renders.get(job.fingerprint)
    blocked = _blocked_by(job, recorded, made) if job.upstream else None
    replaced = receipt is not None and job.address in options.replace and receipt.state in _REPLACEABLE
    if blocked is not None and (receipt is None or receipt.state is ReceiptState.FAILED or replaced):
        return _free(job, Action.BLOCKED, blocked, receipt)
    if receipt is None:
        return _render(job, _why_new(job, recorded), None)
    if replaced:
        why = "with its upstream (--cascade)" if job.address in options.cascade else "on purpose (--replace)"
        return _render(job, f"bought again {why}", receipt, replaces=True)
    match receipt.state:
        case ReceiptState.DONE | ReceiptState.DELIVERED_WRONG:
            return _reuse(job, receipt, recorded, made)
        case ReceiptState.SUBMITTED:
            return _free(job, Action.POLL, f"accepted as {receipt.job_id}, still rendering", receipt)
        case ReceiptState.RENDERED:
            return _free(job, Action.DOWNLOAD, "rendered, not fetched yet", receipt)
        case ReceiptState.UNKNOWN:
            named = f" as {receipt.client_request_id}" if receipt.client_request_id else ""
            reason = f"sent earlier{named}, {OUTCOME_UNKNOWN}; {recorded.way_out(job.provider)}"
            held = _held(job, receipt)
            return PlanEntry(job=job, action=Action.UNKNOWN, credits=0, reason=reason, held=held, receipt=receipt)
        case ReceiptState.FAILED:
            return _after_failure(job, receipt, options)


def _free(job: Job, action: Action, reason: str, receipt: Receipt | None) -> PlanEntry:
    """Return the entry of a job that costs nothing now."""
    return PlanEntry(job=job, action=action, credits=0, reason=reason, receipt=receipt)


def _held(job: Job, receipt: Receipt) -> int | None:
    """Return what an unknown send may have cost: the larger of its quote and today's quote; None without a price."""
    return max((quote for quote in (receipt.credits.planned, job.quote.credits) if quote is not None), default=None)


def _render(job: Job, reason: str, receipt: Receipt | None, *, replaces: bool = False) -> PlanEntry:
    return PlanEntry(
        job=job, action=Action.RENDER, credits=job.quote.credits, reason=reason, replaces=replaces, receipt=receipt
    )


def _blocked_by(job: Job, recorded: RecordedState, made: Mapping[str, PlanEntry]) -> str | None:
    """Return why a job cannot be bought: an upstream job gives no frame; None when all upstream jobs do."""
    for address in job.upstream:
        upstream = made.get(address)
        if upstream is None:
            continue
        theirs = recorded.renders.get(upstream.job.fingerprint)
        wrong = theirs is not None and theirs.state is ReceiptState.DELIVERED_WRONG and not theirs.accepted_as_is
        if upstream.action in (Action.BLOCKED, Action.UNKNOWN) or (wrong and not upstream.buys):
            why = (
                "was delivered wrong" if wrong else "is blocked" if upstream.action is Action.BLOCKED else "is unknown"
            )
            return f"needs a frame of `{address}`, which {why}"
    return None


def _after_failure(job: Job, receipt: Receipt, options: ActionOptions) -> PlanEntry:
    error, said = receipt.error, receipt.error_message or "no reason given"
    at_submit = error is not None and error.at == "submit"
    if error is not None and at_submit and error.reason == "moderation" and not options.retry_failed:
        reason = f"refused by moderation and unchanged ({said}): change the prompt, or `--failed` tries it again"
        return _free(job, Action.BLOCKED, reason, receipt)
    when = "refused last time" if at_submit else "failed last time"
    return _render(job, f"{when}, {describe_remaining_charge(receipt.credits.reported)}: {said}", receipt)


def _reuse(job: Job, receipt: Receipt, recorded: RecordedState, made: Mapping[str, PlanEntry]) -> PlanEntry:
    reason, reminder = _bought((receipt.submitted_at or "")[:10]), False
    output = receipt.output
    if receipt.state is ReceiptState.DELIVERED_WRONG:
        said = receipt.error_message
        if receipt.accepted_as_is:
            reason = f"{reason}, accepted as it is: {said}"
        else:
            reason = f"delivered otherwise than bought: {said}; `--replace` buys it again, `kbatch accept` keeps it"
            reminder = True
    elif receipt.inputs and _stale(receipt, recorded):
        if receipt.accepted_as_is:
            reason = f"{reason}, accepted as it is though its upstream was bought anew"
        else:
            reason, reminder = "stale: its upstream was bought anew; `--replace` buys this again", True
    elif job.upstream and any(address in made and made[address].replaces for address in job.upstream):
        reason += "; stale after this run, its upstream is bought anew: `--cascade` buys this again too"
    if output is not None:
        here = recorded.sizes.get(output.path)
        if here is None:
            reason += "; its file is not here, `kbatch pull` fetches it"
        elif here != output.bytes or recorded.altered(output):
            reason += "; its file differs from the receipt, `kbatch pull` moves it aside and fetches the clip again"
        elif output.path != job.draft.output:
            reason += f"; moves to {job.draft.output}"
    return PlanEntry(job=job, action=Action.REUSE, credits=0, reason=reason, reminder=reminder, receipt=receipt)


@lru_cache(maxsize=64)
def _bought(day: str) -> str:
    """Return the reason for a purchase of a day; cached, so that many entries share one text."""
    return f"bought {day}"


def _stale(receipt: Receipt, recorded: RecordedState) -> bool:
    """Whether the upstream was bought again after its frame was used."""
    for used in receipt.inputs.values():
        theirs = recorded.renders.get(str(used.get("fingerprint", "")))
        if theirs is not None and used.get("job_id") and theirs.job_id and theirs.job_id != used["job_id"]:
            return True
    return False


def _why_new(job: Job, recorded: RecordedState) -> str:
    earlier = recorded.addresses.get(job.address)
    receipt = recorded.renders.get(earlier) if earlier else None
    if receipt is None:
        return "not bought yet"
    changes = ", ".join(changed_fields(receipt.request, job.request)) or "its inputs"
    return f"{changes} changed since `{job.address}` was rendered"
