"""Carries out a confirmed plan from the first check of the account to the written lockfile.

The caller holds the lock. Whatever ends the run, what is known is saved: the journal always, the lockfile whenever the
disk allows it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import Any

import anyio
from msgspec import Struct
from msgspec.structs import replace

from kbatch import files
from kbatch.garbage import at_rest
from kbatch.plan.actions import Action
from kbatch.plan.consent import ConfirmedPlan
from kbatch.plan.known import known_charges
from kbatch.problems import KbatchError, Refused, Unwritable
from kbatch.receipts import state
from kbatch.receipts.account import payer_of
from kbatch.receipts.claims import Claim, as_told, fold_claims
from kbatch.receipts.events import Fact
from kbatch.receipts.journal import Journal, journal_path
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile import Lockfile
from kbatch.run.context import Line, Run
from kbatch.run.decisions import Decisions, apply_decisions
from kbatch.run.ending import finished, outcome_of
from kbatch.run.errand import Errand, errands_of
from kbatch.run.happenings import Happening, Moment, Tell, nobody, safely
from kbatch.run.idle import idle
from kbatch.run.index import lockfile_of, wanted_of
from kbatch.run.lines import open_lines
from kbatch.run.origins import check_origins
from kbatch.run.outcome import End, Outcome, count_ends
from kbatch.run.places import keep_orphans
from kbatch.run.preflight import check_account
from kbatch.run.reserve import Reserve
from kbatch.run.runner import work
from kbatch.run.scene import Scene, providers_needed
from kbatch.run.standing import standing
from kbatch.run.stops import Stopping, listen
from kbatch.run.unpriced import Unpriced
from kbatch.state_key import make_key

__all__ = ["Scene", "execute"]

_CHECKPOINT_S = 60.0


async def execute(confirmed: ConfirmedPlan, scene: Scene, tell: Tell) -> Outcome:
    """Run the plan and return what it came to; Refused and ProviderStopped come before anything is sent."""
    tell, stopping = safely(tell), Stopping()
    reserve = _reserve(confirmed)

    def say(text: str) -> None:
        tell(Happening(moment=Moment.NOTE, text=text))

    def committed() -> str:
        amounts = [(name, reserve.committed(name)) for name in confirmed.plan.providers]
        return ", ".join(f"{amount:,} {name} credits" for name, amount in amounts if amount) or "nothing"

    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(listen, stopping, scene.interactive, say, committed)
            parts = _Parts(confirmed=confirmed, scene=scene, tell=tell, stopping=stopping, reserve=reserve)
            outcome = await _prepared(parts)
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        known = _first_known(group)
        if known is None:
            raise
        raise known from group
    return outcome


def _first_known(group: BaseExceptionGroup[BaseException]) -> KbatchError | None:
    """Return the error that matters in a group; a disk that refused the very first line is one too."""
    for error in group.exceptions:
        found = _first_known(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, KbatchError):
            return found
        if isinstance(found, OSError):
            return Unwritable.of(found)
    return None


class _Parts(Struct, frozen=True, kw_only=True):
    """What a run is made of before its lines and its journal are open."""

    confirmed: ConfirmedPlan
    scene: Scene
    tell: Tell
    stopping: Stopping
    reserve: Reserve
    needed: frozenset[str] = frozenset()
    stands: frozenset[str] = frozenset()


async def _prepared(parts: _Parts) -> Outcome:
    """Open the lines, check the accounts, and go on unless someone stops it before anything was sent."""
    plan, scene = parts.confirmed.plan, parts.scene
    needed = frozenset(address for entry in plan.purchases for address in entry.job.upstream)
    errands = errands_of(plan, scene)
    names = providers_needed(plan, scene, needed, errands)
    wiring, asked = scene.wiring, (*plan.providers, *names)
    check_origins(scene.loaded.lockfile.renders, asked, wiring.environment, simulated=wiring.app is not None)
    stands: frozenset[str] = frozenset()
    if not scene.options.fetch_missing:  # `pull` looks at everything
        stands = await anyio.to_thread.run_sync(standing, plan, scene)
    if scene.decisions == Decisions():
        with at_rest():
            outcome = idle(parts.confirmed, scene, stands)
        if outcome is not None:
            return outcome
    async with open_lines(names, scene.wiring) as lines:
        for line in lines.values():
            line.say = partial(_tell_wait, parts.tell, line.provider.name)
        with parts.stopping.block():
            for line in lines.values() if scene.options.buy else ():
                await check_account(line, plan)
            _check_payers(parts.confirmed, scene, lines)
        if parts.stopping.soft:
            ends = dict.fromkeys((entry.address for entry in plan.entries), End.SKIPPED)
            return Outcome(ends=ends, interrupted=True, lockfile=str(scene.lockfile_path), counts=count_ends(ends))
        parts = replace(parts, needed=needed, stands=stands - needed)  # a frame is taken of what was looked at
        return await _journaled(parts, lines, errands)


def _tell_wait(tell: Tell, provider: str, text: str) -> None:
    tell(Happening(moment=Moment.WAITING, text=text, provider=provider))


async def _journaled(parts: _Parts, lines: Mapping[str, Line], errands: Sequence[Errand]) -> Outcome:
    scene = parts.scene
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(4)}"
    path = journal_path(scene.lockfile_path)
    async with Journal.open(path, run_id=run_id, after=scene.loaded.newest) as journal:
        run = _make_run(parts, lines, journal)
        _say_trouble_of_key(run)
        await run.record(_began(parts.confirmed, scene, lines))
        with run.stopping.block():
            await apply_decisions(run, scene.decisions)
            await _work(run, scene, [one for one in errands if one.job_id not in scene.decisions.lost])
            if not run.stopping.soft:
                await _keep_orphans(run, scene)
        with anyio.CancelScope(shield=True):
            outcome = outcome_of(run, str(scene.lockfile_path))
            outcome = await _record_end(run, outcome)
    with anyio.CancelScope(shield=True):
        outcome = await _save(run, scene, outcome, run_id)
    return outcome


def _say_trouble_of_key(run: Run) -> None:
    trouble = make_key().trouble
    if trouble:
        words = "a later run will not send again what this one leaves unknown, and begins replacements anew"
        run.say(Moment.NOTE, None, f"the key of this user's state cannot be kept ({trouble}): {words}")


async def _record_end(run: Run, outcome: Outcome) -> Outcome:
    data = {"exit_code": int(outcome.exit_code), "finished": finished(run)}
    try:
        await run.record(Fact(kind=Kind.ENDED, data=data))
    except OSError as error:
        run.trouble(f"the journal cannot be written: {error.strerror}")
        return replace(outcome, problems=tuple(run.problems))
    return outcome


async def _save(run: Run, scene: Scene, outcome: Outcome, run_id: str) -> Outcome:
    """Write the lockfile; the journal is put away unless it is needed to go on."""
    path, lockfile = scene.lockfile_path, _lockfile(run, scene)
    try:
        if run.stopping.soft:
            await anyio.to_thread.run_sync(state.save, path, lockfile)
        else:
            await anyio.to_thread.run_sync(partial(state.settle, path, lockfile, run_id=run_id))
    except OSError as error:
        journal = journal_path(path)
        said = (
            f"the lockfile cannot be written: {error.strerror}; all is in {journal}, the same command goes on from it"
        )
        return replace(outcome, problems=(*outcome.problems, said))
    for altered in run.altered:  # newer than the lockfile again, so that the next plan reads them too
        await anyio.to_thread.run_sync(files.touch, run.folder / altered)
    return outcome


def _lockfile(run: Run, scene: Scene) -> Lockfile:
    made = lockfile_of(run.renders, scene.loaded.lockfile, scene.jobs, run.confirmed.plan.settings.profile)
    return replace(made, claims=fold_claims(run.of_run, made.claims))


def _reserve(confirmed: ConfirmedPlan) -> Reserve:
    held: dict[str, dict[str, int]] = {}
    for entry in confirmed.plan.entries:
        if entry.action is Action.UNKNOWN and entry.shares is None:
            held.setdefault(entry.job.provider, {})[entry.job.fingerprint] = entry.held or 0
    return Reserve(confirmed.terms.ceilings, confirmed.plan.spent, held)


def _make_run(parts: _Parts, lines: Mapping[str, Line], journal: Journal) -> Run:
    scene, plan = parts.scene, parts.confirmed.plan
    lockfile = scene.loaded.lockfile
    places = {(job.fingerprint, job.draft.output) for job in scene.jobs}
    for index in lockfile.of_others(plan.settings.profile):
        places |= {(entry.fingerprint, entry.path) for entry in index.values()}
    return Run(
        confirmed=parts.confirmed,
        folder=scene.folder,
        tree=scene.tree,
        journal=journal,
        renders=dict(lockfile.renders),
        lines=lines,
        reserve=parts.reserve,
        unpriced=Unpriced(parts.reserve, known_charges(lockfile.renders).charges),
        options=scene.options,
        tell=parts.tell,
        stopping=parts.stopping,
        follow=safely(scene.follow or nobody),
        wanted=frozenset(places),
        needed=parts.needed,
        stands=parts.stands,
        uploaded=[event for event in scene.loaded.own if event.kind is Kind.UPLOADED],
        resends=_resends(parts.confirmed),
        mistaken=frozenset(entry.job.fingerprint for entry in plan.entries if entry.mistaken),
        objections={entry.job.fingerprint: entry.objection for entry in plan.entries if entry.objection},
    )


def _check_payers(confirmed: ConfirmedPlan, scene: Scene, lines: Mapping[str, Line]) -> None:
    """Refuse an approval that another account has begun to pay for: its credits are not this one's to spend."""
    claim = scene.loaded.lockfile.claims.get(confirmed.terms.claim or "")
    for name, account in claim.accounts.items() if claim and confirmed.plan.purchases else ():
        line = lines.get(name)
        if line is not None and payer_of(line.account) not in (None, account):
            message = f"the plan was begun with another account of {line.provider.title} than the key's"
            hint = "run it with that account's key, or plan anew for this one"
            raise Refused("plan-account", message, hint=hint)


def _claim(confirmed: ConfirmedPlan, scene: Scene, lines: Mapping[str, Line]) -> Claim | None:
    """Return what the run claims; who began to pay for it stays whoever that was."""
    covers = confirmed.terms.covers
    if covers is None:
        return None
    known = scene.loaded.lockfile.claims.get(confirmed.terms.claim or "")
    payers = {name: payer_of(line.account) for name, line in lines.items()}
    accounts = {name: payer for name, payer in payers.items() if payer is not None}
    return replace(covers, accounts={**accounts, **(known.accounts if known else {})})


def _resends(confirmed: ConfirmedPlan) -> frozenset[str]:
    """Return the unknown sends that the plan's consent lets be sent again."""
    return frozenset(entry.job.fingerprint for entry in confirmed.plan.resends if confirmed.given is not None)


def _began(confirmed: ConfirmedPlan, scene: Scene, lines: Mapping[str, Line]) -> Fact:
    plan = confirmed.plan
    replacing = scene.replacing
    if replacing is None:
        replacing = frozenset(entry.job.fingerprint for entry in plan.entries if entry.replaces)
    data: dict[str, Any] = {
        "manifest": plan.manifest,
        "plan": confirmed.terms.claim,
        "maximum": {name: total.maximum for name, total in plan.totals.items()},
        "replacing": sorted(replacing),
    }
    claim = _claim(confirmed, scene, lines)
    if claim is not None:
        data["claim"] = as_told(claim)
    return Fact(kind=Kind.BEGAN, data=data)


async def _work(run: Run, scene: Scene, errands: Sequence[Errand]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_checkpoint, run, scene)
        await work(run, errands)
        tasks.cancel_scope.cancel()


async def _checkpoint(run: Run, scene: Scene) -> None:
    """Write the lockfile now and then, so that a review of a long run sees it."""
    while True:
        await anyio.sleep(_CHECKPOINT_S)
        lockfile = _lockfile(run, scene)
        try:
            await anyio.to_thread.run_sync(state.save, scene.lockfile_path, lockfile)
        except OSError as error:
            run.say(
                Moment.NOTE, None, f"the lockfile cannot be written now: {error.strerror}; the journal has everything"
            )


async def _keep_orphans(run: Run, scene: Scene) -> None:
    lockfile = _lockfile(run, scene)
    try:
        await keep_orphans(run, wanted_of(lockfile))
    except OSError as error:
        run.trouble(f"a clip could not be kept aside: {error.strerror}")
