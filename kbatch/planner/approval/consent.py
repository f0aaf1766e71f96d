"""Consent: a plan becomes a `ConfirmedPlan` here and nowhere else, and only a confirmed plan can be run.

Every rule that can refuse before spending stands in `confirm`, in the order in which a person would ask.
"""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from kbatch.errors import Refused
from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.ceilings import Ceilings, find_over
from kbatch.planner.plan import Plan
from kbatch.receipts.claims import Claim


class Given(StrEnum):
    """How a person agreed: at the prompt, with `--yes`, or by naming the digest."""

    PROMPT = "prompt"
    YES = "yes"
    DIGEST = "digest"


class ConsentTerms(Struct, frozen=True, kw_only=True):
    """What is agreed to beside the plan: ceilings, unpriced jobs at most, lowered prices, and whether credits are real.

    `claim` is the digest of the approval that is carried out, which the journal notes, and `covers` what it covers.
    """

    ceilings: Ceilings
    allow_unpriced: int = 0
    trust_prices: bool = False
    locked: bool = False
    claim: str | None = None
    covers: Claim | None = None
    simulated: bool = False


class ConfirmedPlan(Struct, frozen=True, kw_only=True):
    """A plan that someone agreed to, with its terms; made by `confirm` only."""

    plan: Plan
    terms: ConsentTerms
    given: Given | None


def check_terms(plan: Plan, terms: ConsentTerms) -> None:
    """Raise Refused when the plan breaks a rule that no consent lifts."""
    # An invented price may be rehearsed: the simulator charges nothing, and the run that pays is refused all the same.
    doubts = (entry for entry in doubtful(plan) if entry.job.quote.lowers or not terms.simulated)
    doubted = next(doubts, None)
    if doubted is not None and not terms.trust_prices:
        job = doubted.job
        what = "lowers the price" if job.quote.lowers else "invents a price"
        than = "below its card" if job.quote.lowers else "that no card and no receipt tells"
        message = f"`prices` {what} of {job.card.key} {than} ({job.quote.working})"
        code = "price-lowered" if job.quote.lowers else "price-invented"
        raise Refused(code, message, hint="`--trust-prices` accepts it: a manifest may be a stranger's")
    if terms.locked and plan.spends:
        bought = len(plan.spends)
        raise Refused(
            "locked-plan",
            f"--locked: {bought} {'job' if bought == 1 else 'jobs'} would be bought",
            hint="run without --locked buys them",
        )
    unpriced = _unpriced(plan)
    if unpriced > terms.allow_unpriced:
        hint = f"state a price under `prices`, or `--allow-unpriced {unpriced}` accepts them"
        raise Refused("unpriced", f"{unpriced} {'job has' if unpriced == 1 else 'jobs have'} no known price", hint=hint)
    _check_provable(plan, terms.ceilings)
    over = find_over(plan, terms.ceilings)
    if over:
        more = f" (and {len(over) - 1} more)" if len(over) > 1 else ""
        raise Refused(
            "over-ceiling",
            over[0].message + more,
            hint="raise the ceiling, or select fewer jobs with --only or --first",
        )


def _check_provable(plan: Plan, ceilings: Ceilings) -> None:
    """Raise Refused when charges that nobody knows would count against a ceiling: nothing could prove that it holds."""
    for provider in dict.fromkeys(entry.job.provider for entry in plan.purchases):
        untold = plan.untold.get(provider, 0) if provider in ceilings.budget else 0
        holding = [entry for entry in plan.entries if entry.action is Action.UNKNOWN and entry.job.provider == provider]
        held = sum(entry.held is None for entry in holding)
        if untold:
            purchases = "purchase" if untold == 1 else "purchases"
            message = f"{provider}: the charge of {untold:,} earlier {purchases} is not known, so no budget can be held"
            raise Refused("untold-charges", message, hint="state a price under `prices`: they count at that price then")
        if held and (provider in ceilings.budget or provider in ceilings.run):
            message = (
                f"{provider}: what {held:,} sends of unknown outcome may cost is not known, so no ceiling can be held"
            )
            raise Refused("untold-charges", message, hint="`kbatch reconcile` settles them")


def confirm(plan: Plan, terms: ConsentTerms, given: Given | None) -> ConfirmedPlan:
    """Return the confirmed plan, or raise Refused; without purchases no consent is needed.

    A send again is a purchase.
    """
    check_terms(plan, terms)
    if plan.spends and given is None:
        hint = "`--yes` agrees to the plan above, `--approve " + plan.digest[:15] + "…` to exactly this one"
        raise Refused("not-confirmed", "nobody agreed to the plan, so nothing was sent", hint=hint)
    return ConfirmedPlan(plan=plan, terms=terms, given=given)


def doubtful(plan: Plan) -> Iterator[PlanEntry]:
    """Yield the entries whose price only the manifest states, below the card's or where nothing else tells one."""
    for entry in plan.entries:
        if entry.job.quote.lowers or (entry.buys and entry.invented):
            yield entry


def _unpriced(plan: Plan) -> int:
    """Return how many purchases have no known price; of one that is sent again what it holds is its price."""
    return sum((entry.held if entry.resend else entry.credits) is None for entry in plan.spends)


def needed_flags(plan: Plan) -> tuple[str, ...]:
    """Return the flags without which a run refuses this plan whoever agrees to it."""
    unpriced = _unpriced(plan)
    flags = ("--allow-unpriced", str(unpriced)) if unpriced else ()
    return (*flags, "--trust-prices") if next(doubtful(plan), None) is not None else flags


def needs_ceiling(plan: Plan, terms: ConsentTerms) -> bool:
    """Whether `--yes` without a terminal is refused: a real run that buys, and no ceiling bounds it."""
    if terms.simulated or not plan.spends:
        return False
    bounded = {*terms.ceilings.run, *terms.ceilings.budget}
    return any(entry.job.provider not in bounded for entry in plan.spends)
