"""Finds the approval that a run needs: the newest valid one that covers all that its plan would buy."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from kbatch.errors import Refused
from kbatch.pipeline.approvals.trust import ApprovalTrust, describe, prove, trusted_approvals
from kbatch.pipeline.make_plan import Planned
from kbatch.pipeline.saved_plans import check_covered, check_unused, stored_claim
from kbatch.planner.actions import PlanEntry
from kbatch.planner.approval.plan_digest import attempt_of
from kbatch.planner.approval.validity import check_maximum, check_valid, named
from kbatch.receipts import store
from kbatch.receipts.approvals.approval import Approval
from kbatch.receipts.approvals.approvals_file import Approvals
from kbatch.receipts.claims import Claim

_ANEW = "`kbatch plan --out FILE` saves what is left to buy, `kbatch approve FILE` approves it"
Replan = Callable[[Claim], Planned]
"""Makes the plan anew under a claim."""


class FoundApproval(Struct, frozen=True, kw_only=True):
    """A valid approval, its claim, the plan under it, and what proves it, in words."""

    approval: Approval
    claim: Claim
    planned: Planned
    proof: str


class ApprovalSearch(Struct, frozen=True, kw_only=True):
    """Where approvals are looked for, and what counts; a saved plan with this `digest` is covered by its own only."""

    lockfile: Path
    trust: ApprovalTrust
    digest: str | None = None
    now: datetime | None = None


def find_approval(
    search: ApprovalSearch, planned: Planned, found: store.LoadedState, replan: Replan
) -> FoundApproval | None:
    """Return the newest valid approval of a plan, None when the plan buys nothing; Refused says why there is none.

    `replan` makes the plan under the claim of an approval, which leaves out what was bought under it.
    """
    if not planned.plan.spends:
        return None
    records = trusted_approvals(search.lockfile, search.trust)
    refusals: list[tuple[bool, Refused]] = []
    for approval in newest_first(records):
        related = _is_related(approval, search, planned)
        try:
            return _judge(approval, search, found, replan if related else lambda _claim: planned)
        except Refused as refused:
            refusals.append((related, refused))
    raise _refusal(refusals, search)


def newest_first(approvals: Approvals) -> list[Approval]:
    """Return approvals by their time, the latest first."""
    return [one for _, one in sorted(approvals.items(), key=lambda item: (item[1].at, item[0]), reverse=True)]


def _is_related(approval: Approval, search: ApprovalSearch, planned: Planned) -> bool:
    """Whether an approval is of this plan or of a purchase in it."""
    if approval.digest in (planned.plan.digest, search.digest):
        return True
    covered = approval.plan.claim.fingerprints
    return any(entry.job.fingerprint in covered for entry in planned.plan.purchases)


def _judge(approval: Approval, search: ApprovalSearch, found: store.LoadedState, replan: Replan) -> FoundApproval:
    if search.digest not in (None, approval.digest):
        raise Refused("approval-differs", f"{named(approval)} is of another plan than {(search.digest or '')[:15]}…")
    proof = prove(approval, search.lockfile, search.trust)
    check_valid(approval, proof, search.trust.policy, search.now or datetime.now(UTC))
    try:
        check_unused(approval.digest, found)
    except Refused:
        message = f"{named(approval)} was used: the plan was carried out already"
        raise Refused("approval-used", message, hint=_ANEW) from None
    claim = stored_claim(approval.digest, found) or approval.plan.claim
    planned = replan(claim)
    _check_covers(approval, claim, planned)
    if not planned.plan.spends:
        message = f"{named(approval)} has nothing left: each of its purchases was made, and it covers no second one"
        raise Refused("approval-used", message, hint=_ANEW)
    check_maximum(approval, planned.plan, found.lockfile.renders)
    return FoundApproval(approval=approval, claim=claim, planned=planned, proof=describe(proof, search.trust))


def _check_covers(approval: Approval, claim: Claim, planned: Planned) -> None:
    differing = [words for entry in planned.plan.purchases if (words := _difference(approval, entry))]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        message = f"{named(approval)} does not cover the plan: {'; '.join(differing[:3])}{more}"
        raise Refused(
            "approval-differs",
            message,
            hint="`kbatch plan --compare-to approved` shows all that differs; `kbatch approve` agrees to it",
        )
    check_covered(approval.digest, claim, planned.plan)


def _difference(approval: Approval, entry: PlanEntry) -> str | None:
    """Return why a purchase is not covered, None when it is."""
    purchase = approval.plan.claim.fingerprints.get(entry.job.fingerprint)
    if purchase is None:
        known = entry.address in approval.plan.jobs
        return f"`{entry.address}` {'is another request than the approved one' if known else 'is not in it'}"
    if purchase.attempt != attempt_of(entry):
        return f"`{entry.address}` would be bought a second time ({entry.reason})"
    if purchase.quote != entry.credits:
        return f"`{entry.address}` costs {_price(entry.credits)} instead of {_price(purchase.quote)}"
    return None


def _price(credits: int | None) -> str:
    return "an unknown price" if credits is None else f"{credits:,}"


def _refusal(refusals: Iterable[tuple[bool, Refused]], search: ApprovalSearch) -> Refused:
    """Return the refusal of the newest related approval, else of the newest; the others are counted."""
    ordered = [refused for _, refused in sorted(refusals, key=lambda one: not one[0])]
    where = search.trust.revision or search.lockfile.parent
    if not ordered:
        hint = "`kbatch plan --out plan.json`, then `kbatch approve plan.json`"
        return Refused("not-approved", f"there is no approval of {search.lockfile.name} in {where}", hint=hint)
    first = ordered[0]
    more = f"; {len(ordered) - 1} other approvals do not cover it either" if len(ordered) > 1 else ""
    return Refused(first.code, f"{first.message}{more}", hint=first.hint)
