"""Whether an approval is valid: in time, by a person who is proven and entitled, and within its maximum."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from kbatch.errors import Refused
from kbatch.planner.approval.approving import SKEW, span
from kbatch.planner.approval.consent import ConsentTerms
from kbatch.planner.plan import Plan
from kbatch.receipts.approvals.approval import Approval
from kbatch.receipts.claims import spent_of
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.shapes import Amount, NonEmpty

EVERYONE = "*"
_PROVE = (
    "`kbatch approve` on this machine seals it, `--sign KEY` signs it (`--allowed-signers`), "
    "`--approved-from git:REF` takes it from a branch that only review changes"
)


class ApprovalPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose approvals count, and up to which maximum."""

    allowed_signers: Annotated[NonEmpty | None, Meta(description="A file of ssh's allowed signers")] = None
    require_signed: Annotated[bool, Meta(description="Only signed approvals count")] = True
    own_plan: Annotated[bool, Meta(description="Whether the author of a plan may approve it")] = True
    limits: Annotated[
        Mapping[str, Mapping[str, Amount]] | None,
        Meta(description="The most that each person may approve at once, by provider; `*` is everyone else"),
    ] = None


NO_POLICY = ApprovalPolicy(require_signed=False)


class Proof(Struct, frozen=True, kw_only=True):
    """What shows who made a record: this user's seal, a reviewed branch, or a signature by one of these names."""

    sealed: bool = False
    reviewed: bool = False
    signers: frozenset[str] = frozenset()


def check_valid(approval: Approval, proof: Proof, policy: ApprovalPolicy, now: datetime) -> None:
    """Raise Refused when an approval does not count; `now` is the clock of the machine that runs."""
    _check_time(approval, now)
    signed = bool(proof.signers)
    if policy.require_signed and not signed:
        message = f"{named(approval)} is not signed by an allowed signer"
        raise Refused("approval-unsigned", message, hint="`kbatch approve PLAN --sign KEY` signs one")
    if not (signed or proof.sealed or proof.reviewed):
        message = f"nothing proves that {named(approval)} was made by that person: a checkout may have brought it"
        raise Refused("approval-unproven", message, hint=_PROVE)
    names = frozenset(name.casefold() for name in proof.signers)
    if not policy.own_plan:
        _check_author(approval, names | approval.by.names)
    if policy.limits is not None:
        _check_limits(approval, names or approval.by.names, policy.limits)


def _check_time(approval: Approval, now: datetime) -> None:
    ahead = datetime.fromisoformat(approval.at) - now
    if ahead > SKEW:
        message = f"{named(approval)} is from {approval.at}, {span(ahead)} ahead of this machine's clock"
        raise Refused("clock-differs", message, hint="one of both clocks is wrong, so no expiry can be held: set it")
    if datetime.fromisoformat(approval.expires_at) <= now:
        message = f"{named(approval)} expired at {approval.expires_at}"
        raise Refused("approval-expired", message, hint="`kbatch approve PLAN` records a new one")


def _check_author(approval: Approval, approvers: frozenset[str]) -> None:
    author = approval.plan.author
    if author is None:
        message = f"{named(approval)} is of a plan that does not say who made it, and the policy forbids one's own plan"
        raise Refused("approval-own-plan", message, hint="save the plan anew: `kbatch plan --out FILE`")
    if author.names & approvers:
        message = f"{named(approval)} is of a plan that {author.label} made, and the policy forbids one's own plan"
        raise Refused("approval-own-plan", message, hint="somebody else approves it")


def _check_limits(approval: Approval, names: frozenset[str], limits: Mapping[str, Mapping[str, int]]) -> None:
    """Raise Refused above the lowest limit of any of a person's names; what has no limit may not be approved."""
    own = [limit for name, limit in limits.items() if name.casefold() in names]
    known = own or [limits[EVERYONE]] if EVERYONE in limits or own else []
    for provider, maximum in approval.maximum.items():
        most = min((limit.get(provider, 0) for limit in known), default=0)
        if maximum > most:
            message = f"{named(approval)} is for up to {maximum:,} credits of {provider}, its approver may {most:,}"
            raise Refused("approval-over-limit", message, hint="somebody with a higher limit approves it")


def named(approval: Approval) -> str:
    """Return how messages call an approval."""
    return f"the approval {approval.digest[:15]}… by {approval.by.label}"


def check_maximum(approval: Approval, plan: Plan, renders: Mapping[str, Receipt]) -> None:
    """Raise Refused when a plan's maximum is above what is left of an approval's."""
    left = left_of_maximum(approval, renders)
    for provider, total in plan.totals.items():
        wanted = total.known + total.held
        if wanted > left.get(provider, 0):
            message = (
                f"{named(approval)} is for up to {approval.maximum.get(provider, 0):,} {total.unit} of {provider}, "
                f"{left.get(provider, 0):,} are left, and the plan's maximum is {wanted:,}"
            )
            raise Refused("approval-over-maximum", message, hint="`kbatch approve` a plan of what is left")


def within_maximum(terms: ConsentTerms, approval: Approval, renders: Mapping[str, Receipt]) -> ConsentTerms:
    """Return the terms with what is left of an approval's maximum as a ceiling of the run."""
    run = terms.ceilings.run
    lower = {name: min(left, run.get(name, left)) for name, left in left_of_maximum(approval, renders).items()}
    return replace(terms, ceilings=replace(terms.ceilings, run={**run, **lower}))


def left_of_maximum(approval: Approval, renders: Mapping[str, Receipt]) -> dict[str, int]:
    """Return the credits by provider that remain after the charges of an approval's purchases.

    Refused when one of these charges is not known: it is never 0.
    """
    spent = spent_of(approval.plan.claim, renders)
    left = {}
    for provider, maximum in approval.maximum.items():
        charged = spent.get(provider, 0)
        if charged is None:
            message = f"{provider}: the charge of a purchase under {named(approval)} is not known"
            raise Refused("untold-charges", message, hint="state a price under `prices`, or approve what is left anew")
        left[provider] = max(0, maximum - charged)
    return left
