"""Carries out a confirmed plan, from the account check to the written lockfile.

The caller holds the lock. However the run ends, its events are in the journal, and the lockfile is written when the
disk allows it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex

import anyio
from msgspec import UNSET, Struct
from msgspec.structs import replace

from kbatch import storage
from kbatch.errors import KbatchError, Refused, StateUnreadable, Unwritable
from kbatch.gc_pause import gc_paused
from kbatch.planner.actions import Action
from kbatch.planner.approval.consent import ConfirmedPlan
from kbatch.planner.known_charges import known_charges
from kbatch.planner.live_prices import Checking, check_lists, models_of
from kbatch.receipts import store
from kbatch.receipts.account import payer_of
from kbatch.receipts.claims import Claim, accounts_of, agreed, fold_claims
from kbatch.receipts.event_data import Began, Ended
from kbatch.receipts.events import Fact
from kbatch.receipts.journal.journal import Journal, journal_path
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.receipt import Purchase
from kbatch.runner.accounts.sessions import Sessions, share_limits
from kbatch.runner.base_urls import check_origins
from kbatch.runner.collect.clip_files import archive_orphans
from kbatch.runner.collect.job_index import lockfile_of, referenced_by
from kbatch.runner.collect.read_ledger import read_ledgers
from kbatch.runner.collect.read_refunds import read_refunds
from kbatch.runner.context import Run
from kbatch.runner.limits.budgets.open_budgets import budgets_of
from kbatch.runner.limits.budgets.run_budgets import RunBudgets, held
from kbatch.runner.limits.credit_reservations import CreditReservations
from kbatch.runner.limits.unpriced import Unpriced
from kbatch.runner.open_sessions import open_sessions
from kbatch.runner.outcome import JobEnd, Outcome, count_ends
from kbatch.runner.pending import PendingRender, orphaned_renders_of
from kbatch.runner.preflight.account import check_accounts
from kbatch.runner.preflight.price_lists import ask_price_lists
from kbatch.runner.preflight.provenance import actor_of, commit_of_folder
from kbatch.runner.progress_events import EventKind, OnProgress, ProgressEvent, ignore, safely
from kbatch.runner.reconcile import Decisions, apply_decisions
from kbatch.runner.run_end import finished, outcome_of
from kbatch.runner.scheduler import work
from kbatch.runner.setup import RunSetup, accounts_needed, providers_needed
from kbatch.runner.shutdown import Shutdown, listen
from kbatch.runner.up_to_date import nothing_to_do, up_to_date
from kbatch.runner.webhooks.listener import bound, receiving
from kbatch.storage.state_key import make_key

__all__ = ["RunSetup", "execute"]

_CHECKPOINT_S = 60.0  # the journal keeps every event at once, so the lockfile need not be written often


async def execute(confirmed: ConfirmedPlan, setup: RunSetup, on_progress: OnProgress) -> Outcome:
    """Run the plan and return its outcome; Refused and ProviderStopped are raised before anything is sent."""
    on_progress, shutdown = safely(on_progress), Shutdown()
    reservations = _reservations(confirmed)

    def say(text: str) -> None:
        on_progress(ProgressEvent(moment=EventKind.NOTE, text=text))

    def committed() -> str:
        amounts = [(name, reservations.committed(name)) for name in confirmed.plan.providers]
        return ", ".join(f"{amount:,} {name} credits" for name, amount in amounts if amount) or "nothing"

    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(listen, shutdown, setup.interactive, say, committed)
            parts = _Parts(
                confirmed=confirmed, setup=setup, on_progress=on_progress, shutdown=shutdown, reservations=reservations
            )
            outcome = await _prepare_and_run(parts)
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        known = _first_known(group)
        if known is None:
            raise
        raise known from group
    return outcome


def _first_known(group: BaseExceptionGroup[BaseException]) -> KbatchError | None:
    """Return the first kbatch error in a group; an OSError becomes Unwritable."""
    for error in group.exceptions:
        found = _first_known(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, KbatchError):
            return found
        if isinstance(found, OSError):
            return Unwritable.of(found)
    return None


class _Parts(Struct, frozen=True, kw_only=True):
    """Parts of a run that exist before its sessions and its journal are open."""

    confirmed: ConfirmedPlan
    setup: RunSetup
    on_progress: OnProgress
    shutdown: Shutdown
    reservations: CreditReservations
    frame_sources: frozenset[str] = frozenset()
    current: frozenset[str] = frozenset()
    run_id: str = ""
    purchase: Purchase | None = None
    budgets: RunBudgets | None = None


async def _prepare_and_run(parts: _Parts) -> Outcome:
    """Open the sessions, check the accounts, and run unless a shutdown came first."""
    plan, setup = parts.confirmed.plan, parts.setup
    frame_sources = frozenset(address for entry in plan.purchases for address in entry.job.upstream)
    # To take a file needs no provider, so nothing else is collected with it.
    pending_renders = () if setup.decisions.files else orphaned_renders_of(plan, setup)
    names = providers_needed(plan, setup, frame_sources, pending_renders)
    endpoints, asked = setup.endpoints, (*plan.providers, *names)
    check_origins(setup.loaded.lockfile.renders, asked, endpoints.environment, simulated=endpoints.app is not None)
    current: frozenset[str] = frozenset()
    if not setup.options.fetch_missing:  # `pull` looks at everything
        current = await anyio.to_thread.run_sync(up_to_date, plan, setup)
    if setup.decisions == Decisions():
        with gc_paused():
            outcome = nothing_to_do(parts.confirmed, setup, current)
        if outcome is not None:
            return outcome
    accounts, target = accounts_needed(names, plan, setup, pending_renders), setup.options.webhooks
    async with bound(target) as listeners, open_sessions(accounts, setup.endpoints) as opened:
        sessions = Sessions(by_provider=opened, payers=plan.basis.payers)
        for session in sessions:
            session.on_wait = partial(_emit_wait, parts.on_progress, session.provider.name)
        with parts.shutdown.block():
            for name in opened:
                await check_accounts(sessions, name, plan, buy=setup.options.buy)
            share_limits(sessions)
            _check_payers(parts.confirmed, setup, sessions)
            await _check_prices(parts)
        if parts.shutdown.graceful:
            ends = dict.fromkeys((entry.address for entry in plan.entries), JobEnd.SKIPPED)
            return Outcome(ends=ends, interrupted=True, lockfile=str(setup.lockfile_path), counts=count_ends(ends))
        # A frame source is compared by digest before its frame is taken, so it is not skipped as up to date.
        parts = replace(parts, frame_sources=frame_sources, current=current - frame_sources)
        async with receiving(listeners, target, tuple(sessions)):
            return await _run_with_budgets(parts, sessions, pending_renders)


async def _check_prices(parts: _Parts) -> None:
    """Hold the prices of a real run's purchases against the public lists: Refused where they disagree."""
    setup, bought = parts.setup, parts.confirmed.plan.purchases
    if not setup.options.buy or setup.endpoints.app is not None or not bought:
        return
    lists = await ask_price_lists(models_of(bought), setup.endpoints.environment)
    how = Checking(trusted=parts.confirmed.terms.trust_prices, strict=setup.options.live)

    def say(text: str) -> None:
        parts.on_progress(ProgressEvent(moment=EventKind.NOTE, text=text))

    check_lists(bought, lists, how, say)


def _emit_wait(on_progress: OnProgress, provider: str, text: str) -> None:
    on_progress(ProgressEvent(moment=EventKind.WAITING, text=text, provider=provider))


async def _run_with_budgets(parts: _Parts, sessions: Sessions, pending_renders: Sequence[PendingRender]) -> Outcome:
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(4)}"
    purchase = await _purchase(parts, run_id)

    def say(text: str) -> None:
        parts.on_progress(ProgressEvent(moment=EventKind.NOTE, text=text))

    plan, setup = parts.confirmed.plan, parts.setup
    budgets = None if purchase is None else budgets_of(plan, setup, parts.reservations, purchase, say)
    async with held(budgets, parts.shutdown, say):
        parts = replace(parts, run_id=run_id, purchase=purchase, budgets=budgets)
        return await _run_with_journal(parts, sessions, pending_renders)


async def _run_with_journal(parts: _Parts, sessions: Sessions, pending_renders: Sequence[PendingRender]) -> Outcome:
    setup, run_id = parts.setup, parts.run_id
    path = journal_path(setup.lockfile_path)
    async with Journal.open(path, run_id=run_id, after=setup.loaded.newest) as journal:
        run = _make_run(parts, sessions, journal)
        _warn_about_state_key(run)
        await run.record(_began_fact(parts.confirmed, setup, sessions))
        with run.shutdown.block():
            await apply_decisions(run, setup.decisions)
            await _work(run, setup, [one for one in pending_renders if one.job_id not in setup.decisions.lost])
            if not run.shutdown.graceful:
                await read_ledgers(run)
                await read_refunds(run)
                await _archive_orphans(run, setup)
        with anyio.CancelScope(shield=True):
            outcome = outcome_of(run, str(setup.lockfile_path))
            outcome = await _record_ended(run, outcome)
    with anyio.CancelScope(shield=True):
        outcome = await _save(run, setup, outcome, run_id)
    return outcome


def _warn_about_state_key(run: Run) -> None:
    trouble = make_key().trouble
    if trouble:
        words = "a later run will not send again what this one leaves unknown, and begins replacements anew"
        run.emit(EventKind.NOTE, None, f"the key of this user's state cannot be kept ({trouble}): {words}")


async def _record_ended(run: Run, outcome: Outcome) -> Outcome:
    ended = Ended(exit_code=int(outcome.exit_code), finished=finished(run))
    try:
        await run.record(Fact(data=ended))
    except OSError as error:
        run.stop_submitting(f"the journal cannot be written: {error.strerror}")
        return replace(outcome, problems=tuple(run.problems))
    return outcome


async def _save(run: Run, setup: RunSetup, outcome: Outcome, run_id: str) -> Outcome:
    """Write the lockfile; the journal is rotated into the history unless the run was stopped."""
    path, lockfile = setup.lockfile_path, _lockfile(run, setup)
    try:
        if run.shutdown.graceful:
            await anyio.to_thread.run_sync(store.save, path, lockfile)
        else:
            await anyio.to_thread.run_sync(partial(store.finalize, path, lockfile, run_id=run_id))
    except (OSError, StateUnreadable) as error:
        journal = journal_path(path)
        message = (
            f"the lockfile cannot be written: {_why(error)}; all is in {journal}, the same command goes on from it"
        )
        return replace(outcome, problems=(*outcome.problems, message))
    for altered in run.altered:  # newer than the lockfile again, so that the next plan reads them too
        await anyio.to_thread.run_sync(storage.touch, run.folder / altered)
    return outcome


def _why(error: OSError | StateUnreadable) -> str:
    return error.message if isinstance(error, StateUnreadable) else str(error.strerror)


def _lockfile(run: Run, setup: RunSetup) -> Lockfile:
    made = lockfile_of(run.renders, setup.loaded.lockfile, setup.jobs, run.confirmed.plan.settings.profile)
    return replace(made, claims=fold_claims(run.run_events, made.claims))


def _reservations(confirmed: ConfirmedPlan) -> CreditReservations:
    held: dict[str, dict[str, int]] = {}
    for entry in confirmed.plan.entries:
        if entry.action is Action.UNKNOWN and entry.shared_with is None:
            held.setdefault(entry.job.provider, {})[entry.job.fingerprint] = entry.held or 0
    return CreditReservations(confirmed.terms.ceilings, confirmed.plan.spent, held)


def _make_run(parts: _Parts, sessions: Sessions, journal: Journal) -> Run:
    setup, plan = parts.setup, parts.confirmed.plan
    lockfile = setup.loaded.lockfile
    paths = {(job.fingerprint, job.draft.output) for job in setup.jobs}
    for index in lockfile.of_others(plan.settings.profile):
        paths |= {(entry.fingerprint, entry.path) for entry in index.values()}
    return Run(
        confirmed=parts.confirmed,
        folder=setup.folder,
        tree=setup.tree,
        journal=journal,
        renders=dict(lockfile.renders),
        sessions=sessions,
        reservations=parts.reservations,
        purchase=parts.purchase,
        budgets=parts.budgets,
        unpriced=Unpriced(parts.reservations, known_charges(lockfile.renders).charges),
        options=setup.options,
        on_progress=parts.on_progress,
        shutdown=parts.shutdown,
        on_event=safely(setup.on_event or ignore),
        referenced=frozenset(paths),
        frame_sources=parts.frame_sources,
        current=parts.current,
        uploaded=[event for event in setup.loaded.own if event.kind is Kind.UPLOADED],
        resends=_resends(parts.confirmed),
        mismatched=frozenset(entry.job.fingerprint for entry in plan.entries if entry.mistaken),
        resend_objections={entry.job.fingerprint: entry.objection for entry in plan.entries if entry.objection},
    )


async def _purchase(parts: _Parts, run_id: str) -> Purchase | None:
    """Return what receipts remember of this run, None when it buys nothing; each purchase adds its job."""
    setup, plan = parts.setup, parts.confirmed.plan
    if not plan.purchases or not setup.options.buy:
        return None
    return Purchase(
        address="",
        campaign=plan.settings.name,
        profile=plan.settings.profile,
        run=run_id,
        actor=await anyio.to_thread.run_sync(actor_of, setup.endpoints.environment, setup.folder),
        commit=await anyio.to_thread.run_sync(commit_of_folder, setup.folder),
        approval=parts.confirmed.terms.claim,
    )


def _check_payers(confirmed: ConfirmedPlan, setup: RunSetup, sessions: Sessions) -> None:
    """Raise Refused when another account has already paid for a part of the approval."""
    claim = setup.loaded.lockfile.claims.get(confirmed.terms.claim or "")
    if claim is None or not confirmed.plan.purchases:
        return
    for session in sessions.paying().values():
        known = accounts_of(claim, session.provider.name)
        if known and payer_of(session.account) not in (None, *known):
            message = f"the plan was begun with another account of {session.provider.title} than the key's"
            hint = "run it with that account's key, or plan anew for this one"
            raise Refused("plan-account", message, hint=hint)


def _claim(confirmed: ConfirmedPlan, setup: RunSetup, sessions: Sessions) -> Claim | None:
    """Return the claim of this run; accounts that are recorded as payers stay."""
    covers = confirmed.terms.covers
    if covers is None:
        return None
    known = setup.loaded.lockfile.claims.get(confirmed.terms.claim or "")
    payers = {label: payer_of(session.account) for label, session in sessions.paying().items()}
    accounts = {name: payer for name, payer in payers.items() if payer is not None}
    return replace(covers, accounts={**accounts, **(known.accounts if known else {})})


def _resends(confirmed: ConfirmedPlan) -> frozenset[str]:
    """Return the fingerprints of the unknown sends that the plan's consent allows to resend."""
    return frozenset(entry.job.fingerprint for entry in confirmed.plan.resends if confirmed.method is not None)


def _began_fact(confirmed: ConfirmedPlan, setup: RunSetup, sessions: Sessions) -> Fact:
    plan = confirmed.plan
    replacing = setup.replacing
    if replacing is None:
        replacing = frozenset(entry.job.fingerprint for entry in plan.entries if entry.replaces)
    claim = _claim(confirmed, setup, sessions)
    began = Began(
        manifest=plan.manifest,
        plan=confirmed.terms.claim,
        maximum={name: total.maximum for name, total in plan.totals.items()},
        replacing=sorted(replacing),
        claim=UNSET if claim is None else agreed(claim),
    )
    return Fact(data=began)


async def _work(run: Run, setup: RunSetup, pending_renders: Sequence[PendingRender]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_checkpoint, run, setup)
        await work(run, pending_renders)
        tasks.cancel_scope.cancel()


async def _checkpoint(run: Run, setup: RunSetup) -> None:
    """Write the lockfile at intervals, so that the progress of a long run can be reviewed."""
    while True:
        await anyio.sleep(_CHECKPOINT_S)
        lockfile = _lockfile(run, setup)
        try:
            await anyio.to_thread.run_sync(store.save, setup.lockfile_path, lockfile)
        except (OSError, StateUnreadable) as error:
            message = f"the lockfile cannot be written now: {_why(error)}; the journal has everything"
            run.emit(EventKind.NOTE, None, message)


async def _archive_orphans(run: Run, setup: RunSetup) -> None:
    lockfile = _lockfile(run, setup)
    try:
        await archive_orphans(run, referenced_by(lockfile))
    except OSError as error:
        run.stop_submitting(f"a clip could not be kept aside: {error.strerror}")
