"""Gathers what is paid: follows jobs to their end and brings their clips to their places; nothing here submits."""

from kbatch.providers.base import Failed, Succeeded
from kbatch.receipts.receipt import ReceiptState, kept_words
from kbatch.runner.collect.clip_files import bring
from kbatch.runner.collect.deliver import Delivered, deliver, finish_interrupted
from kbatch.runner.collect.poll import Rendered, StillOwed, collect, poll, told_nothing
from kbatch.runner.collect.sidecars import want_sidecar
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.outcome import NOT_HERE, End
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind
from kbatch.storage import size_of

_ASKED = 4


async def follow(run: Run, session: ProviderSession, pending: PendingRender, urgency: float) -> None:
    """Take an accepted job up again and see it to its end."""
    run.touched.add((pending.fingerprint, run.receipt(pending).attempt))
    async with session.slots.place(urgency):
        ended = await collect(run, session, pending, fresh=False)
    await conclude(run, session, pending, ended)


async def conclude(
    run: Run, session: ProviderSession, pending: PendingRender, ended: Rendered | Failed | StillOwed
) -> None:
    """End a job by how its render ended; one that succeeded is written down and has its clip fetched first."""
    match ended:
        case Failed(message=message, credits=credits):
            kept = "refunded" if credits == 0 else kept_words(credits)
            run.end(pending.address, End.FAILED, message)
            run.say(EventKind.FAILED, pending.address, f"{message} ({kept})", provider=pending.provider)
        case StillOwed(reason=reason):
            _owe(run, pending, reason)
        case Rendered(found=found, facts=facts):
            if facts:
                await run.record(*facts)
                run.say(EventKind.RENDERED, pending.address)
            _end_delivered(run, pending, await deliver(run, session, pending, found))


async def download(run: Run, session: ProviderSession, pending: PendingRender) -> None:
    """Fetch a clip that was rendered earlier: from this disk if a delivery was cut off, else a poll gives its URL."""
    run.touched.add((pending.fingerprint, run.receipt(pending).attempt))
    finished = await finish_interrupted(run, pending)
    if finished is not None:
        _end_delivered(run, pending, finished)
        return
    for attempt in range(_ASKED):
        outcome = await poll(run, session, pending)
        match outcome:
            case Succeeded():
                _end_delivered(run, pending, await deliver(run, session, pending, outcome))
                return
            case Failed(message=message):
                _owe(run, pending, f"rendered earlier, and now the provider says: {message}")
                return
            case _:
                if not await run.wait(session, attempt, getattr(outcome, "retry_after_s", None)):
                    break
    told = await told_nothing(run, session, pending, outcome)
    if told is not None:
        _owe(run, pending, f"rendered earlier: {told}")
        return
    why = f" ({session.closed})" if session.shut else ""
    _owe(run, pending, f"rendered, and the provider does not give its URL at present{why}; `kbatch pull` tries again")


async def reuse(run: Run, session: ProviderSession | None, pending: PendingRender) -> None:
    """Bring a paid clip to its place; one that is not here, or was altered, is fetched by `pull` or for a purchase.

    An altered file is moved aside once the clip is there again, no sooner.
    """
    if await bring(run, pending.fingerprint, pending.output):
        want_sidecar(run, pending)
        run.end(pending.address, End.REUSED)
        return
    altered = _stands_altered(run, pending)
    if session is not None and (run.options.fetch_missing or pending.address in run.needed):
        if altered:
            run.say(EventKind.NOTE, pending.address, f"{altered} differs from its receipt and is fetched again")
        await download(run, session, pending)
        if altered and run.ends[pending.address] is End.OWED:
            run.reasons[pending.address] = f"{altered} differs from its receipt; {run.reasons[pending.address]}"
            run.altered.append(altered)
    else:
        run.absent[pending.address] = f"{altered} differs from its receipt" if altered else NOT_HERE
        run.altered += [altered] if altered else []
        run.end(pending.address, End.REUSED)


def _stands_altered(run: Run, pending: PendingRender) -> str:
    """Return where a file stands in a clip's place that is not the clip; empty when nothing does."""
    output = run.receipt(pending).output
    return output.path if output is not None and size_of(run.folder / output.path) is not None else ""


async def share(run: Run, pending: PendingRender, first: str) -> None:
    """Deliver the clip that another job of the plan brings to this job's place too."""
    if first in run.settled:
        await run.settled[first].wait()
    end = run.ends[first]
    if end in (End.DONE, End.REUSED, End.DELIVERED_WRONG):
        if await bring(run, pending.fingerprint, pending.output):
            want_sidecar(run, pending)
        elif first in run.absent:
            run.absent[pending.address] = run.absent[first]
        end = End.REUSED if end is End.DONE else end
    run.end(pending.address, end, run.reasons.get(first, ""))


def _owe(run: Run, pending: PendingRender, reason: str) -> None:
    run.end(pending.address, End.OWED, reason)
    run.say(EventKind.OWED, pending.address, reason)


def _end_delivered(run: Run, pending: PendingRender, delivered: Delivered | StillOwed) -> None:
    receipt = run.receipt(pending)
    if isinstance(delivered, StillOwed):
        _owe(run, pending, delivered.reason)
    elif receipt.state is ReceiptState.DELIVERED_WRONG and not receipt.accepted_as_is:
        reason = f"delivered otherwise than bought: {'; '.join(delivered)}"
        run.end(pending.address, End.DELIVERED_WRONG, reason)
        run.say(EventKind.DELIVERED_WRONG, pending.address, reason)
    else:
        credits = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
        run.end(pending.address, End.DONE)
        run.say(EventKind.DONE, pending.address, pending.output, credits=credits, provider=pending.provider)
