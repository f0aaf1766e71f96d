"""Works a confirmed plan: one task a job, places at each provider, the most urgent first; the only part that spends.

A job waits for the jobs whose frames it needs, then for a place, then at its variant's gate; it holds the place until its
render has ended. What goes wrong with one job ends that job; what goes wrong with the disk ends submitting.
"""

from collections.abc import Mapping

import anyio

from kbatch.plan.actions import Action, Entry
from kbatch.plan.plan import Plan
from kbatch.providers.base import Failed, Succeeded
from kbatch.receipts.receipt import ReceiptState
from kbatch.run.buy import Bought, MaybeBought, NotBought, Purchase, buy, settle
from kbatch.run.collect import StillOwed, ask_charge, collect, note_charge, poll
from kbatch.run.context import Line, Run
from kbatch.run.deliver import deliver
from kbatch.run.gates import Gate
from kbatch.run.happenings import Moment
from kbatch.run.outcome import End
from kbatch.run.places import bring

_READY = (End.DONE, End.REUSED)


async def work(run: Run) -> None:
    """Work every entry of the plan to an end; returns when all have one, or early when the run is cancelled."""
    urgency = urgencies(run.confirmed.plan)
    entries = sorted(run.confirmed.plan.entries, key=lambda entry: -urgency[entry.address])
    for entry in entries:
        run.settled[entry.address] = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for entry in entries:
            tasks.start_soon(_work, run, entry, urgency[entry.address])


def urgencies(plan: Plan) -> dict[str, float]:
    """Return the seconds of work that wait behind each job, its own included: longest first, a chain by its sum."""
    feeds: dict[str, list[str]] = {}
    own: dict[str, float] = {}
    for entry in plan.entries:
        own[entry.address] = float(entry.job.typical_s[1]) if entry.action in (Action.RENDER, Action.POLL) else 1.0
        for need in entry.job.upstream:
            feeds.setdefault(need, []).append(entry.address)
    total: dict[str, float] = {}
    for start in own:
        stack = [start]
        while stack:
            address = stack[-1]
            waiting = [fed for fed in feeds.get(address, ()) if fed in own and fed not in total]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            total[address] = own[address] + max((total[fed] for fed in feeds.get(address, ()) if fed in total), default=0)
    return total


async def _work(run: Run, entry: Entry, urgency: float) -> None:
    try:
        if entry.action is Action.BLOCKED:
            run.end(entry.address, End.BLOCKED, entry.reason)
            run.say(Moment.BLOCKED, entry.address, entry.reason)
        elif entry.shares is not None:
            await _share(run, entry, entry.shares)
        elif await _upstream_ready(run, entry):
            await _act(run, run.lines.get(entry.job.provider), entry, urgency)
    except OSError as error:
        run.stopping.soft = True
        reason = f"{error.filename or 'disk'}: {error.strerror or error}"
        if reason not in run.problems:
            run.problems.append(reason)
        receipt = run.renders.get(entry.job.fingerprint)
        end = End.SKIPPED if receipt is None else End.UNKNOWN if receipt.state is ReceiptState.UNKNOWN else End.OWED
        run.end(entry.address, end, reason)
        run.say(Moment.OWED if receipt else Moment.SKIPPED, entry.address, reason)


async def _upstream_ready(run: Run, entry: Entry) -> bool:
    """Wait for the jobs whose frames this one needs; False once it is blocked by one of them."""
    if entry.action is not Action.RENDER:
        return True
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


async def _act(run: Run, line: Line | None, entry: Entry, urgency: float) -> None:
    match entry.action:
        case Action.REUSE:
            await _reuse(run, line, entry)
        case Action.RENDER if line is not None:
            await _render(run, line, entry, urgency)
        case Action.POLL if line is not None:
            run.touched.add((entry.job.fingerprint, run.renders[entry.job.fingerprint].attempt))
            await _follow(run, line, entry, urgency, fresh=False)
        case Action.DOWNLOAD if line is not None:
            await _download(run, line, entry)
        case Action.UNKNOWN if line is not None:
            await _settle(run, line, entry, urgency)
        case _:
            run.end(entry.address, End.SKIPPED, "its provider takes no part in this run")


async def _settle(run: Run, line: Line, entry: Entry, urgency: float) -> None:
    """Find out what became of an unknown send, unless a person has just said it."""
    receipt = run.renders[entry.job.fingerprint]
    if receipt.state is ReceiptState.UNKNOWN:
        purchase = await settle(run, line, receipt)
        if not isinstance(purchase, Bought):
            _end_unbought(run, entry, purchase)
            return
        run.say(Moment.ACCEPTED, entry.address, "found: it was accepted", provider=line.provider.name)
    if run.renders[entry.job.fingerprint].state is ReceiptState.FAILED:
        run.end(entry.address, End.REUSED, "settled: not accepted; the next run buys it")
        return
    run.touched.add((entry.job.fingerprint, receipt.attempt))
    await _follow(run, line, entry, urgency, fresh=False)


async def _reuse(run: Run, line: Line | None, entry: Entry) -> None:
    """Bring a paid clip to the job's output; `pull` also fetches one that is not on this disk."""
    receipt = run.renders[entry.job.fingerprint]
    here = receipt.output.path if receipt.output else ""
    keep = (entry.job.fingerprint, here) in run.elsewhere
    there = await bring(run, entry.job.fingerprint, entry.job.draft.output, keep=keep)
    if not there and run.options.fetch_missing and line is not None and receipt.job_id:
        await _download(run, line, entry)
    else:
        run.end(entry.address, End.REUSED)


async def _share(run: Run, entry: Entry, address: str) -> None:
    """Deliver the clip that another job of the plan buys to this job's output too."""
    await run.settled[address].wait()
    end = run.ends[address]
    if end in _READY or end is End.DELIVERED_WRONG:
        await bring(run, entry.job.fingerprint, entry.job.draft.output, keep=True)
        end = End.REUSED if end in _READY else end
    run.end(entry.address, end, run.reasons.get(address, ""))


# buying


async def _render(run: Run, line: Line, entry: Entry, urgency: float) -> None:
    gate = run.gates.of(entry.job.provider, entry.job.model, entry.job.quote.variant)
    async with line.slots.place(urgency):
        async with gate.passing() as ahead:
            purchase = await _purchase(run, line, entry, gate)
            if isinstance(purchase, Bought):
                await _accepted(run, line, entry, purchase, ahead=ahead)
                if ahead and not gate.stopped:
                    gate.open()
        ended = await collect(run, line, entry, fresh=True) if isinstance(purchase, Bought) else None
    if ended is None:
        _end_unbought(run, entry, purchase)
    else:
        await _conclude(run, line, entry, ended)


async def _purchase(run: Run, line: Line, entry: Entry, gate: Gate) -> Purchase:
    if gate.stopped:
        return NotBought(reason=gate.stopped, skipped=True)
    if line.stopped:
        return NotBought(reason=f"{line.provider.title} stopped the run: {line.why}", skipped=True)
    if not run.may_submit():
        return NotBought(reason="the run is stopping", skipped=True)
    if not run.reserve.take(entry.job.provider, entry.credits):
        return NotBought(reason="the ceiling is reached", skipped=True)
    run.say(Moment.SUBMITTING, entry.address, credits=entry.credits, provider=entry.job.provider)
    purchase = await buy(run, line, entry)
    if isinstance(purchase, NotBought):
        run.reserve.give_back(entry.job.provider, entry.credits)
    return purchase


async def _accepted(run: Run, line: Line, entry: Entry, purchase: Bought, *, ahead: bool) -> None:
    line.slots.went_well()
    receipt = run.renders[entry.job.fingerprint]
    text = f"job {receipt.job_id}"
    run.say(Moment.ACCEPTED, entry.address, text, credits=entry.credits, provider=entry.job.provider)
    if purchase.credits is not None:
        await note_charge(run, line, entry, purchase.credits)
    elif ahead:
        await ask_charge(run, line, entry)


def _end_unbought(run: Run, entry: Entry, purchase: Purchase) -> None:
    match purchase:
        case MaybeBought(reason=reason):
            run.end(entry.address, End.UNKNOWN, reason)
            run.say(Moment.UNKNOWN, entry.address, reason)
        case NotBought(reason=reason, skipped=True):
            run.end(entry.address, End.SKIPPED, reason)
            run.say(Moment.SKIPPED, entry.address, reason)
        case NotBought(reason=reason):
            run.end(entry.address, End.FAILED, reason)
            run.say(Moment.REFUSED, entry.address, f"not charged: {reason}")


# collecting


async def _follow(run: Run, line: Line, entry: Entry, urgency: float, *, fresh: bool) -> None:
    async with line.slots.place(urgency):
        ended = await collect(run, line, entry, fresh=fresh)
    await _conclude(run, line, entry, ended)


async def _conclude(run: Run, line: Line, entry: Entry, ended: Succeeded | Failed | StillOwed) -> None:
    match ended:
        case Failed(message=message):
            run.end(entry.address, End.FAILED, message)
            run.say(Moment.FAILED, entry.address, f"{message} (refunded)", provider=entry.job.provider)
        case StillOwed(reason=reason):
            run.end(entry.address, End.OWED, reason)
            run.say(Moment.OWED, entry.address, reason)
        case Succeeded():
            _end_delivered(run, entry, await deliver(run, line, entry, ended))


async def _download(run: Run, line: Line, entry: Entry) -> None:
    """Fetch a clip that was rendered earlier: a poll gives its URL."""
    run.touched.add((entry.job.fingerprint, run.renders[entry.job.fingerprint].attempt))
    for attempt in range(4):
        outcome = await poll(run, line, entry)
        if isinstance(outcome, Succeeded):
            _end_delivered(run, entry, await deliver(run, line, entry, outcome))
            return
        await run.wait(line, attempt, getattr(outcome, "retry_after_s", None))
    reason = "rendered, and the provider does not give its URL at present; `kbatch pull` tries again"
    run.end(entry.address, End.OWED, reason)
    run.say(Moment.OWED, entry.address, reason)


def _end_delivered(run: Run, entry: Entry, delivered: tuple[str, ...] | StillOwed) -> None:
    if isinstance(delivered, StillOwed):
        run.end(entry.address, End.OWED, delivered.reason)
        run.say(Moment.OWED, entry.address, delivered.reason)
    elif delivered:
        reason = f"delivered otherwise than bought: {'; '.join(delivered)}"
        run.end(entry.address, End.DELIVERED_WRONG, reason)
        run.say(Moment.DELIVERED_WRONG, entry.address, reason)
    else:
        run.end(entry.address, End.DONE)
        run.say(Moment.DONE, entry.address, entry.job.draft.output, credits=_charge(run, entry), provider=entry.job.provider)


def _charge(run: Run, entry: Entry) -> int | None:
    credits = run.renders[entry.job.fingerprint].credits
    return credits.planned if credits.reported is None else credits.reported


def stopped_lines(lines: Mapping[str, Line]) -> tuple[str, ...]:
    """Return what stopped each provider that was stopped."""
    return tuple(f"{line.provider.title}: {line.why}" for line in lines.values() if line.stopped)
