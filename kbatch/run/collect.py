"""Follows an accepted job to its end: polls adaptively, notes what it costs, and never calls slowness a failure."""

from dataclasses import dataclass

import anyio

from kbatch.plan.actions import Entry
from kbatch.providers.base import Failed, NotNow, PollOutcome, Running, Succeeded
from kbatch.receipts.events import Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import ReceiptState
from kbatch.run.context import Line, Run
from kbatch.run.happenings import Moment
from kbatch.run.pacing import Learned, first_poll_after, learn, next_poll_after


@dataclass(frozen=True, slots=True, kw_only=True)
class StillOwed:
    """The job is paid or may be, and its clip is not here yet: collect it later."""

    reason: str


async def ask_charge(run: Run, line: Line, entry: Entry) -> int | None:
    """Ask once what an accepted job costs; None when the provider does not tell now."""
    outcome = await poll(run, line, entry)
    charge = None if isinstance(outcome, NotNow) else outcome.credits
    if charge is not None and not isinstance(outcome, Failed):
        await note_charge(run, line, entry, charge)
    return charge


async def collect(run: Run, line: Line, entry: Entry, *, fresh: bool) -> Succeeded | Failed | StillOwed:
    """Poll until the job has ended; `fresh` when it was accepted just now, so that the first poll may wait."""
    known = _known(run, entry)
    began = anyio.current_time()
    wait = first_poll_after(known, run.jitter()) if fresh else 0.0
    misses = 0
    while True:
        if wait:
            await anyio.sleep(wait * line.scale)
        outcome = await poll(run, line, entry)
        elapsed = (anyio.current_time() - began) / line.scale
        match outcome:
            case Succeeded():
                await _ended(run, line, entry, outcome)
                if fresh:
                    run.learned[_key(entry)] = learn(_known(run, entry), elapsed)
                return outcome
            case Failed():
                await _failed(run, line, entry, outcome)
                return outcome
            case NotNow(stop=stop) if stop is not None:
                line.stop(stop, outcome.message)
                return StillOwed(reason=outcome.message)
            case NotNow():
                misses += 1
                wait = next_poll_after(elapsed, known.typical_s, run.jitter())
                if outcome.retry_after_s:
                    await anyio.sleep(outcome.retry_after_s)
            case Running():
                misses = 0
                if outcome.credits is not None:
                    await note_charge(run, line, entry, outcome.credits)
                run.say(Moment.RENDERING, entry.address, progress=outcome.progress)
                wait = next_poll_after(elapsed, known.typical_s, run.jitter())
        if elapsed > run.options.render_deadline_s:
            return StillOwed(reason=f"still rendering after {elapsed / 60:.0f} min; `kbatch pull` collects it later")


async def poll(run: Run, line: Line, entry: Entry) -> PollOutcome:
    """Ask once for the job's state."""
    job_id = run.renders[entry.job.fingerprint].job_id or ""
    reply = await line.ask(line.provider.poll(job_id), timeout_s=run.options.poll_timeout_s)
    return line.provider.read_poll(reply)


async def note_charge(run: Run, line: Line, entry: Entry, credits: int) -> None:
    """Record what the provider says it charges, once, and let the ceiling count it."""
    receipt = run.renders[entry.job.fingerprint]
    if receipt.credits.reported is not None or receipt.job_id is None:
        return
    data = {"job_id": receipt.job_id, "credits": credits}
    await run.record(Fact(kind=Kind.REPORTED, fingerprint=entry.job.fingerprint, attempt=receipt.attempt, data=data))
    quote = receipt.credits.planned
    if credits != quote:
        run.reserve.correct(line.provider.name, quote, credits)
    if quote is not None and credits > quote:
        surprise = f"{line.provider.name} charged {credits:,} for {entry.job.model} {entry.job.quote.variant}, quoted {quote:,}"
        run.gates.of(line.provider.name, entry.job.model, entry.job.quote.variant).stop(surprise)
        if surprise not in run.surprises:
            run.surprises.append(surprise)
            run.say(Moment.NOTE, entry.address, f"{surprise}: nothing more of this variant is submitted")


async def _ended(run: Run, line: Line, entry: Entry, outcome: Succeeded) -> None:
    if outcome.credits is not None:
        await note_charge(run, line, entry, outcome.credits)
    receipt = run.renders[entry.job.fingerprint]
    if receipt.state is ReceiptState.SUBMITTED:
        data = {"job_id": receipt.job_id, "credits": outcome.credits}
        await run.record(Fact(kind=Kind.RENDERED, fingerprint=entry.job.fingerprint, attempt=receipt.attempt, data=data))
        run.say(Moment.RENDERED, entry.address)


async def _failed(run: Run, line: Line, entry: Entry, outcome: Failed) -> None:
    receipt = run.renders[entry.job.fingerprint]
    data = {"job_id": receipt.job_id, "message": outcome.message, "credits": outcome.credits}
    await run.record(Fact(kind=Kind.FAILED, fingerprint=entry.job.fingerprint, attempt=receipt.attempt, data=data))
    held = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
    run.reserve.correct(line.provider.name, held, outcome.credits or 0)


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.job.provider, entry.job.model, entry.job.quote.variant


def _known(run: Run, entry: Entry) -> Learned:
    shortest, longest = entry.job.typical_s
    return run.learned.get(_key(entry)) or Learned(shortest_s=float(shortest), typical_s=(shortest + longest) / 2)
