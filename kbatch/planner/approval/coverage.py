"""What is left of an approval: the purchases that a claim covers and that were not made since.

A claim covers each of its purchases once, identified by fingerprint and attempt. Purchases made meanwhile leave the
plan, in whichever clone they were made. A job that failed after the provider accepted it was a purchase: the claim does
not cover a second one.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.approval.plan_digest import attempt_of
from kbatch.receipts.claims import Claim, spent_of
from kbatch.receipts.fold import next_attempt
from kbatch.receipts.receipt import Receipt

_SPENT = "failed under this approval, which covers one purchase of it: plan anew to buy it again"


def is_made(claim: Claim, fingerprint: str, renders: Mapping[str, Receipt]) -> bool:
    """Whether a claim's purchase of a fingerprint, or a later one of the same request, was made already."""
    purchase = claim.fingerprints.get(fingerprint)
    return purchase is not None and next_attempt(renders.get(fingerprint)) > purchase.attempt


def confine(entries: Sequence[PlanEntry], claim: Claim) -> tuple[PlanEntry, ...]:
    """Return the entries of a plan under a claim; jobs that failed under it and jobs that need them are blocked."""
    blocked: dict[str, PlanEntry] = {}
    entries = [_only_if_covered(entry, claim) if entry.resend else entry for entry in entries]
    for entry in entries:
        purchase = claim.fingerprints.get(entry.job.fingerprint)
        if entry.buys and purchase is not None and (attempt_of(entry) or 0) > purchase.attempt:
            blocked[entry.address] = replace(entry, action=Action.BLOCKED, credits=0, reason=_SPENT)
    found = len(blocked)
    while found:
        waiting = [entry for entry in entries if _waits(entry, blocked)]
        for entry in waiting:
            shared = entry.shared_with in blocked
            why = "shares its purchase" if shared else "needs its frame"
            first = entry.shared_with if shared else next(need for need in entry.job.upstream if need in blocked)
            reason = f"`{first}` is blocked, and this {why}"
            blocked[entry.address] = replace(entry, action=Action.BLOCKED, credits=0, reason=reason)
        found = len(waiting)
    return tuple([blocked.get(entry.address, entry) for entry in entries])


def _only_if_covered(entry: PlanEntry, claim: Claim) -> PlanEntry:
    """Return an unknown send unchanged when the claim covers it, else as one that is only searched for."""
    purchase = claim.fingerprints.get(entry.job.fingerprint)
    if purchase is not None and entry.receipt is not None and entry.receipt.attempt == purchase.attempt:
        return entry
    return replace(entry, resend=False, objection="the approval does not cover it; `kbatch reconcile` does, when asked")


def _waits(entry: PlanEntry, blocked: Mapping[str, PlanEntry]) -> bool:
    if entry.address in blocked:
        return False
    return entry.shared_with in blocked or (entry.buys and any(need in blocked for need in entry.job.upstream))


def not_covered(entries: Iterable[PlanEntry], claim: Claim) -> PlanEntry | None:
    """Return the first purchase that a claim does not cover at its price, None when it covers all."""
    for entry in entries:
        if entry.buys:
            purchase = claim.fingerprints.get(entry.job.fingerprint)
            if purchase is None or purchase.attempt != attempt_of(entry) or purchase.quote != entry.credits:
                return entry
    return None


def left_of(claim: Claim, renders: Mapping[str, Receipt]) -> dict[str, int]:
    """Return the credits by provider that remain of a claim's maximum after the charges of its purchases.

    A provider with an unknown price in the plan has no maximum.
    """
    spent = spent_of(claim, renders)
    left = {}
    for provider, maximum in claim.maximum.items():
        if maximum is not None:
            left[provider] = max(0, maximum - (spent.get(provider) or 0))
    return left
