"""Consent before a run: finds an earlier approval, shows the plan and asks."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kbatch.cli.approval_options import read_sources
from kbatch.cli.consent import agree
from kbatch.cli.options import read_selection
from kbatch.cli.ui import console
from kbatch.errors import Invalid, Refused
from kbatch.pipeline.approvals.find import ApprovalSearch, FoundApproval, find_approval
from kbatch.pipeline.approvals.trust import read_trust
from kbatch.pipeline.load import LoadedManifest
from kbatch.pipeline.make_plan import Planned, RunTarget, make_plan
from kbatch.pipeline.saved_plans import (
    CurrentPlan,
    check_covered,
    check_saved,
    check_unused,
    held_claim,
    selection_of,
    under_claim,
)
from kbatch.planner.approval.consent import ConfirmedPlan, ConsentTerms, check_terms, confirm
from kbatch.planner.approval.saved_plan import SavedPlan
from kbatch.planner.approval.validity import named, within_maximum
from kbatch.planner.ceilings import read_ceilings
from kbatch.providers.registry import NAMES
from kbatch.receipts import store
from kbatch.receipts.claims import Claim
from kbatch.receipts.receipt import Receipt
from kbatch.report.data.format import harmless


class PlanRequest(Struct, frozen=True, kw_only=True):
    """The plan that the command line asks for: a saved one, or the jobs of a manifest that its flags select."""

    saved: SavedPlan | None
    flags: Mapping[str, Any]


class PriorApproval(Struct, frozen=True, kw_only=True):
    """An approval before this run: the digest of a saved plan or of `--approve`, what it covers, and receipts.

    `claim` is None where the digest must be that of the current plan; `record` is the record where one was needed.
    """

    digest: str | None
    claim: Claim | None
    renders: Mapping[str, Receipt]
    record: FoundApproval | None = None


def plan_for(
    asked: PlanRequest, loaded: LoadedManifest, found: store.LoadedState, target: RunTarget
) -> tuple[Planned, PriorApproval]:
    """Return the plan of a request and its approval, if any; Refused when the approval is used or out of date."""
    saved, digest = asked.saved, asked.flags["approve"]
    renders = found.lockfile.renders
    if saved is not None:
        check_unused(saved.digest, found)
        planned = make_plan(loaded, found, selection_of(saved, loaded), target, saved.claim)
        check_saved(saved, planned.plan)
        record = _record(asked, loaded, target, planned, found)
        return planned, PriorApproval(digest=saved.digest, claim=saved.claim, renders=renders, record=record)
    wished = read_selection(asked.flags)
    planned = make_plan(loaded, found, wished, target)
    record = _record(asked, loaded, target, planned, found)
    if record is not None:
        approved = PriorApproval(digest=record.approval.digest, claim=record.claim, renders=renders, record=record)
        return record.planned, approved
    claim = held_claim(digest, planned.plan, found, target.lockfile) if digest else None
    if claim is not None:
        planned = make_plan(loaded, found, wished, target, claim)
        check_covered(digest, claim, planned.plan)
    return planned, PriorApproval(digest=digest, claim=claim, renders=renders)


def _record(
    asked: PlanRequest, loaded: LoadedManifest, target: RunTarget, planned: Planned, found: store.LoadedState
) -> FoundApproval | None:
    """Return the recorded approval that `--approved` needs, None without the flag or without a purchase."""
    sources = read_sources(asked.flags)
    if sources is None:
        return None

    def replan(claim: Claim) -> Planned:
        return planned if asked.saved else make_plan(loaded, found, read_selection(asked.flags), target, claim)

    trust = read_trust(sources, loaded.folder)
    digest = asked.saved.digest if asked.saved else None
    search = ApprovalSearch(lockfile=target.lockfile, trust=trust, digest=digest)
    try:
        return find_approval(search, planned, found, replan)
    except Refused:
        console.show_plan(planned.plan, planned.summary, stderr=True)
        raise


def consent_to(planned: Planned, flags: Mapping[str, Any], approved: PriorApproval) -> ConfirmedPlan:
    """Show the plan and return it with consent, or raise Refused."""
    plan = planned.plan
    ceilings, problems = read_ceilings(plan, flags["max_credits"], NAMES)
    if problems:
        raise Invalid(problems)
    digest = (approved.digest if approved.claim else None) or plan.digest
    terms = ConsentTerms(
        ceilings=ceilings,
        allow_unpriced=flags["allow_unpriced"],
        trust_prices=flags["trust_prices"],
        allow_extra=flags["allow_extra"],
        locked=flags["locked"],
        simulated=flags["simulate"],
    )
    if approved.digest:
        standing = CurrentPlan(plan=plan, renders=approved.renders)
        terms = under_claim(terms, approved.digest, approved.claim, standing)
    if approved.record:
        terms = within_maximum(terms, approved.record.approval, approved.renders)
    console.show_plan(plan, planned.summary, stderr=True)
    if approved.record:
        console.say(harmless(f"{named(approved.record.approval)}, {approved.record.proof}"))
    check_terms(plan, terms)
    return confirm(plan, terms, agree(plan, terms, flags, (digest,)))
