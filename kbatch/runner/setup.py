"""The setup of a run, and the providers that it needs."""

from collections.abc import Callable, Collection, Iterable

from msgspec import field

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.plan import Plan
from kbatch.receipts.events import Event
from kbatch.runner.context import RunOptions
from kbatch.runner.open_sessions import Endpoints
from kbatch.runner.pending import PendingRender
from kbatch.runner.reconcile import Decisions, owner_of
from kbatch.runner.run_inputs import RunInputs
from kbatch.storage import size_of


class RunSetup(RunInputs, frozen=True, kw_only=True):
    """Inputs, endpoints, options and a person's decisions.

    `replacing` are the fingerprints that the command buys again, including those that an interrupted run of it has
    bought already; None means those of the plan. `on_event` is called with every event once it is durable.
    """

    endpoints: Endpoints
    options: RunOptions
    decisions: Decisions = field(default_factory=Decisions)
    interactive: bool = False
    replacing: frozenset[str] | None = None
    on_event: Callable[[Event], None] | None = None


def providers_needed(
    plan: Plan, setup: RunSetup, frame_sources: Collection[str] = (), pending_renders: Iterable[PendingRender] = ()
) -> list[str]:
    """Return the providers that need a session; `frame_sources` are the addresses whose clips purchases use."""
    names = [entry.job.provider for entry in plan.entries if _asks(entry, setup, frame_sources)]
    renders = setup.loaded.lockfile.renders
    adopted = [renders.get(fingerprint) for fingerprint in setup.decisions.adopt]
    names += [receipt.provider for receipt in adopted if receipt is not None]
    names += [owner[1].provider for job_id in setup.decisions.lost if (owner := owner_of(renders, job_id))]
    if not setup.options.buy:
        names += [pending.provider for pending in pending_renders if pending.fingerprint not in setup.decisions.refused]
    return list(dict.fromkeys(names))


def _asks(entry: PlanEntry, setup: RunSetup, frame_sources: Collection[str]) -> bool:
    if entry.action is Action.REUSE and not setup.options.fetch_missing:
        receipt = setup.loaded.lockfile.renders.get(entry.job.fingerprint)
        clip = receipt.output if receipt else None
        return entry.address in frame_sources and clip is not None and size_of(setup.folder / clip.path) != clip.bytes
    # A send that a person declared as refused needs no network call.
    return entry.action is not Action.BLOCKED and entry.job.fingerprint not in setup.decisions.refused
