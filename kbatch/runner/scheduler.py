"""Runs the jobs of a confirmed plan: one task a job, slots at each provider, the highest priority first.

A job waits for the jobs whose frames it needs, then for a slot, then at the price guard of its variant; it holds the
slot until its render has ended. Only some jobs have a task at a time, since 100,000 tasks would fill the memory. An
error of one job ends that job; a disk error ends submitting.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial

import anyio
from anyio.abc import TaskGroup

from kbatch.planner.actions import Action, PlanEntry
from kbatch.receipts.receipt import ReceiptState
from kbatch.runner.collect.clip_files import archive_clip
from kbatch.runner.collect.finish import download, resume, reuse, share_clip
from kbatch.runner.collect.sidecars import keep_writing, write_sidecars
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.priority import priorities
from kbatch.runner.outcome import JobEnd
from kbatch.runner.pending import PendingRender, pending_render_of
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.render_job import render, resolve_earlier_send

_READY = (JobEnd.DONE, JobEnd.REUSED)
_NEEDS_SLOT = (Action.RENDER, Action.POLL, Action.UNKNOWN)
_MOST_TASKS_WITHOUT_SLOT = 64


async def work(run: Run, orphaned_renders: Sequence[PendingRender] = ()) -> None:
    """Run every entry of the plan to its end, and collect orphans; sidecars are written even after a cancellation."""
    priority = priorities(run.confirmed.plan)
    entries = [entry for entry in run.confirmed.plan.entries if entry.address not in run.current]
    entries.sort(key=lambda entry: -priority[entry.address])
    run.ends.update(dict.fromkeys(run.current, JobEnd.REUSED))
    awaited = {need for entry in entries for need in (*entry.job.upstream, entry.shared_with)}
    run.completed.update({entry.address: anyio.Event() for entry in entries if entry.address in awaited})
    task = [(entry, partial(_work, run, entry, priority[entry.address])) for entry in entries]
    try:
        async with anyio.create_task_group() as sidecar_tasks:
            sidecar_tasks.start_soon(keep_writing, run)
            async with anyio.create_task_group() as tasks:
                for pending in orphaned_renders:
                    tasks.start_soon(_with_disk_errors_handled, run, pending, partial(_run_orphan, run, pending))
                for session, queue in _queues_by_account(run, task):
                    tasks.start_soon(_start_in_order, run, tasks, session, queue)
            sidecar_tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await write_sidecars(run)


JobTask = tuple[PlanEntry, Callable[[], Awaitable[None]]]


def _queues_by_account(run: Run, task: Sequence[JobTask]) -> Iterator[tuple[ProviderSession | None, Sequence[JobTask]]]:
    """Yield the jobs that need slots, by account, and all other jobs with None."""
    placed: dict[int, tuple[ProviderSession | None, list[JobTask]]] = {}
    for one in task:
        entry = one[0]
        takes = entry.action in _NEEDS_SLOT and entry.shared_with is None
        session = _session_of(run, entry) if takes else None
        placed.setdefault(id(session), (session, []))[1].append(one)
    yield from placed.values()


def _session_of(run: Run, entry: PlanEntry) -> ProviderSession | None:
    """Return the session of the account that pays for an entry, or that bought it."""
    receipt = run.renders.get(entry.job.fingerprint)
    if entry.buys or receipt is None:
        return run.sessions.buyer(entry.job.provider, entry.job.fingerprint)
    return run.sessions.owner(receipt)


async def _start_in_order(
    run: Run, tasks: TaskGroup, session: ProviderSession | None, queue: Sequence[JobTask]
) -> None:
    """Start tasks in order, a bounded number at a time; jobs that wait for other jobs get a task at once."""
    some = anyio.Semaphore(_MOST_TASKS_WITHOUT_SLOT, fast_acquire=True)

    async def one_of_some(entry: PlanEntry, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await _with_disk_errors_handled(run, pending_render_of(entry.job), task)
        finally:
            some.release()

    for entry, task in queue:
        if entry.shared_with is not None or any(need in run.completed for need in entry.job.upstream):
            tasks.start_soon(_with_disk_errors_handled, run, pending_render_of(entry.job), task)
        elif session is not None:
            tasks.start_soon(_with_disk_errors_handled, run, pending_render_of(entry.job), task)
            await session.slots.wait_for_room()
        else:
            await some.acquire()
            tasks.start_soon(one_of_some, entry, task)


async def _with_disk_errors_handled(run: Run, pending: PendingRender, task: Callable[[], Awaitable[None]]) -> None:
    """Run a task; an OSError ends its job and all submitting."""
    try:
        await task()
    except OSError as error:
        reason = f"{error.filename or 'disk'}: {error.strerror or error}"
        run.stop_submitting(reason)
        end = _end_after_disk_error(run, pending)
        run.end_job(pending.address, end, reason)
        run.emit(EventKind.SKIPPED if end is JobEnd.SKIPPED else EventKind.OWED, pending.address, reason)


def _end_after_disk_error(run: Run, pending: PendingRender) -> JobEnd:
    """Return the end of a job that a disk error stopped, by its receipt."""
    receipt = run.receipt(pending) if pending.fingerprint in run.renders else None
    if receipt is None or receipt.state is ReceiptState.FAILED:
        return JobEnd.SKIPPED
    return JobEnd.UNKNOWN if receipt.state is ReceiptState.UNKNOWN else JobEnd.OWED


async def _work(run: Run, entry: PlanEntry, priority: float) -> None:
    session, pending = _session_of(run, entry), pending_render_of(entry.job)
    if entry.action is Action.BLOCKED:
        run.end_job(entry.address, JobEnd.BLOCKED, entry.reason)
        run.emit(EventKind.BLOCKED, entry.address, entry.reason)
        return
    if entry.shared_with is not None:
        await share_clip(run, pending, entry.shared_with)
        return
    match entry.action:
        case Action.REUSE:
            await reuse(run, session, pending)
        case Action.UNKNOWN:
            if await resolve_earlier_send(run, session, pending) and session is not None:
                await resume(run, session, pending, priority)
        case _ if session is None:
            run.end_job(entry.address, JobEnd.SKIPPED, "its provider takes no part in this run")
        case Action.RENDER:
            if await _upstream_ready(run, entry):
                await render(run, session, entry, priority)
        case Action.POLL:
            await resume(run, session, pending, priority)
        case Action.DOWNLOAD:
            await download(run, session, pending)


async def _upstream_ready(run: Run, entry: PlanEntry) -> bool:
    """Wait for the jobs whose frames this one needs; False when one of them blocks it."""
    for need in entry.job.upstream:
        if need not in run.completed:
            continue
        await run.completed[need].wait()
        end = run.ends[need]
        if end not in _READY:
            reason = f"needs a frame of `{need}`, which is {end.value.replace('_', ' ')}"
            run.end_job(entry.address, JobEnd.SKIPPED if end is JobEnd.SKIPPED else JobEnd.BLOCKED, reason)
            run.emit(EventKind.BLOCKED, entry.address, reason)
            return False
    return True


async def _run_orphan(run: Run, pending: PendingRender) -> None:
    """Collect an orphan; a failed or owed one does not count in the run's outcome.

    `pull` does count owed orphans. Progress events are emitted in either case.
    """
    await _collect_orphan(run, pending)
    end = run.ends[pending.address]
    if end is JobEnd.FAILED or (end is JobEnd.OWED and not run.options.fetch_missing):
        del run.ends[pending.address]
        run.reasons.pop(pending.address, None)


async def _collect_orphan(run: Run, pending: PendingRender) -> None:
    session = run.sessions.owner(run.receipt(pending))
    state = run.receipt(pending).state
    if state is ReceiptState.UNKNOWN:
        if not await resolve_earlier_send(run, session, pending, may_resend=False):
            return
        state = run.receipt(pending).state
    if session is None:
        run.end_job(
            pending.address, JobEnd.OWED, "paid, and its provider takes no part in this run; `kbatch pull` collects it"
        )
        return
    if state is ReceiptState.SUBMITTED:
        await resume(run, session, pending, 0.0)
    else:
        await download(run, session, pending)
    output = run.receipt(pending).output
    if output is not None and output.placed:
        await archive_clip(run, output)


def stopped_sessions(sessions: Iterable[ProviderSession]) -> tuple[str, ...]:
    """Return the stop reason of each stopped account, in words."""
    return tuple(f"{session.title}: {session.stop_reason}" for session in sessions if session.stopped)
