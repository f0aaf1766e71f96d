"""What is left of an approval: the purchases that a claim covers and that nobody has made since.

A claim covers each of its purchases once, known by fingerprint and attempt. What was bought meanwhile leaves the plan,
in whatever clone and by whomever; what failed after it was accepted was a purchase too, and another one is not covered.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.approval.agreement import attempt_of
from kbatch.receipts.claims import Claim, spent_of
from kbatch.receipts.fold import next_attempt
from kbatch.receipts.receipt import Receipt

_SPENT = "failed under this approval, which covers one purchase of it: plan anew to buy it again"


def is_made(claim: Claim, fingerprint: str, renders: Mapping[str, Receipt]) -> bool:
    """Whether a claim's purchase, or a later one of the same request, was made already."""
    purchase = claim.fingerprints.get(fingerprint)
    return purchase is not None and next_attempt(renders.get(fingerprint)) > purchase.attempt


def confine(entries: Sequence[PlanEntry], claim: Claim) -> tuple[PlanEntry, ...]:
    """Return the entries of a plan under a claim: what failed under it is blocked, and so is what needs its frame."""
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
            why = "shares its purchase" if entry.shares in blocked else "needs its frame"
            first = entry.shares if entry.shares in blocked else next(n for n in entry.job.upstream if n in blocked)
            reason = f"`{first}` is blocked, and this {why}"
            blocked[entry.address] = replace(entry, action=Action.BLOCKED, credits=0, reason=reason)
        found = len(waiting)
    return tuple([blocked.get(entry.address, entry) for entry in entries])


def _only_if_covered(entry: PlanEntry, claim: Claim) -> PlanEntry:
    """Return an unknown send that may be sent again if it is this approval's own, else one that is looked for."""
    purchase = claim.fingerprints.get(entry.job.fingerprint)
    if purchase is not None and entry.receipt is not None and entry.receipt.attempt == purchase.attempt:
        return entry
    return replace(entry, resend=False, objection="the approval does not cover it; `kbatch reconcile` does, when asked")


def _waits(entry: PlanEntry, blocked: Mapping[str, PlanEntry]) -> bool:
    if entry.address in blocked:
        return False
    return entry.shares in blocked or (entry.buys and any(need in blocked for need in entry.job.upstream))


def not_covered(entries: Iterable[PlanEntry], claim: Claim) -> PlanEntry | None:
    """Return the first purchase that a claim does not cover at its price, None where it covers them all."""
    for entry in entries:
        if entry.buys:
            purchase = claim.fingerprints.get(entry.job.fingerprint)
            if purchase is None or purchase.attempt != attempt_of(entry) or purchase.quote != entry.credits:
                return entry
    return None


def left_of(claim: Claim, renders: Mapping[str, Receipt]) -> dict[str, int]:
    """Return per provider what is left of a claim's maximum after all that its purchases were charged.

    A provider of which a price was not known when the plan was made has no maximum.
    """
    spent = spent_of(claim, renders)
    left = {}
    for provider, maximum in claim.maximum.items():
        if maximum is not None:
            left[provider] = max(0, maximum - (spent.get(provider) or 0))
    return left
