"""Takes a clip from a file that a person hands over: a colleague's `pull`, or the provider's support.

The file must be the clip that its receipt records, by digest; where none is recorded it must be a whole clip of the
duration, aspect ratio and audio that were bought. It is copied, checked again, and then delivered as a download is.
Nothing is sent. A run that was killed in between is finished by the same command, or by the next `run` or `pull`.
"""

from pathlib import Path

import anyio
from msgspec.structs import asdict, replace

from kbatch import storage
from kbatch.media.mp4 import NotWhole, ProbedMedia, probe
from kbatch.receipts.event_data import Downloaded, Rendered
from kbatch.receipts.events import Fact
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.collect.clip_files import is_clip
from kbatch.runner.collect.deliver import Delivered, clip_data, differences, part_path, put_clip
from kbatch.runner.context import Run
from kbatch.runner.download.fetch import Fetched
from kbatch.runner.outcome import JobEnd
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind


async def adopt_file(run: Run, pending: PendingRender, file: Path) -> None:
    """Deliver a file as the clip of a purchase; a file that is not that clip leaves the job owed, and says why."""
    found = await anyio.to_thread.run_sync(_look_at, file)
    reasons, receipt = differences(pending, found), run.receipt(pending)
    objection = _objection(receipt, found, reasons)
    if objection is not None:
        _refuse(run, pending, f"{file} is not the clip that was bought: {objection}")
    elif await is_clip(run.folder / pending.output, found.sha256) and _is_delivered(receipt, pending):
        run.end_job(pending.address, JobEnd.REUSED)
        run.emit(EventKind.NOTE, pending.address, f"the clip is at {pending.output} already")
    else:
        await _take(run, pending, file, found, reasons)


def _is_delivered(receipt: Receipt, pending: PendingRender) -> bool:
    output = receipt.output
    return output is not None and output.placed and output.path == pending.output


def _look_at(file: Path) -> Fetched:
    media = storage.examine(file, probe)
    fault = media.message if isinstance(media, NotWhole) else ""
    whole = media if isinstance(media, ProbedMedia) else None
    return Fetched(sha256=storage.sha256_of(file), bytes=file.stat().st_size, media=whole, fault=fault)


def _objection(receipt: Receipt, found: Fetched, reasons: Delivered) -> str | None:
    """Return why a file is not the clip of a receipt, with both facts; None when it is.

    A clip as it was bought may take the place of one that was delivered otherwise, as in a download.
    """
    recorded = receipt.output.sha256 if receipt.output else ""
    if recorded == found.sha256:
        return None
    if recorded and not (receipt.state is ReceiptState.DELIVERED_WRONG and not reasons):
        return f"its SHA-256 is {found.sha256[:12]}…, the receipt has {recorded[:12]}…"
    return "; ".join(reasons) or None


async def _take(run: Run, pending: PendingRender, file: Path, found: Fetched, reasons: Delivered) -> None:
    receipt, part = run.receipt(pending), run.folder / pending.output
    if not await is_clip(part, found.sha256):  # else a person, or a run that was killed, has put it there already
        part = part_path(run, pending)
        await anyio.to_thread.run_sync(storage.copy, file, part)
        if not await is_clip(part, found.sha256):
            await anyio.to_thread.run_sync(storage.remove, part)
            _refuse(run, pending, f"{file} was changed while it was copied")
            return
    clip = replace(clip_data(pending, receipt, found), adopted_from=file.name)
    attempt = receipt.attempt
    if receipt.state is ReceiptState.SUBMITTED:
        rendered = Rendered(job_id=clip.job_id, credits=None)
        await run.record(Fact(fingerprint=pending.fingerprint, attempt=attempt, data=rendered))
    await run.record(Fact(fingerprint=pending.fingerprint, attempt=attempt, data=Downloaded(**asdict(clip))))
    await put_clip(run, pending, part, clip, reasons)
    end = JobEnd.DELIVERED_WRONG if reasons and not receipt.accepted_as_is else JobEnd.DONE
    run.end_job(pending.address, end, "; ".join(reasons))
    run.emit(EventKind.NOTE, pending.address, f"adopted from {file}: {pending.output}, SHA-256 {found.sha256[:12]}…")


def _refuse(run: Run, pending: PendingRender, reason: str) -> None:
    run.end_job(pending.address, JobEnd.OWED, f"{reason}; nothing was changed")
