"""The Python API: load a manifest, plan it, run the plan with consent; it uses the same pipeline as the commands.

    import kbatch

    campaign = kbatch.load("campaign.yaml", simulate=True)
    proposal = kbatch.plan(campaign, only=["hero"])
    outcome = await kbatch.run(proposal, consent=proposal.plan.digest)

Errors are those of `kbatch.errors`: `Invalid` with all problems, `Refused`, `ProviderStopped`. Nothing is printed, and
nothing is kept between calls.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from functools import partial
from pathlib import Path

import anyio

from kbatch.errors import Invalid, Refused
from kbatch.pipeline.approvals.find import ApprovalSearch, find_approval
from kbatch.pipeline.approvals.trust import TrustSources as Approved
from kbatch.pipeline.approvals.trust import read_trust
from kbatch.pipeline.load import LoadedManifest, LoadOptions
from kbatch.pipeline.load import load as load_manifest
from kbatch.pipeline.load_state import as_bought, load_state, lock_path, lockfile_path
from kbatch.pipeline.make_plan import Planned, RunTarget, make_plan
from kbatch.pipeline.published_prices import models_in, quoted_with
from kbatch.pipeline.saved_plans import CurrentPlan, check_covered, held_claim, under_claim
from kbatch.pipeline.simulation import simulator_app
from kbatch.planner.approval.consent import ConsentMethod, ConsentTerms, confirm
from kbatch.planner.approval.validity import within_maximum
from kbatch.planner.ceilings import read_ceilings
from kbatch.planner.plan import Plan
from kbatch.planner.selection import Selection
from kbatch.planner.summary import Summary
from kbatch.providers.registry import NAMES
from kbatch.receipts.approvals.approval import Approval
from kbatch.receipts.claims import Claim
from kbatch.receipts.store import LoadedState
from kbatch.runner.context import RunOptions
from kbatch.runner.execute import RunSetup, execute
from kbatch.runner.limits.budgets.budget_state import read_budgets
from kbatch.runner.open_sessions import Endpoints
from kbatch.runner.outcome import Outcome
from kbatch.runner.preflight.price_lists import ask_price_lists
from kbatch.runner.preflight.writable_outputs import check_writable
from kbatch.runner.progress_events import OnProgress, ignore
from kbatch.storage import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A loaded manifest with the lockfile that belongs to it."""

    loaded: LoadedManifest
    lockfile: Path
    simulated: bool


def _place(campaign: Campaign, environment: Mapping[str, str] | None = None) -> RunTarget:
    return RunTarget(lockfile=campaign.lockfile, simulated=campaign.simulated, environment=environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan that can be agreed to by its digest, with what it was made from."""

    campaign: Campaign
    plan: Plan
    summary: Summary
    selection: Selection


def load(
    path: str | Path,
    *,
    profile: str | None = None,
    simulate: bool = False,
    lockfile: str | Path | None = None,
    models: str | Path | None = None,
) -> Campaign:
    """Load a manifest, with the model cards of the folder `models` too; Invalid carries everything that is wrong."""
    manifest = Path(path)
    chosen = None if lockfile is None else Path(lockfile)
    loaded = load_manifest(
        manifest, LoadOptions(profile=profile, simulated=simulate, models=None if models is None else Path(models))
    )
    where = lockfile_path(manifest, simulated=simulate, chosen=chosen)
    return Campaign(loaded=loaded, lockfile=where, simulated=simulate)


async def ask_prices(campaign: Campaign, *, environment: Mapping[str, str] | None = None) -> Campaign:
    """Return the campaign priced with the providers' public lists, as `--live` does; no key is sent.

    A run of its plans raises Refused where a list contradicts a price or cannot be read.
    """
    loaded = campaign.loaded
    found = await ask_price_lists(models_in(loaded), os.environ if environment is None else environment)
    return dataclass_replace(campaign, loaded=quoted_with(loaded, found))


def plan(  # noqa: PLR0913 - keyword-only, as a caller writes them
    campaign: Campaign,
    *,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    failed: bool = False,
    first: int | None = None,
    replace: Sequence[str] = (),
    cascade: bool = False,
) -> Proposal:
    """Plan the selected jobs of a campaign against its lockfile, chosen as on the command line. Nothing is sent."""
    selection = Selection(
        only=tuple(only),
        exclude=tuple(exclude),
        labels=tuple((labels or {}).items()),
        failed=failed,
        first=first,
        replace=tuple(replace),
        cascade=cascade,
    )
    found = load_state(campaign.loaded, campaign.lockfile)
    planned = make_plan(as_bought(campaign.loaded, found), found, selection, _place(campaign))
    return Proposal(campaign=campaign, plan=planned.plan, summary=planned.summary, selection=selection)


async def run(  # noqa: PLR0913 - keyword-only, as a caller writes them
    proposal: Proposal,
    *,
    consent: str | Approved,
    max_credits: Sequence[str] = (),
    allow_unpriced: int = 0,
    trust_prices: bool = False,
    allow_extra: bool = False,
    budgets: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    tell: OnProgress | None = None,
) -> Outcome:
    """Carry out a proposal; `consent` is the digest of its plan, and Refused is raised when that is not the plan now.

    What was agreed to and interrupted goes on with the same digest, within what is left of its maximum. `Approved()` is
    the consent of the newest valid record of `kbatch approve`, as `--approved` takes it.
    `max_credits` are ceilings such as `apiframe=500`; keys are read from `environment`, the process's own by default.
    `budgets` is a file of envelopes over many manifests, by default the one that `KBATCH_BUDGETS` names.
    """
    campaign, variables = proposal.campaign, os.environ if environment is None else environment
    bounds = budgets or variables.get("KBATCH_BUDGETS")
    loaded = campaign.loaded
    with Lock(lock_path(campaign.lockfile)):  # in this thread: the lock belongs to the thread that took it
        found = await anyio.to_thread.run_sync(load_state, loaded, campaign.lockfile)
        loaded = as_bought(loaded, found)
        place = _place(campaign, environment)
        replan = partial(make_plan, loaded, found, proposal.selection, place)
        planned, agreed = await anyio.to_thread.run_sync(_agree, consent, campaign, found, replan)
        ceilings, problems = read_ceilings(planned.plan, max_credits, NAMES)
        if problems:
            raise Invalid(problems)
        terms = under_claim(
            ConsentTerms(
                ceilings=ceilings,
                allow_unpriced=allow_unpriced,
                trust_prices=trust_prices,
                allow_extra=allow_extra,
                simulated=campaign.simulated,
            ),
            agreed.digest,
            agreed.claim,
            CurrentPlan(plan=planned.plan, renders=found.lockfile.renders),
        )
        if agreed.approval is not None:
            terms = within_maximum(terms, agreed.approval, found.lockfile.renders)
        app = simulator_app(found.lockfile, loaded, faults=None) if campaign.simulated else None
        scene = RunSetup(
            folder=loaded.folder,
            tree=loaded.tree,
            jobs=loaded.jobs,
            lockfile_path=campaign.lockfile,
            loaded=found,
            endpoints=Endpoints(
                environment=variables,
                app=app,
                concurrency=loaded.settings.concurrency,
            ),
            options=RunOptions(live=loaded.lists is not None),
            replacing=planned.replacing,
            budgets=None if bounds is None or bounds == "" else read_budgets(Path(bounds)),
        )
        await anyio.to_thread.run_sync(check_writable, planned.plan, scene)
        method = ConsentMethod.DIGEST if isinstance(consent, str) else ConsentMethod.APPROVAL
        return await execute(confirm(planned.plan, terms, method), scene, tell or ignore)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreed:
    """What was agreed to: a digest, its claim where it was begun or recorded, its record where that is the consent."""

    digest: str
    claim: Claim | None = None
    approval: Approval | None = None


def _agree(
    consent: str | Approved, campaign: Campaign, found: LoadedState, replan: Callable[..., Planned]
) -> tuple[Planned, _Agreed]:
    """Return the plan under a consent, and what was agreed to; Refused when the consent does not cover it."""
    planned = replan()
    if not isinstance(consent, str):
        search = ApprovalSearch(lockfile=campaign.lockfile, trust=read_trust(consent, campaign.loaded.folder))
        record = find_approval(search, planned, found, replan)
        if record is None:
            return planned, _Agreed(digest=planned.plan.digest)
        approval = record.approval
        return record.planned, _Agreed(digest=approval.digest, claim=record.claim, approval=approval)
    claim = held_claim(consent, planned.plan, found, campaign.lockfile)
    if claim is not None:
        planned = replan(claim)
        check_covered(consent, claim, planned.plan)
    elif consent != planned.plan.digest and planned.plan.spends:
        message = f"the plan now has the digest {planned.plan.digest}, not the agreed {consent}"
        raise Refused("digest-differs", message, hint="plan again and look at what changed")
    return planned, _Agreed(digest=consent, claim=claim)
