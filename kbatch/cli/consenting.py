"""Someone's agreement to a plan before a run: what was approved before, the plan shown, the question asked."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kbatch import console
from kbatch.cli.options import read_selection
from kbatch.loading import Loaded
from kbatch.plan.ceilings import read_ceilings
from kbatch.plan.consent import ConfirmedPlan, Given, Terms, check_terms, confirm, needs_ceiling
from kbatch.plan.saved import Saved
from kbatch.prepare import Place, Planned, make_plan
from kbatch.problems import Invalid, Refused
from kbatch.receipts import state
from kbatch.receipts.claims import Claim
from kbatch.receipts.receipt import Receipt
from kbatch.report.words import amount, count
from kbatch.saved_plans import (
    Standing,
    check_covered,
    check_saved,
    check_unused,
    held_claim,
    selection_of,
    under_claim,
)


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line asks for: a saved plan, or what its flags choose of a manifest."""

    saved: Saved | None
    flags: Mapping[str, Any]


class Approved(Struct, frozen=True, kw_only=True):
    """What was approved before this run: the digest of a saved plan or of `--approve`, what it covers, and receipts.

    `claim` is None where the digest must be that of the plan as it is now.
    """

    digest: str | None
    claim: Claim | None
    renders: Mapping[str, Receipt]


def plan_for(asked: Asked, loaded: Loaded, found: state.Loaded, place: Place) -> tuple[Planned, Approved]:
    """Return the plan of what a run is asked for, and what was approved of it; Refused when that is used or moved."""
    saved, digest = asked.saved, asked.flags["approve"]
    renders = found.lockfile.renders
    if saved is not None:
        check_unused(saved.digest, found)
        planned = make_plan(loaded, found, selection_of(saved, loaded), place, saved.claim)
        check_saved(saved, planned.plan)
        return planned, Approved(digest=saved.digest, claim=saved.claim, renders=renders)
    wished = read_selection(asked.flags)
    planned = make_plan(loaded, found, wished, place)
    claim = held_claim(digest, planned.plan, found) if digest else None
    if claim is not None:
        planned = make_plan(loaded, found, wished, place, claim)
        check_covered(digest, claim, planned.plan)
    return planned, Approved(digest=digest, claim=claim, renders=renders)


def consent_to(planned: Planned, flags: Mapping[str, Any], approved: Approved) -> ConfirmedPlan:
    """Show the plan, then get someone's agreement to it, or raise Refused."""
    plan = planned.plan
    ceilings, problems = read_ceilings(plan, flags["max_credits"])
    if problems:
        raise Invalid(problems)
    digest = approved.digest if approved.claim else plan.digest
    terms = Terms(
        ceilings=ceilings,
        allow_unpriced=flags["allow_unpriced"],
        trust_prices=flags["trust_prices"],
        locked=flags["locked"],
        simulated=flags["simulate"],
    )
    if approved.digest:
        standing = Standing(plan=plan, renders=approved.renders)
        terms = under_claim(terms, approved.digest, approved.claim, standing)
    console.show_plan(plan, planned.summary, stderr=True)
    check_terms(plan, terms)
    given: Given | None = None
    if flags["approve"]:
        if flags["approve"] != digest:
            message = f"the plan now has the digest {digest}, not the approved {flags['approve']}"
            raise Refused("digest-differs", message, hint="review the plan above and approve its digest")
        given = Given.DIGEST
    elif flags["yes"]:
        given = Given.YES
        if not console.is_terminal() and needs_ceiling(plan, terms):
            hint = "--max-credits N, or `budget: {max_credits: …}` in the manifest"
            raise Refused("no-ceiling", "--yes without a terminal needs a ceiling for a real run", hint=hint)
    elif plan.purchases and console.is_terminal():
        given = Given.PROMPT if console.ask(_question(planned)) else None
    return confirm(plan, terms, given)


def _question(planned: Planned) -> str:
    parts = []
    for provider, total in planned.plan.totals.items():
        if total.known or total.unpriced:
            unpriced = f" and {count(total.unpriced, 'job')} without a price" if total.unpriced else ""
            parts.append(f"{amount(total.known, total.unit)} of {provider}{unpriced}")
    return f"Spend up to {', '.join(parts)} on {count(len(planned.plan.purchases), 'render')}?"
