"""Collects paid jobs: polls them to their end and delivers their clips; submits nothing."""

from kbatch.providers.base import Failed
from kbatch.receipts.receipt import ReceiptState, describe_remaining_charge
from kbatch.runner.collect.clip_files import place_clip
from kbatch.runner.collect.clip_url import ask_url
from kbatch.runner.collect.deliver import Delivered, deliver, finish_interrupted
from kbatch.runner.collect.poll import Rendered, StillOwed, collect
from kbatch.runner.collect.sidecars import request_sidecar
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.outcome import NOT_HERE, JobEnd
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind
from kbatch.storage import size_of


async def resume(run: Run, session: ProviderSession, pending: PendingRender, priority: float) -> None:
    """Poll a job that was accepted earlier to its end, and deliver its clip."""
    run.touched.add((pending.fingerprint, run.receipt(pending).attempt))
    async with session.slots.hold(priority):
        ended = await collect(run, session, pending, fresh=False)
    await finish_job(run, session, pending, ended)


async def finish_job(
    run: Run, session: ProviderSession, pending: PendingRender, ended: Rendered | Failed | StillOwed
) -> None:
    """End a job by the result of its render; a successful one is recorded and delivered first."""
    match ended:
        case Failed(message=message, credits=credits):
            kept = "refunded" if credits == 0 else describe_remaining_charge(credits)
            run.end_job(pending.address, JobEnd.FAILED, message)
            run.emit(EventKind.FAILED, pending.address, f"{message} ({kept})", provider=pending.provider)
        case StillOwed(reason=reason):
            _owe(run, pending, reason)
        case Rendered(found=found, facts=facts):
            if facts:
                await run.record(*facts)
                run.emit(EventKind.RENDERED, pending.address)
            _end_delivered(run, pending, await deliver(run, session, pending, found))


async def download(run: Run, session: ProviderSession, pending: PendingRender) -> None:
    """Deliver a clip that was rendered earlier: from the disk after an interrupted delivery, else by a new poll."""
    run.touched.add((pending.fingerprint, run.receipt(pending).attempt))
    finished = await finish_interrupted(run, pending)
    if finished is not None:
        _end_delivered(run, pending, finished)
        return
    found = await ask_url(run, session, pending)
    _end_delivered(run, pending, found if isinstance(found, StillOwed) else await deliver(run, session, pending, found))


async def reuse(run: Run, session: ProviderSession | None, pending: PendingRender) -> None:
    """Place a paid clip at its path; a missing or altered one is downloaded by `pull` or when a purchase needs it.

    An altered file is archived only after the clip has been downloaded again.
    """
    if await place_clip(run, pending.fingerprint, pending.output):
        request_sidecar(run, pending)
        run.end_job(pending.address, JobEnd.REUSED)
        return
    altered = _altered_path(run, pending)
    if session is not None and (run.options.fetch_missing or pending.address in run.frame_sources):
        if altered:
            run.emit(EventKind.NOTE, pending.address, f"{altered} differs from its receipt and is fetched again")
        await download(run, session, pending)
        if altered and run.ends[pending.address] is JobEnd.OWED:
            run.reasons[pending.address] = f"{altered} differs from its receipt; {run.reasons[pending.address]}"
            run.altered.append(altered)
    else:
        run.absent[pending.address] = f"{altered} differs from its receipt" if altered else NOT_HERE
        run.altered += [altered] if altered else []
        run.end_job(pending.address, JobEnd.REUSED)


def _altered_path(run: Run, pending: PendingRender) -> str:
    """Return the path of a file that is at a clip's path; empty when there is none."""
    output = run.receipt(pending).output
    return output.path if output is not None and size_of(run.folder / output.path) is not None else ""


async def share_clip(run: Run, pending: PendingRender, first: str) -> None:
    """Deliver the clip of another job with the same request to this job's path too."""
    if first in run.completed:
        await run.completed[first].wait()
    end = run.ends[first]
    if end in (JobEnd.DONE, JobEnd.REUSED, JobEnd.DELIVERED_WRONG):
        if await place_clip(run, pending.fingerprint, pending.output):
            request_sidecar(run, pending)
        elif first in run.absent:
            run.absent[pending.address] = run.absent[first]
        end = JobEnd.REUSED if end is JobEnd.DONE else end
    run.end_job(pending.address, end, run.reasons.get(first, ""))


def _owe(run: Run, pending: PendingRender, reason: str) -> None:
    run.end_job(pending.address, JobEnd.OWED, reason)
    run.emit(EventKind.OWED, pending.address, reason)


def _end_delivered(run: Run, pending: PendingRender, delivered: Delivered | StillOwed) -> None:
    receipt = run.receipt(pending)
    if isinstance(delivered, StillOwed):
        _owe(run, pending, delivered.reason)
    elif receipt.state is ReceiptState.DELIVERED_WRONG and not receipt.accepted_as_is:
        reason = f"delivered otherwise than bought: {'; '.join(delivered)}"
        run.end_job(pending.address, JobEnd.DELIVERED_WRONG, reason)
        run.emit(EventKind.DELIVERED_WRONG, pending.address, reason)
    else:
        credits = receipt.credits.planned if receipt.credits.reported is None else receipt.credits.reported
        run.end_job(pending.address, JobEnd.DONE)
        run.emit(EventKind.DONE, pending.address, pending.output, credits=credits, provider=pending.provider)
