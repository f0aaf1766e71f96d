"""Carries out a confirmed plan from the first check of the account to the written lockfile.

The caller holds the lock. Whatever ends the run, what is known is saved: the journal always, the lockfile whenever the
disk allows it.
"""

import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import anyio

from kbatch.files import Folder
from kbatch.plan.actions import Action
from kbatch.plan.consent import ConfirmedPlan
from kbatch.plan.jobs import Job
from kbatch.plan.plan import Plan
from kbatch.problems import KbatchError
from kbatch.receipts import state
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.journal import Journal, journal_path
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile import Entry, Lockfile
from kbatch.receipts.receipt import Receipt
from kbatch.run.context import Line, Options, Run
from kbatch.run.decisions import Decisions, apply_decisions
from kbatch.run.happenings import Happening, Moment, Tell
from kbatch.run.lines import Wiring, check_origins, open_lines
from kbatch.run.outcome import Outcome, count_ends, settle
from kbatch.run.places import keep_orphans
from kbatch.run.preflight import check_account
from kbatch.run.reserve import Reserve
from kbatch.run.runner import stopped_lines, work

_GRACE_S = 2.0
_CHECKPOINT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a run takes place: the manifest's folder and tree, all its jobs, its lockfile and what that holds."""

    folder: Path
    tree: Folder
    jobs: Sequence[Job]
    lockfile_path: Path
    loaded: state.Loaded
    wiring: Wiring
    options: Options
    decisions: Decisions = Decisions()
    interactive: bool = False
    follow: Callable[[Event], None] = lambda _event: None


async def execute(confirmed: ConfirmedPlan, scene: Scene, tell: Tell) -> Outcome:
    """Run the plan and return what it came to; Refused and ProviderStopped come before anything is sent."""
    plan = confirmed.plan
    names = providers_needed(plan, fetch=scene.options.fetch_missing)
    check_origins(scene.loaded.lockfile.renders, names, scene.wiring)
    async with open_lines(names, scene.wiring) as lines:
        if scene.options.buy:
            for line in lines.values():
                await check_account(line, plan)
        return await _journaled(confirmed, scene, tell, lines)


def providers_needed(plan: Plan, *, fetch: bool) -> list[str]:
    """Return the providers that have to be asked something."""
    quiet = (Action.BLOCKED,) if fetch else (Action.BLOCKED, Action.REUSE)
    return list(dict.fromkeys(entry.job.provider for entry in plan.entries if entry.action not in quiet))


async def _journaled(confirmed: ConfirmedPlan, scene: Scene, tell: Tell, lines: Mapping[str, Line]) -> Outcome:
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(4)}"
    path = journal_path(scene.lockfile_path)
    async with Journal.open(path, run_id=run_id, after=scene.loaded.newest) as journal:
        run = _make_run(confirmed, scene, tell, lines, journal)
        await run.record(_began(confirmed, scene))
        await apply_decisions(run, scene.decisions)
        await _work(run, scene)
        if not run.stopping.soft:
            await _keep_orphans(run, scene)
        outcome = _outcome(run, scene)
        with anyio.CancelScope(shield=True):
            finished = not run.stopping.soft
            if not run.problems:
                await run.record(
                    Fact(kind=Kind.ENDED, data={"exit_code": int(outcome.exit_code), "finished": finished})
                )
    lockfile = _lockfile(run, scene)
    try:
        if finished:
            await anyio.to_thread.run_sync(lambda: state.settle(scene.lockfile_path, lockfile, run_id=run_id))
        else:
            await anyio.to_thread.run_sync(state.save, scene.lockfile_path, lockfile)
    except OSError as error:
        said = f"the lockfile cannot be written: {error.strerror}; all is in {path}, and the same command goes on from it"
        return replace(outcome, problems=(*outcome.problems, said))
    return outcome


def _make_run(
    confirmed: ConfirmedPlan, scene: Scene, tell: Tell, lines: Mapping[str, Line], journal: Journal
) -> Run:
    plan = confirmed.plan
    held = {name: total.held for name, total in plan.totals.items()}
    return Run(
        confirmed=confirmed,
        folder=scene.folder,
        tree=scene.tree,
        journal=journal,
        renders=dict(scene.loaded.lockfile.renders),
        lines=lines,
        reserve=Reserve(confirmed.terms.ceilings, plan.spent, held),
        options=scene.options,
        tell=tell,
        follow=scene.follow,
        elsewhere=_elsewhere(scene.loaded.lockfile, plan.settings.profile),
    )


def _elsewhere(lockfile: Lockfile, profile: str | None) -> frozenset[tuple[str, str]]:
    """Return (fingerprint, path) of what the jobs of other profiles refer to."""
    indexes = {None: lockfile.jobs, **lockfile.profiles}
    return frozenset(
        (entry.fingerprint, entry.path) for name, index in indexes.items() if name != profile for entry in index.values()
    )


def _began(confirmed: ConfirmedPlan, scene: Scene) -> Fact:
    plan = confirmed.plan
    data = {
        "manifest": plan.manifest,
        "plan": confirmed.terms.claim,
        "maximum": {name: total.maximum for name, total in plan.totals.items()},
        "replacing": sorted({entry.job.fingerprint for entry in plan.entries if entry.replaces}),
    }
    return Fact(kind=Kind.BEGAN, data=data)


# working, and being stopped


async def _work(run: Run, scene: Scene) -> None:
    try:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as working:
                tasks.start_soon(_listen, run, working, scene.interactive)
                tasks.start_soon(_checkpoint, run, scene)
                await work(run)
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        known = _first_known(group)
        if known is None:
            raise
        raise known from group


def _first_known(group: BaseExceptionGroup[BaseException]) -> KbatchError | None:
    for error in group.exceptions:
        found = _first_known(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, KbatchError):
            return found
    return None


async def _listen(run: Run, working: anyio.CancelScope, interactive: bool) -> None:
    """Stop softly at the first Ctrl-C on a terminal, at once at the second and at any other signal."""
    async with _signals() as received:
        async for number in received:
            if number == signal.SIGINT and interactive and not run.stopping.soft:
                run.stopping.soft = True
                committed = ", ".join(f"{run.reserve.committed(name):,} {name} credits" for name in run.lines) or "nothing"
                text = f"stopping: nothing more is submitted, what runs is collected ({committed} committed); Ctrl-C again stops at once"
                run.say(Moment.NOTE, None, text)
                continue
            run.stopping.now(_GRACE_S)
            run.say(Moment.NOTE, None, "stopping at once; every job id is saved, the same command resumes")
            working.cancel()
            return


@asynccontextmanager
async def _signals() -> AsyncIterator[AsyncIterator[int]]:
    wanted = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    try:
        with anyio.open_signal_receiver(*wanted) as received:
            yield received
    except (NotImplementedError, RuntimeError, ValueError):
        # No signals reach an event loop on Windows, nor in a thread that is not the main one.
        yield _never()


async def _never() -> AsyncIterator[int]:
    await anyio.sleep_forever()
    yield 0


async def _checkpoint(run: Run, scene: Scene) -> None:
    """Write the lockfile now and then, so that a review of a long run sees it."""
    while True:
        await anyio.sleep(_CHECKPOINT_S)
        lockfile = _lockfile(run, scene)
        try:
            await anyio.to_thread.run_sync(state.save, scene.lockfile_path, lockfile)
        except OSError as error:
            run.say(Moment.NOTE, None, f"the lockfile cannot be written now: {error.strerror}; the journal has everything")


# what is written at the end


def _lockfile(run: Run, scene: Scene) -> Lockfile:
    """Return the lockfile: all receipts, and for each job of this manifest what it refers to."""
    before = scene.loaded.lockfile
    profile = run.confirmed.plan.settings.profile
    old = before.profiles.get(profile, {}) if profile else before.jobs
    index = {}
    for job in scene.jobs:
        if job.fingerprint in run.renders:
            index[job.address] = Entry(fingerprint=job.fingerprint, path=job.draft.output)
        elif job.address in old:
            index[job.address] = old[job.address]
    if profile:
        return replace(before, renders=dict(run.renders), profiles={**before.profiles, profile: index})
    return replace(before, renders=dict(run.renders), jobs=index)


async def _keep_orphans(run: Run, scene: Scene) -> None:
    lockfile = _lockfile(run, scene)
    indexes = (lockfile.jobs, *lockfile.profiles.values())
    wanted = {entry.fingerprint for index in indexes for entry in index.values()}
    try:
        await keep_orphans(run, frozenset(wanted))
    except OSError as error:
        run.tell(Happening(moment=Moment.NOTE, text=f"a clip could not be kept aside: {error.strerror}"))


def _outcome(run: Run, scene: Scene) -> Outcome:
    for entry in run.confirmed.plan.entries:
        if entry.address not in run.ends:
            run.ends[entry.address] = run.end_of_interrupted(entry)
    settled = [receipt for receipt in (_touched(run, *one) for one in run.touched) if receipt is not None]
    return Outcome(
        ends=dict(run.ends),
        reasons=dict(run.reasons),
        credits=settle(settled),
        stopped=stopped_lines(run.lines),
        surprises=tuple(run.surprises),
        problems=tuple(run.problems),
        interrupted=run.stopping.soft and not run.problems,
        lockfile=str(scene.lockfile_path),
        counts=count_ends(run.ends),
    )


def _touched(run: Run, fingerprint: str, attempt: int) -> Receipt | None:
    receipt = run.renders.get(fingerprint)
    if receipt is None:
        return None
    for one in (receipt, *receipt.also, *receipt.failed):
        if one.attempt == attempt and one.job_id is not None:
            return one
    return None
