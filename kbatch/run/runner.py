"""Works a confirmed plan: one task a job, places at each provider, the most urgent first; the only part that spends.

A job waits for the jobs whose frames it needs, then for a place, then at its variant's gate; it holds the place until
its render has ended. Of the others only a few wait at a time: a task for each of 100,000 jobs would fill the memory.
What goes wrong with one job ends that job; what goes wrong with the disk ends submitting.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import anyio
from anyio.abc import TaskGroup

from kbatch.plan.actions import Action, Entry
from kbatch.receipts.receipt import ReceiptState
from kbatch.run.context import Line, Run
from kbatch.run.errand import Errand, errand_of
from kbatch.run.gather import download, follow, reuse, share
from kbatch.run.happenings import Moment
from kbatch.run.outcome import End
from kbatch.run.places import keep_aside
from kbatch.run.purchase import render, settle_unknown
from kbatch.run.sidecars import keep_writing, write_sidecars
from kbatch.run.urgency import urgencies

_READY = (End.DONE, End.REUSED)
_TAKES_A_PLACE = (Action.RENDER, Action.POLL, Action.UNKNOWN)
_AT_ONCE = 64


async def work(run: Run, forgotten: Sequence[Errand] = ()) -> None:
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
                for errand in forgotten:
                    tasks.start_soon(_guarded, run, errand, partial(_recover, run, errand))
                for line, queue in _queues(run, working):
                    tasks.start_soon(_feed, run, tasks, line, queue)
            aside.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await write_sidecars(run)


Working = tuple[Entry, Callable[[], Awaitable[None]]]


def _queues(run: Run, working: Sequence[Working]) -> Iterator[tuple[Line | None, Sequence[Working]]]:
    """Yield what takes places at each provider, and all else."""
    placed: dict[str | None, list[Working]] = {}
    for one in working:
        entry = one[0]
        takes = entry.action in _TAKES_A_PLACE and entry.shares is None and entry.job.provider in run.lines
        placed.setdefault(entry.job.provider if takes else None, []).append(one)
    for name, queue in placed.items():
        yield (None if name is None else run.lines[name]), queue


async def _feed(run: Run, tasks: TaskGroup, line: Line | None, queue: Sequence[Working]) -> None:
    """Start jobs in their order, no more than can soon go on; those that wait for other jobs wait as tasks."""
    some = anyio.Semaphore(_AT_ONCE, fast_acquire=True)

    async def one_of_some(entry: Entry, working: Callable[[], Awaitable[None]]) -> None:
        try:
            await _guarded(run, errand_of(entry.job), working)
        finally:
            some.release()

    for entry, working in queue:
        if entry.shares is not None or any(need in run.settled for need in entry.job.upstream):
            tasks.start_soon(_guarded, run, errand_of(entry.job), working)
        elif line is not None:
            tasks.start_soon(_guarded, run, errand_of(entry.job), working)
            await line.slots.room()
        else:
            await some.acquire()
            tasks.start_soon(one_of_some, entry, working)


async def _guarded(run: Run, errand: Errand, working: Callable[[], Awaitable[None]]) -> None:
    """Let the disk's trouble with one job end that job, and all submitting."""
    try:
        await working()
    except OSError as error:
        reason = f"{error.filename or 'disk'}: {error.strerror or error}"
        run.trouble(reason)
        end = _stands(run, errand)
        run.end(errand.address, end, reason)
        run.say(Moment.SKIPPED if end is End.SKIPPED else Moment.OWED, errand.address, reason)


def _stands(run: Run, errand: Errand) -> End:
    """Return how a job stands that the disk has stopped."""
    receipt = run.receipt(errand) if errand.fingerprint in run.renders else None
    if receipt is None or receipt.state is ReceiptState.FAILED:
        return End.SKIPPED
    return End.UNKNOWN if receipt.state is ReceiptState.UNKNOWN else End.OWED


async def _work(run: Run, entry: Entry, urgency: float) -> None:
    line, errand = run.lines.get(entry.job.provider), errand_of(entry.job)
    if entry.action is Action.BLOCKED:
        run.end(entry.address, End.BLOCKED, entry.reason)
        run.say(Moment.BLOCKED, entry.address, entry.reason)
        return
    if entry.shares is not None:
        await share(run, errand, entry.shares)
        return
    match entry.action:
        case Action.REUSE:
            await reuse(run, line, errand)
        case Action.UNKNOWN:
            if await settle_unknown(run, line, errand) and line is not None:
                await follow(run, line, errand, urgency)
        case _ if line is None:
            run.end(entry.address, End.SKIPPED, "its provider takes no part in this run")
        case Action.RENDER:
            if await _upstream_ready(run, entry):
                await render(run, line, entry, urgency)
        case Action.POLL:
            await follow(run, line, errand, urgency)
        case Action.DOWNLOAD:
            await download(run, line, errand)


async def _upstream_ready(run: Run, entry: Entry) -> bool:
    """Wait for the jobs whose frames this one needs; False once it is blocked by one of them."""
    for need in entry.job.upstream:
        if need not in run.settled:
            continue
        await run.settled[need].wait()
        end = run.ends[need]
        if end not in _READY:
            reason = f"needs a frame of `{need}`, which is {end.value.replace('_', ' ')}"
            run.end(entry.address, End.SKIPPED if end is End.SKIPPED else End.BLOCKED, reason)
            run.say(Moment.BLOCKED, entry.address, reason)
            return False
    return True


async def _recover(run: Run, errand: Errand) -> None:
    """Collect a purchase that no job refers to any more; what comes of it is no end of this run but for its clip.

    It is told all the same, and `pull`, whose very task it is, counts what stays owed.
    """
    await _collect_forgotten(run, errand)
    end = run.ends[errand.address]
    if end is End.FAILED or (end is End.OWED and not run.options.fetch_missing):
        del run.ends[errand.address]
        run.reasons.pop(errand.address, None)


async def _collect_forgotten(run: Run, errand: Errand) -> None:
    line = run.lines.get(errand.provider)
    state = run.receipt(errand).state
    if state is ReceiptState.UNKNOWN:
        if not await settle_unknown(run, line, errand, wanted=False):
            return
        state = run.receipt(errand).state
    if line is None:
        run.end(errand.address, End.OWED, "paid, and its provider takes no part in this run; `kbatch pull` collects it")
        return
    if state is ReceiptState.SUBMITTED:
        await follow(run, line, errand, 0.0)
    else:
        await download(run, line, errand)
    output = run.receipt(errand).output
    if output is not None and output.placed:
        await keep_aside(run, output)


def stopped_lines(lines: Mapping[str, Line]) -> tuple[str, ...]:
    """Return what stopped each provider that was stopped."""
    return tuple(f"{line.provider.title}: {line.why}" for line in lines.values() if line.stopped)
