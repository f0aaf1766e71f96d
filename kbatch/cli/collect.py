"""The common part of `pull` and `reconcile`: a run over a part of the plan that makes no new purchase."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from kbatch.cli.commands.run import report, reports_of, say_links
from kbatch.cli.consent import agree
from kbatch.cli.documents import check_outputs
from kbatch.cli.options import read_accounts, read_selection
from kbatch.cli.protected_paths import named, protected_by
from kbatch.cli.run_plan import collect_outcome
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console
from kbatch.cli.ui.progress import Progress
from kbatch.errors import ExitCode, Invalid
from kbatch.pipeline.load import LoadedManifest
from kbatch.pipeline.load_state import lock_path
from kbatch.pipeline.make_plan import Planned, RunTarget, make_plan
from kbatch.pipeline.simulation import simulator_app
from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.approval.consent import ConfirmedPlan, ConsentTerms, confirm
from kbatch.planner.ceilings import Ceilings, read_ceilings
from kbatch.planner.plan import Plan, build_plan
from kbatch.planner.selection import Selection
from kbatch.planner.summary import summarize
from kbatch.providers.registry import NAMES, provider_of
from kbatch.providers.request_records import request_records
from kbatch.receipts import store
from kbatch.runner.context import RunOptions
from kbatch.runner.execute import RunSetup, execute
from kbatch.runner.open_sessions import Endpoints
from kbatch.runner.preflight.writable_outputs import check_writable
from kbatch.runner.reconcile import Decisions
from kbatch.storage import Lock

if TYPE_CHECKING:
    from kbatch.cli.run_reports import RunReports

Decide = Callable[[LoadedManifest, store.LoadedState], Decisions]
"""Makes of the state what a person has decided on the command line."""

NOTHING = Ceilings(run={}, budget={}, job={})


class Collection(Struct, frozen=True, kw_only=True):
    """What a collecting command does: the actions that it works, how, and what a person decided of the state."""

    actions: frozenset[Action]
    options: RunOptions
    decide: Decide | None = None


def collect(manifest: Path, flags: Mapping[str, Any], work: Collection) -> int:
    """Load, lock, plan, keep the entries with these actions, and work them; reports are written however that ends."""
    given = named((manifest, "what is collected"), (flags["lockfile"], "a lockfile"))
    junit = flags.get("junit")
    check_outputs({"--junit": junit}, given, stdout=flags["form"] == "json")
    with reports_of(manifest, junit) as reports:
        code = _collect(manifest, flags, work, reports)
    return ExitCode.worst((ExitCode(code), reports.exit_code)) if reports else code


def _collect(manifest: Path, flags: Mapping[str, Any], work: Collection, reports: "RunReports | None") -> int:
    loaded = load_manifest(manifest, flags)
    path = chosen_lockfile(loaded.path, flags)
    with Lock(lock_path(path), break_foreign=flags["break_lock"]):
        loaded, found = with_state(loaded, path)
        accounts = read_accounts(flags.get("accounts", ()))
        target = RunTarget(lockfile=path, simulated=flags["simulate"], accounts=accounts)
        decisions = work.decide(loaded, found) if work.decide else Decisions()
        every = make_plan(loaded, found, _selection(flags), target)
        whole, planned = every.plan, _only(every, work.actions, found)
        app = simulator_app(found.lockfile, loaded, faults=None) if flags["simulate"] else None
        scene = RunSetup(
            folder=loaded.folder,
            tree=loaded.tree,
            jobs=loaded.jobs,
            lockfile_path=path,
            loaded=found,
            endpoints=Endpoints(environment=os.environ, app=app, concurrency=loaded.settings.concurrency),
            options=work.options,
            decisions=decisions,
            accounts=accounts,
            interactive=console.is_terminal(),
        )
        say_links(check_writable(planned.plan, scene, fetch=work.options.fetch_missing))
        if reports:
            reports.check_junit(protected_by(loaded, path, found))
            reports.planned(loaded, planned.plan, path, found.lockfile)
        planned, confirmed = _agreed(planned, flags, whole.digest)
        progress = Progress(planned.plan, planned.summary)
        outcome = collect_outcome(lambda tell: execute(confirmed, scene, tell), progress)
    if reports:
        reports.ended(outcome)
    return report(outcome, loaded, flags["form"])


def _agreed(planned: Planned, flags: Mapping[str, Any], whole: str) -> tuple[Planned, ConfirmedPlan]:
    """Return the plan as it is carried out: without consent, nothing of it is sent again.

    `whole` is the digest of the plan that this is a part of, which covers it.
    """
    plan, method = planned.plan, None
    terms = ConsentTerms(ceilings=NOTHING, trust_prices=True, allow_extra=True, simulated=flags["simulate"])
    if plan.resends:
        ceilings, problems = read_ceilings(plan, flags["max_credits"], NAMES)
        if problems:
            raise Invalid(problems)
        terms = replace(terms, ceilings=ceilings)
        console.show_plan(plan, planned.summary, stderr=True)
        method = agree(plan, terms, flags, (plan.digest, whole))
        if method is None:
            looking = tuple(_only_looked_for(entry, plan.digest) for entry in plan.entries)
            planned = replace(planned, plan=replace(plan, entries=looking, resends=()))
            terms = replace(terms, ceilings=NOTHING)
    return planned, confirm(planned.plan, terms, method)


def _only_looked_for(entry: PlanEntry, digest: str) -> PlanEntry:
    if not entry.resend:
        return entry
    cost = "its price is unknown" if entry.held is None else f"it may cost {entry.held:,} credits"
    why = f"it needs consent, and {cost} (`--yes`, or `--approve {digest}`)"
    return replace(entry, resend=False, objection=why)


def _selection(flags: Mapping[str, Any]) -> Selection:
    return read_selection(flags) if "only" in flags else Selection()


def _only(planned: Planned, actions: frozenset[Action], found: store.LoadedState) -> Planned:
    plan = planned.plan
    entries = tuple(entry for entry in plan.entries if _takes(entry, actions) and not _shares_a_purchase(entry, plan))
    part = build_plan(plan.basis, entries, found.lockfile.renders)
    return replace(planned, plan=part, summary=summarize(part, planned.concurrency))


def _takes(entry: PlanEntry, actions: frozenset[Action]) -> bool:
    """Whether an entry is worked: one of the actions, or a send that its provider's log may settle."""
    logged = entry.action is Action.UNKNOWN and request_records(provider_of(entry.job.provider)) is not None
    return entry.action in actions or logged


def _shares_a_purchase(entry: PlanEntry, plan: Plan) -> bool:
    first = entry.shared_with
    return first is not None and any(other.address == first and other.buys for other in plan.entries)
