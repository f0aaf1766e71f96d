"""Consent: makes a `ConfirmedPlan` from a plan; only a confirmed plan can be run.

`confirm` checks every rule that can refuse a plan before it spends.
"""

import shlex
from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from kbatch.errors import Refused
from kbatch.models.pricing import MANIFEST, Quote
from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.ceilings import Ceilings, find_exceeded
from kbatch.planner.decisions import stating
from kbatch.planner.plan import Plan
from kbatch.receipts.claims import Claim


class ConsentMethod(StrEnum):
    """How the user gave consent: at the prompt, with `--yes`, by naming the digest, or by a recorded approval."""

    PROMPT = "prompt"
    YES = "yes"
    DIGEST = "digest"
    APPROVAL = "approval"


class ConsentTerms(Struct, frozen=True, kw_only=True):
    """Terms beside the plan: ceilings, number of unpriced jobs allowed, what is trusted, and whether credits are real.

    `claim` is the digest of the approval that is carried out, which the journal records; `covers` is its claim.
    """

    ceilings: Ceilings
    allow_unpriced: int = 0
    trust_prices: bool = False
    allow_extra: bool = False
    locked: bool = False
    claim: str | None = None
    covers: Claim | None = None
    simulated: bool = False


class ConfirmedPlan(Struct, frozen=True, kw_only=True):
    """A plan with consent and terms; only `confirm` makes one."""

    plan: Plan
    terms: ConsentTerms
    method: ConsentMethod | None


def check_terms(plan: Plan, terms: ConsentTerms) -> None:
    """Raise Refused when the plan breaks a rule that no consent lifts."""
    # An invented price is accepted by the simulator, which charges nothing, and by an approval, whose digest holds it.
    accepted = terms.simulated or terms.claim is not None
    first = next((entry for entry in untrusted_prices(plan) if entry.job.quote.lowers or not accepted), None)
    if first is not None and not terms.trust_prices:
        job = first.job
        what = "lowers the price" if job.quote.lowers else "invents a price"
        packaged = "below the packaged card" if job.card.file else "below its card"
        than = packaged if job.quote.lowers else "without a card or receipt that confirms it"
        message = f"{stating(job)} {what} of {job.card.key} {than} ({job.quote.working})"
        code = "price-lowered" if job.quote.lowers else "price-invented"
        raise Refused(code, message, hint=_trust(job.quote))
    extra = next((entry for entry in plan.spends if entry.job.extra), None)
    if extra is not None and not (terms.allow_extra or accepted):
        names = ", ".join(f"`{name}`" for name in extra.job.extra)
        message = f"`{extra.address}` sends {names} as written, and no document has such a parameter"
        hint = (
            "`--allow-extra` accepts it, and so does the approval of exactly this plan (`--approve`, or a saved plan)"
        )
        raise Refused("extra-parameter", message, hint=hint)
    if terms.locked and plan.spends:
        bought = len(plan.spends)
        raise Refused(
            "locked-plan",
            f"--locked: {bought} {'job' if bought == 1 else 'jobs'} would be bought",
            hint="run without --locked buys them",
        )
    unpriced = _unpriced(plan)
    if unpriced > terms.allow_unpriced:
        hint = (
            "`--live` takes it from the provider's public list where that names one; "
            f"else state a price under `prices`, or `--allow-unpriced {unpriced}` accepts them"
        )
        raise Refused("unpriced", f"{unpriced} {'job has' if unpriced == 1 else 'jobs have'} no known price", hint=hint)
    _check_provable(plan, terms.ceilings)
    over = find_exceeded(plan, terms.ceilings)
    if over:
        more = f" (and {len(over) - 1} more)" if len(over) > 1 else ""
        raise Refused(
            "over-ceiling",
            over[0].message + more,
            hint="raise the ceiling, or select fewer jobs with --only or --first",
        )


def _check_provable(plan: Plan, ceilings: Ceilings) -> None:
    """Raise Refused when unknown charges count against a ceiling, since kbatch could not prove that it holds."""
    for provider in dict.fromkeys(entry.job.provider for entry in plan.purchases):
        uncounted = plan.unknown_charges.get(provider, 0) if provider in ceilings.budget else 0
        holding = [entry for entry in plan.entries if entry.action is Action.UNKNOWN and entry.job.provider == provider]
        held = sum(entry.held is None for entry in holding)
        if uncounted:
            purchases = "purchase" if uncounted == 1 else "purchases"
            message = (
                f"{provider}: the charge of {uncounted:,} earlier {purchases} is not known, so no budget can be held"
            )
            raise Refused("untold-charges", message, hint="state a price under `prices`: they count at that price then")
        if held and (provider in ceilings.budget or provider in ceilings.run):
            message = (
                f"{provider}: what {held:,} sends of unknown outcome may cost is not known, so no ceiling can be held"
            )
            raise Refused("untold-charges", message, hint="`kbatch reconcile` settles them")


def confirm(plan: Plan, terms: ConsentTerms, method: ConsentMethod | None) -> ConfirmedPlan:
    """Return the confirmed plan, or raise Refused; a plan without purchases and resends needs no consent."""
    check_terms(plan, terms)
    if plan.spends and method is None:
        hint = "`--yes` agrees to the plan above, `--approve " + plan.digest[:15] + "…` to exactly this one"
        raise Refused("not-confirmed", "the plan has no consent, so nothing was sent", hint=hint)
    return ConfirmedPlan(plan=plan, terms=terms, method=method)


def _trust(quote: Quote) -> str:
    also = "" if quote.lowers else ", and so does the approval of exactly this plan (`--approve`, or a saved plan)"
    what = "manifest" if quote.source == MANIFEST else "card"
    return f"`--trust-prices` accepts it{also}; check who wrote the {what} first"


def untrusted_prices(plan: Plan) -> Iterator[PlanEntry]:
    """Yield the entries whose price only the user states: below the card's, or without one of card or receipt."""
    for entry in plan.entries:
        if entry.job.quote.lowers or (entry.buys and entry.invented):
            yield entry


def _unpriced(plan: Plan) -> int:
    """Return the number of purchases without a known price; the price of a resend is what it holds."""
    return sum((entry.held if entry.resend else entry.credits) is None for entry in plan.spends)


def needed_flags(plan: Plan) -> tuple[str, ...]:
    """Return the flags without which a run refuses this plan even when exactly it was approved."""
    unpriced = _unpriced(plan)
    flags = ("--allow-unpriced", str(unpriced)) if unpriced else ()
    return (*flags, "--trust-prices") if any(entry.job.quote.lowers for entry in plan.entries) else flags


def approving_command(plan: Plan, name: str, flags: Sequence[str]) -> str:
    """Return the command that agrees to exactly this plan of a manifest; `flags` are the words that chose its jobs."""
    return shlex.join(("kbatch", "run", name, *flags, *needed_flags(plan), "--approve", plan.digest))


def needs_ceiling(plan: Plan, terms: ConsentTerms) -> bool:
    """Whether `--yes` without a terminal is refused: a real run buys from a provider that has no ceiling."""
    if terms.simulated or not plan.spends:
        return False
    bounded = {*terms.ceilings.run, *terms.ceilings.budget}
    return any(entry.job.provider not in bounded for entry in plan.spends)
