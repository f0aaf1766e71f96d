"""The setup of a run, and the providers that it needs."""

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import field

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.payers import DEFAULT, ONLY_DEFAULT, Weights
from kbatch.planner.plan import Plan
from kbatch.providers.account_keys import accounts_in, is_account_name
from kbatch.providers.registry import provider_of
from kbatch.receipts.account import account_of
from kbatch.receipts.events import Event
from kbatch.receipts.join import records_of
from kbatch.receipts.refunds.refund_claim import is_open
from kbatch.runner.context import RunOptions
from kbatch.runner.limits.budgets.budget_state import Budgets
from kbatch.runner.open_sessions import Endpoints
from kbatch.runner.pending import PendingRender
from kbatch.runner.reconcile import Decisions, owner_of
from kbatch.runner.run_inputs import RunInputs
from kbatch.storage import size_of


class RunSetup(RunInputs, frozen=True, kw_only=True):
    """Inputs, endpoints, options and a person's decisions.

    `replacing` are the fingerprints that the command buys again, including those that an interrupted run of it has
    bought already; None means those of the plan. `accounts` are the only ones that may be asked about earlier
    purchases, by provider (None: any); empty for all whose keys are here. `on_event` is called with every event once it
    is durable. `budgets` bound it together with runs of other manifests.
    """

    endpoints: Endpoints
    options: RunOptions
    decisions: Decisions = field(default_factory=Decisions)
    interactive: bool = False
    accounts: Mapping[str | None, Weights] = {}
    replacing: frozenset[str] | None = None
    on_event: Callable[[Event], None] | None = None
    budgets: Budgets | None = None


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
        records = (record for receipt in renders.values() for record in records_of(receipt))
        names += [record.provider for record in records if is_open(record.refund_claim)]
    return list(dict.fromkeys(names))


def accounts_needed(
    names: Iterable[str], plan: Plan, setup: RunSetup, pending_renders: Iterable[PendingRender]
) -> dict[str, tuple[str, ...]]:
    """Return by provider the accounts that need a session: who pays, and who may know earlier purchases."""
    collected = {pending.provider for pending in pending_renders}
    collected |= {entry.job.provider for entry in plan.entries if not entry.buys}
    buying = {entry.job.provider for entry in plan.purchases} if setup.options.buy else set()
    found = {}
    for name in names:
        paying = tuple(plan.basis.payers.get(name, ONLY_DEFAULT)) if name in buying else ()
        asked = _asked(name, setup) if name in collected or name not in buying else ()
        found[name] = tuple(dict.fromkeys((*paying, *asked)))
    return found


def _asked(name: str, setup: RunSetup) -> tuple[str, ...]:
    """Return the accounts that may be asked about earlier purchases of a provider, at least one."""
    chosen = setup.accounts.get(name) or setup.accounts.get(None)
    if chosen:
        return tuple(chosen)
    records = (record for receipt in setup.loaded.lockfile.renders.values() for record in records_of(receipt))
    stored = (account_of(record.account).name or DEFAULT for record in records if record.provider == name)
    bought = filter(is_account_name, set(stored))  # a lockfile may be a stranger's, and a name becomes a variable
    if setup.endpoints.app is not None:
        return tuple(sorted(bought)) or (DEFAULT,)
    here = accounts_in(provider_of(name), setup.endpoints.environment)
    return here or tuple(sorted(bought)) or (DEFAULT,)


def _asks(entry: PlanEntry, setup: RunSetup, frame_sources: Collection[str]) -> bool:
    if entry.action is Action.REUSE and not setup.options.fetch_missing:
        receipt = setup.loaded.lockfile.renders.get(entry.job.fingerprint)
        clip = receipt.output if receipt else None
        return entry.address in frame_sources and clip is not None and size_of(setup.folder / clip.path) != clip.bytes
    # A send that a person declared as refused needs no network call.
    return entry.action is not Action.BLOCKED and entry.job.fingerprint not in setup.decisions.refused
