"""Gathers what is paid: follows jobs to their end and brings their clips to their places; nothing here submits."""

from kbatch.files import size_of
from kbatch.providers.base import Failed, Succeeded
from kbatch.receipts.receipt import ReceiptState, kept_words
from kbatch.run.collect import Rendered, StillOwed, collect, poll, told_nothing
from kbatch.run.context import Line, Run
from kbatch.run.deliver import Delivered, deliver, finish_interrupted
from kbatch.run.errand import Errand
from kbatch.run.happenings import Moment
from kbatch.run.outcome import NOT_HERE, End
from kbatch.run.places import bring
from kbatch.run.sidecars import want_sidecar

_ASKED = 4


async def follow(run: Run, line: Line, errand: Errand, urgency: float) -> None:
    """Take an accepted job up again and see it to its end."""
    run.touched.add((errand.fingerprint, run.receipt(errand).attempt))
    async with line.slots.place(urgency):
        ended = await collect(run, line, errand, fresh=False)
    await conclude(run, line, errand, ended)


async def conclude(run: Run, line: Line, errand: Errand, ended: Rendered | Failed | StillOwed) -> None:
    """End a job by how its render ended; one that succeeded is written down and has its clip fetched first."""
    match ended:
        case Failed(message=message, credits=credits):
            kept = "refunded" if credits == 0 else kept_words(credits)
            run.end(errand.address, End.FAILED, message)
            run.say(Moment.FAILED, errand.address, f"{message} ({kept})", provider=errand.provider)
        case StillOwed(reason=reason):
            _owe(run, errand, reason)
        case Rendered(found=found, facts=facts):
            if facts:
                await run.record(*facts)
                run.say(Moment.RENDERED, errand.address)
            _end_delivered(run, errand, await deliver(run, line, errand, found))


async def download(run: Run, line: Line, errand: Errand) -> None:
    """Fetch a clip that was rendered earlier: from this disk if a delivery was cut off, else a poll gives its URL."""
    run.touched.add((errand.fingerprint, run.receipt(errand).attempt))
    finished = await finish_interrupted(run, errand)
    if finished is not None:
        _end_delivered(run, errand, finished)
        return
    for attempt in range(_ASKED):
        outcome = await poll(run, line, errand)
        match outcome:
            case Succeeded():
                _end_delivered(run, errand, await deliver(run, line, errand, outcome))
                return
            case Failed(message=message):
                _owe(run, errand, f"rendered earlier, and now the provider says: {message}")
                return
            case _:
                if not await run.wait(line, attempt, getattr(outcome, "retry_after_s", None)):
                    break
    told = await told_nothing(run, line, errand, outcome)
    if told is not None:
        _owe(run, errand, f"rendered earlier: {told}")
        return
    why = f" ({line.closed})" if line.shut else ""
    _owe(run, errand, f"rendered, and the provider does not give its URL at present{why}; `kbatch pull` tries again")


async def reuse(run: Run, line: Line | None, errand: Errand) -> None:
    """Bring a paid clip to its place; one that is not here, or was altered, is fetched by `pull` or for a purchase.

    An altered file is moved aside once the clip is there again, no sooner.
    """
    if await bring(run, errand.fingerprint, errand.output):
        want_sidecar(run, errand)
        run.end(errand.address, End.REUSED)
        return
    altered = _stands_altered(run, errand)
    if line is not None and (run.options.fetch_missing or errand.address in run.needed):
        if altered:
            run.say(Moment.NOTE, errand.address, f"{altered} differs from its receipt and is fetched again")
        await download(run, line, errand)
        if altered and run.ends[errand.address] is End.OWED:
            run.reasons[errand.address] = f"{altered} differs from its receipt; {run.reasons[errand.address]}"
            run.altered.append(altered)
    else:
        run.absent[errand.address] = f"{altered} differs from its receipt" if altered else NOT_HERE
        run.altered += [altered] if altered else []
        run.end(errand.address, End.REUSED)


def _stands_altered(run: Run, errand: Errand) -> str:
    """Return where a file stands in a clip's place that is not the clip; empty when nothing does."""
    output = run.receipt(errand).output
    return output.path if output is not None and size_of(run.folder / output.path) is not None else ""


async def share(run: Run, errand: Errand, first: str) -> None:
    """Deliver the clip that another job of the plan brings to this job's place too."""
    if first in run.settled:
        await run.settled[first].wait()
    end = run.ends[first]
    if end in (End.DONE, End.REUSED, End.DELIVERED_WRONG):
        if await bring(run, errand.fingerprint, errand.output):
            want_sidecar(run, errand)
        elif first in run.absent:
            run.absent[errand.address] = run.absent[first]
        end = End.REUSED if end is End.DONE else end
    run.end(errand.address, end, run.reasons.get(first, ""))


def _owe(run: Run, errand: Errand, reason: str) -> None:
    run.end(errand.address, End.OWED, reason)
    run.say(Moment.OWED, errand.address, reason)


def _end_delivered(run: Run, errand: Errand, delivered: Delivered | StillOwed) -> None:
    receipt = run.receipt(errand)
    if isinstance(delivered, StillOwed):
        _owe(run, errand, delivered.reason)
    elif receipt.state is ReceiptState.DELIVERED_WRONG and not receipt.accepted_as_is:
        reason = f"delivered otherwise than bought: {'; '.join(delivered)}"
        run.end(errand.address, End.DELIVERED_WRONG, reason)
        run.say(Moment.DELIVERED_WRONG, errand.address, reason)
    else:
        credits = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
        run.end(errand.address, End.DONE)
        run.say(Moment.DONE, errand.address, errand.output, credits=credits, provider=errand.provider)
