"""What each job needs next: a job and its receipt become an action, a price and a reason in words.

The table is DESIGN's: `render` costs its quote, `unknown` holds it, everything else costs nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from kbatch.plan.jobs import Job
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.receipts.unknown import way_out

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A job in a plan: `credits` is what it may cost now (None: unknown price), `held` what an unknown outcome holds.

    `shares` is the address of an earlier job with the same request, which is bought for both; `replaces` says that a
    paid render is bought again on purpose; `reminder` that nothing is wrong with money but someone should look.
    """

    job: Job
    action: Action
    credits: int | None
    reason: str
    held: int | None = 0
    shares: str | None = None
    replaces: bool = False
    reminder: bool = False

    @property
    def address(self) -> str:
        """The job's readable id."""
        return self.job.address

    @property
    def buys(self) -> bool:
        """Whether this entry is a purchase."""
        return self.action is Action.RENDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is on record: receipts by fingerprint, the fingerprints that addresses had, and the sizes of output files.

    `sizes` has the bytes of each output that is there; an output that is not in it is missing.
    """

    renders: Mapping[str, Receipt] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks of actions: addresses to buy again, and whether refused jobs are tried again.

    `cascade` are those of `replace` that are bought again only because of a job whose frame they need.
    """

    replace: frozenset[str] = frozenset()
    cascade: frozenset[str] = frozenset()
    retry_failed: bool = False


def decide(jobs: Sequence[Job], past: Past, wishes: Wishes) -> tuple[Entry, ...]:
    """Return one entry a job, in order; jobs with one fingerprint share the purchase of the first."""
    return tuple(_decide_all(jobs, past, wishes))


def _decide_all(jobs: Sequence[Job], past: Past, wishes: Wishes) -> Iterator[Entry]:
    first: dict[str, Entry] = {}
    decided: dict[str, Entry] = {}
    made: dict[str, Entry] = {}
    by_address = {job.address: job for job in jobs}
    surprises = surprising(past.renders)

    def entry_of(job: Job) -> Entry:
        if job.address in decided:
            return decided[job.address]
        for need in job.upstream:
            if need in by_address:
                entry_of(by_address[need])
        earlier = first.get(job.fingerprint)
        if earlier is not None:
            entry = _share(job, earlier)
        else:
            entry = _decide(job, past, wishes, made)
            if entry.buys and job.quote.source == "card" and (job.provider, job.model, job.quote.variant) in surprises:
                entry = replace(entry, credits=None, reason=f"{entry.reason}; {_SURPRISED}")
            first[job.fingerprint] = entry
        decided[job.address] = entry
        made[job.address] = entry
        return entry

    for job in jobs:
        yield entry_of(job)


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


def _share(job: Job, earlier: Entry) -> Entry:
    reason = (
        f"same request as `{earlier.address}`, bought once" if earlier.buys else f"same request as `{earlier.address}`"
    )
    action = Action.REUSE if earlier.buys else earlier.action
    return Entry(job=job, action=action, credits=0, reason=reason, shares=earlier.address)


def _decide(job: Job, past: Past, wishes: Wishes, made: Mapping[str, Entry]) -> Entry:
    receipt = past.renders.get(job.fingerprint)
    blocked = _blocked_by(job, past, made)
    replaced = receipt is not None and job.address in wishes.replace and receipt.state in _REPLACEABLE
    if blocked is not None and (receipt is None or receipt.state is ReceiptState.FAILED or replaced):
        return blocked
    if receipt is None:
        return _render(job, _why_new(job, past))
    if replaced:
        why = "with its upstream (--cascade)" if job.address in wishes.cascade else "on purpose (--replace)"
        return _render(job, f"bought again {why}", replaces=True)
    match receipt.state:
        case ReceiptState.SUBMITTED:
            return Entry(
                job=job, action=Action.POLL, credits=0, reason=f"accepted as {receipt.job_id}, still rendering"
            )
        case ReceiptState.RENDERED:
            return Entry(job=job, action=Action.DOWNLOAD, credits=0, reason="rendered, not fetched yet")
        case ReceiptState.UNKNOWN:
            reason = f"sent earlier, nobody knows whether it was accepted; {way_out(job.provider)}"
            return Entry(job=job, action=Action.UNKNOWN, credits=0, reason=reason, held=_held(job, receipt))
        case ReceiptState.FAILED:
            return _after_failure(job, receipt, wishes)
        case ReceiptState.DONE | ReceiptState.DELIVERED_WRONG:
            return _reuse(job, receipt, past, made)


def _held(job: Job, receipt: Receipt) -> int | None:
    """Return what an unknown send may have cost: its quote of then, or today's where that is more; None: no price."""
    return max((quote for quote in (receipt.credits.planned, job.quote.credits) if quote is not None), default=None)


def _render(job: Job, reason: str, *, replaces: bool = False) -> Entry:
    return Entry(job=job, action=Action.RENDER, credits=job.quote.credits, reason=reason, replaces=replaces)


def _blocked_by(job: Job, past: Past, made: Mapping[str, Entry]) -> Entry | None:
    """Return the entry of a job that would be bought and whose upstream gives no frame, None when all of them do."""
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
            return Entry(job=job, action=Action.BLOCKED, credits=0, reason=f"needs a frame of `{address}`, which {why}")
    return None


def _after_failure(job: Job, receipt: Receipt, wishes: Wishes) -> Entry:
    error = receipt.error or {}
    said = str(error.get("message") or "no reason given")
    if error.get("reason") == "moderation" and error.get("at") == "submit" and not wishes.retry_failed:
        reason = f"refused by moderation and unchanged ({said}): change the prompt, or `--failed` tries it again"
        return Entry(job=job, action=Action.BLOCKED, credits=0, reason=reason)
    when = "refused last time" if error.get("at") == "submit" else "failed last time"
    return _render(job, f"{when}, not charged: {said}")


def _reuse(job: Job, receipt: Receipt, past: Past, made: Mapping[str, Entry]) -> Entry:
    reason, reminder = "bought " + (receipt.submitted_at or "")[:10], False
    output = receipt.output
    if receipt.state is ReceiptState.DELIVERED_WRONG:
        said = (receipt.error or {}).get("message", "")
        reason = f"delivered otherwise than bought: {said}; `--replace` buys it again, `kbatch accept` keeps it"
        reminder = not receipt.accepted_as_is
    elif _stale(job, receipt, past):
        reason, reminder = (
            "stale: its upstream was bought anew; `--replace` buys this again",
            not receipt.accepted_as_is,
        )
    elif any(address in made and made[address].replaces for address in job.upstream):
        reason += "; stale after this run, its upstream is bought anew: `--cascade` buys this again too"
    if output is not None:
        here = past.sizes.get(output.path)
        if here is None:
            reason += "; its file is not here, `kbatch pull` fetches it"
        elif here != output.bytes:
            reason += "; its file differs from the receipt"
        elif output.path != job.draft.output:
            reason += f"; moves to {job.draft.output}"
    return Entry(job=job, action=Action.REUSE, credits=0, reason=reason, reminder=reminder)


def _stale(job: Job, receipt: Receipt, past: Past) -> bool:
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


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what differs between two request bodies, in words: `prompt`, `duration 5 → 10`."""
    changes: list[str] = []
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            changes.extend(changed_fields(one, other))
        elif isinstance(one, str | None) and isinstance(other, str | None) and len(str(one)) + len(str(other)) > 40:
            changes.append(name)
        else:
            changes.append(f"{name} {_word(one)} → {_word(other)}")
    return changes


def _word(value: Any) -> str:
    if value is None:
        return "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)
