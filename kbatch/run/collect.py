"""Follows an accepted job to its end: polls adaptively, notes what it costs, and never calls slowness a failure."""

from dataclasses import dataclass

import anyio

from kbatch.providers.base import Failed, NotNow, PollOutcome, Running, Succeeded
from kbatch.receipts.events import Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import ReceiptState
from kbatch.run.context import Line, Run
from kbatch.run.errand import Errand
from kbatch.run.happenings import Moment
from kbatch.run.pacing import Learned, first_poll_after, learn, next_poll_after

_ASKED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StillOwed:
    """The job is paid or may be, and its clip is not here yet: collect it later."""

    reason: str


async def ask_charge(run: Run, line: Line, errand: Errand) -> bool:
    """Ask what a job that was accepted just now costs; whether it answered, with a charge or without one.

    A job that failed at once tells nothing of a charge, since that was given back.
    """
    for attempt in range(_ASKED):
        outcome = await poll(run, line, errand)
        if isinstance(outcome, Failed):
            return False
        if not isinstance(outcome, NotNow):
            if outcome.credits is not None:
                await note_charge(run, line, errand, outcome.credits)
            return True
        if outcome.stop is not None:
            line.stop(outcome.stop, outcome.message)
            return False
        await run.wait(line, attempt, outcome.retry_after_s)
    return False


async def collect(run: Run, line: Line, errand: Errand, *, fresh: bool) -> Succeeded | Failed | StillOwed:
    """Poll until the job has ended; `fresh` when it was accepted just now, so that the first poll may wait.

    The deadline counts from here, for a resumed job from its first poll.
    """
    known = _known(run, errand)
    began = anyio.current_time()
    wait = first_poll_after(known, run.jitter()) * line.scale if fresh else 0.0
    running_s = 0.0
    while True:
        await anyio.sleep(wait)
        outcome = await poll(run, line, errand)
        elapsed = (anyio.current_time() - began) / line.scale
        wait = next_poll_after(elapsed, run.jitter()) * line.scale
        match outcome:
            case Succeeded():
                await _ended(run, line, errand, outcome)
                if fresh:
                    run.learned[_key(errand)] = learn(_known(run, errand), running_s=running_s, ended_s=elapsed)
                return outcome
            case Failed():
                await _failed(run, line, errand, outcome)
                return outcome
            case NotNow(stop=stop) if stop is not None:
                line.stop(stop, outcome.message)
                return StillOwed(reason=outcome.message)
            case NotNow():
                wait = max(wait, outcome.retry_after_s or 0.0)
            case Running():
                running_s = elapsed
                if outcome.credits is not None:
                    await note_charge(run, line, errand, outcome.credits)
                run.say(Moment.RENDERING, errand.address, progress=outcome.progress)
        if elapsed + wait / line.scale > run.options.render_deadline_s:
            return StillOwed(reason=_late(outcome, elapsed))


def _late(outcome: Running | NotNow, elapsed_s: float) -> str:
    if isinstance(outcome, NotNow):
        return f"the provider tells nothing of it at present ({outcome.message}); `kbatch pull` collects it later"
    after = f" after {elapsed_s / 60:.0f} min" if elapsed_s >= 60 else ""
    return f"still rendering{after}; `kbatch pull` collects it later"


async def poll(run: Run, line: Line, errand: Errand) -> PollOutcome:
    """Ask once for the job's state."""
    job_id = run.receipt(errand).job_id or ""
    reply = await line.ask(line.provider.poll(job_id), timeout_s=run.options.poll_timeout_s)
    return line.provider.read_poll(reply)


async def note_charge(run: Run, line: Line, errand: Errand, credits: int) -> None:
    """Record what the provider says it charges when that is news, and let the ceiling count it.

    A charge above the quote stops the model. What is told of one job only grows: the greatest charge is the true one.
    """
    receipt = run.receipt(errand)
    known, quote = receipt.credits.reported, receipt.credits.planned
    if receipt.job_id is None or (known is not None and credits <= known):
        return
    data = {"job_id": receipt.job_id, "credits": credits}
    await run.record(Fact(kind=Kind.REPORTED, fingerprint=errand.fingerprint, attempt=receipt.attempt, data=data))
    before = quote if known is None else known
    run.reserve.charge(errand.provider, errand.purchase, credits, before=before)
    if quote is not None and credits > quote:
        surprise = f"{line.provider.title} charged {credits:,} for {errand.model} {errand.variant}, quoted {quote:,}"
        run.gates.stop(errand.provider, errand.model, surprise)
        if surprise not in run.surprises:
            run.surprises.append(surprise)
            run.say(Moment.NOTE, errand.address, f"{surprise}: nothing more of this model is submitted")


async def _ended(run: Run, line: Line, errand: Errand, outcome: Succeeded) -> None:
    if outcome.credits is not None:
        await note_charge(run, line, errand, outcome.credits)
    receipt = run.receipt(errand)
    if receipt.state is ReceiptState.SUBMITTED:
        data = {"job_id": receipt.job_id, "credits": outcome.credits}
        await run.record(Fact(kind=Kind.RENDERED, fingerprint=errand.fingerprint, attempt=receipt.attempt, data=data))
        run.say(Moment.RENDERED, errand.address)


async def _failed(run: Run, line: Line, errand: Errand, outcome: Failed) -> None:
    receipt = run.receipt(errand)
    before = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
    data = {"job_id": receipt.job_id, "message": outcome.message, "credits": outcome.credits}
    await run.record(Fact(kind=Kind.FAILED, fingerprint=errand.fingerprint, attempt=receipt.attempt, data=data))
    run.reserve.charge(errand.provider, errand.purchase, outcome.credits or 0, before=before)


def _key(errand: Errand) -> tuple[str, str, str]:
    return errand.provider, errand.model, errand.variant


def _known(run: Run, errand: Errand) -> Learned:
    return run.learned.get(_key(errand)) or Learned(usual_s=float(errand.typical_s[0]))
