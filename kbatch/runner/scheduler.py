"""Works a confirmed plan: one task a job, places at each provider, the most urgent first; the only part that spends.

A job waits for the jobs whose frames it needs, then for a place, then at its variant's gate; it holds the place until
its render has ended. Of the others only a few wait at a time: a task for each of 100,000 jobs would fill the memory.
What goes wrong with one job ends that job; what goes wrong with the disk ends submitting.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import anyio
from anyio.abc import TaskGroup

from kbatch.planner.actions import Action, PlanEntry
from kbatch.receipts.receipt import ReceiptState
from kbatch.runner.collect.clip_files import keep_aside
from kbatch.runner.collect.finish import download, follow, reuse, share
from kbatch.runner.collect.sidecars import keep_writing, write_sidecars
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.priority import urgencies
from kbatch.runner.outcome import End
from kbatch.runner.pending import PendingRender, pending_render_of
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.render_job import render, resolve_earlier_send

_READY = (End.DONE, End.REUSED)
_TAKES_A_PLACE = (Action.RENDER, Action.POLL, Action.UNKNOWN)
_AT_ONCE = 64


async def work(run: Run, forgotten: Sequence[PendingRender] = ()) -> None:
    """Work every entry of the plan to an end, and collect what is paid and forgotten; early when it is cancelled."""
    urgency = urgencies(run.confirmed.plan)
    entries = [entry for entry in run.confirmed.plan.entries if entry.address not in run.stands]
    entries.sort(key=lambda entry: -urgency[entry.address])
    run.ends.update(dict.fromkeys(run.stands, End.REUSED))
    awaited = {need for entry in entries for need in (*entry.job.upstream, entry.shares)}
    run.settled.update({entry.address: anyio.Event() for entry in entries if entry.address in awaited})
    working = [(entry, partial(_work, run, entry, urgency[entry.address])) for entry in entries]
    try:
        async with anyio.create_task_group() as aside:
            aside.start_soon(keep_writing, run)
            async with anyio.create_task_group() as tasks:
                for pending in forgotten:
                    tasks.start_soon(_guarded, run, pending, partial(_recover, run, pending))
                for session, queue in _queues(run, working):
                    tasks.start_soon(_feed, run, tasks, session, queue)
            aside.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await write_sidecars(run)


Working = tuple[PlanEntry, Callable[[], Awaitable[None]]]


def _queues(run: Run, working: Sequence[Working]) -> Iterator[tuple[ProviderSession | None, Sequence[Working]]]:
    """Yield what takes places at each provider, and all else."""
    placed: dict[str | None, list[Working]] = {}
    for one in working:
        entry = one[0]
        takes = entry.action in _TAKES_A_PLACE and entry.shares is None and entry.job.provider in run.sessions
        placed.setdefault(entry.job.provider if takes else None, []).append(one)
    for name, queue in placed.items():
        yield (None if name is None else run.sessions[name]), queue


async def _feed(run: Run, tasks: TaskGroup, session: ProviderSession | None, queue: Sequence[Working]) -> None:
    """Start jobs in their order, no more than can soon go on; those that wait for other jobs wait as tasks."""
    some = anyio.Semaphore(_AT_ONCE, fast_acquire=True)

    async def one_of_some(entry: PlanEntry, working: Callable[[], Awaitable[None]]) -> None:
        try:
            await _guarded(run, pending_render_of(entry.job), working)
        finally:
            some.release()

    for entry, working in queue:
        if entry.shares is not None or any(need in run.settled for need in entry.job.upstream):
            tasks.start_soon(_guarded, run, pending_render_of(entry.job), working)
        elif session is not None:
            tasks.start_soon(_guarded, run, pending_render_of(entry.job), working)
            await session.slots.room()
        else:
            await some.acquire()
            tasks.start_soon(one_of_some, entry, working)


async def _guarded(run: Run, pending: PendingRender, working: Callable[[], Awaitable[None]]) -> None:
    """Let the disk's trouble with one job end that job, and all submitting."""
    try:
        await working()
    except OSError as error:
        reason = f"{error.filename or 'disk'}: {error.strerror or error}"
        run.trouble(reason)
        end = _stands(run, pending)
        run.end(pending.address, end, reason)
        run.say(EventKind.SKIPPED if end is End.SKIPPED else EventKind.OWED, pending.address, reason)


def _stands(run: Run, pending: PendingRender) -> End:
    """Return how a job stands that the disk has stopped."""
    receipt = run.receipt(pending) if pending.fingerprint in run.renders else None
    if receipt is None or receipt.state is ReceiptState.FAILED:
        return End.SKIPPED
    return End.UNKNOWN if receipt.state is ReceiptState.UNKNOWN else End.OWED


async def _work(run: Run, entry: PlanEntry, urgency: float) -> None:
    session, pending = run.sessions.get(entry.job.provider), pending_render_of(entry.job)
    if entry.action is Action.BLOCKED:
        run.end(entry.address, End.BLOCKED, entry.reason)
        run.say(EventKind.BLOCKED, entry.address, entry.reason)
        return
    if entry.shares is not None:
        await share(run, pending, entry.shares)
        return
    match entry.action:
        case Action.REUSE:
            await reuse(run, session, pending)
        case Action.UNKNOWN:
            if await resolve_earlier_send(run, session, pending) and session is not None:
                await follow(run, session, pending, urgency)
        case _ if session is None:
            run.end(entry.address, End.SKIPPED, "its provider takes no part in this run")
        case Action.RENDER:
            if await _upstream_ready(run, entry):
                await render(run, session, entry, urgency)
        case Action.POLL:
            await follow(run, session, pending, urgency)
        case Action.DOWNLOAD:
            await download(run, session, pending)


async def _upstream_ready(run: Run, entry: PlanEntry) -> bool:
    """Wait for the jobs whose frames this one needs; False once it is blocked by one of them."""
    for need in entry.job.upstream:
        if need not in run.settled:
            continue
        await run.settled[need].wait()
        end = run.ends[need]
        if end not in _READY:
            reason = f"needs a frame of `{need}`, which is {end.value.replace('_', ' ')}"
            run.end(entry.address, End.SKIPPED if end is End.SKIPPED else End.BLOCKED, reason)
            run.say(EventKind.BLOCKED, entry.address, reason)
            return False
    return True


async def _recover(run: Run, pending: PendingRender) -> None:
    """Collect a purchase that no job refers to any more; what comes of it is no end of this run but for its clip.

    It is told all the same, and `pull`, whose very task it is, counts what stays owed.
    """
    await _collect_forgotten(run, pending)
    end = run.ends[pending.address]
    if end is End.FAILED or (end is End.OWED and not run.options.fetch_missing):
        del run.ends[pending.address]
        run.reasons.pop(pending.address, None)


async def _collect_forgotten(run: Run, pending: PendingRender) -> None:
    session = run.sessions.get(pending.provider)
    state = run.receipt(pending).state
    if state is ReceiptState.UNKNOWN:
        if not await resolve_earlier_send(run, session, pending, wanted=False):
            return
        state = run.receipt(pending).state
    if session is None:
        run.end(
            pending.address, End.OWED, "paid, and its provider takes no part in this run; `kbatch pull` collects it"
        )
        return
    if state is ReceiptState.SUBMITTED:
        await follow(run, session, pending, 0.0)
    else:
        await download(run, session, pending)
    output = run.receipt(pending).output
    if output is not None and output.placed:
        await keep_aside(run, output)


def stopped_sessions(sessions: Mapping[str, ProviderSession]) -> tuple[str, ...]:
    """Return what stopped each provider that was stopped."""
    return tuple(f"{session.provider.title}: {session.why}" for session in sessions.values() if session.stopped)
