"""Delivers a rendered clip: downloads it, compares it with the purchase, records it; otherwise it stays owed.

Each purchase has a `.part` file of its own, so that the bytes of two clips are never joined. A delivery that was
interrupted after its digest was recorded is finished from the disk, without the provider.
"""

import math
from hashlib import sha256
from pathlib import Path

import anyio
from msgspec.structs import asdict

from kbatch import storage
from kbatch.media.mp4 import NotWhole, ProbedMedia, differences_from_purchase, probe
from kbatch.providers.base import Succeeded
from kbatch.receipts import event_data
from kbatch.receipts.event_data import Clip, EventData
from kbatch.receipts.events import Fact
from kbatch.receipts.receipt import NO_MEDIA, Media, Receipt, ReceiptState
from kbatch.runner.collect.clip_files import archive_path, clear_path, is_clip
from kbatch.runner.collect.clip_url import ask_url
from kbatch.runner.collect.poll import StillOwed
from kbatch.runner.collect.sidecars import request_sidecar
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.download.attempt import FetchFailure, FetchTerms, NotFetched
from kbatch.runner.download.fetch import Fetched, fetch
from kbatch.runner.limits.retry import FRESH_URL_TRIES
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind
from kbatch.storage import PartFile

_NO_MORE = "the provider no longer keeps the clip"
_GONE = f"{_NO_MORE}: it is lost, and `--replace` buys it again"

_NO_WAY = "`kbatch pull` asks for another one; the provider's support can send the clip of the job id in the lockfile"

Delivered = tuple[str, ...]
"""The differences between a clip and its purchase, in words; empty when there are none."""


async def deliver(
    run: Run, session: ProviderSession, pending: PendingRender, found: Succeeded
) -> Delivered | StillOwed:
    """Download the clip that a poll has named, and deliver it to its path."""
    attempt = 0
    while found.url:
        async with run.download_slots.hold(awaited=pending.address in run.completed):
            fetched = await _fetch(run, session, pending, found.url)
            if isinstance(fetched, Fetched) and fetched.media is None:
                fetched = await _fetch_again(run, session, pending, fetched)
        if isinstance(fetched, Fetched):
            return await _deliver(run, pending, part_path(run, pending), fetched)
        attempt += 1
        if fetched.cause is FetchFailure.STALE and attempt < FRESH_URL_TRIES:
            fresh = await _fresh_url(run, session, pending, attempt)
            if not isinstance(fresh, Succeeded):
                return fresh
            found = fresh
            continue
        if fetched.cause is FetchFailure.DISK:
            run.stop_submitting(fetched.message)
        return StillOwed(reason=_why(fetched, found))
    return await _deliver_incomplete(run, pending) or StillOwed(reason=_GONE)


async def _fetch_again(run: Run, session: ProviderSession, pending: PendingRender, unread: Fetched) -> Fetched:
    """Download once more from a fresh URL when the file is not a clip; return the first result unless it now is."""
    part = part_path(run, pending)
    first = part.with_name(f"{part.name}.first")
    await anyio.to_thread.run_sync(storage.remove, first)
    await anyio.to_thread.run_sync(storage.move, part, first)
    fresh = await _fresh_url(run, session, pending, 1)
    second = await _fetch(run, session, pending, fresh.url) if isinstance(fresh, Succeeded) and fresh.url else None
    if isinstance(second, Fetched) and second.media is not None:
        await anyio.to_thread.run_sync(storage.remove, first)
        return second
    await anyio.to_thread.run_sync(storage.remove, part)
    await anyio.to_thread.run_sync(storage.move, first, part)
    return unread


async def _deliver_incomplete(run: Run, pending: PendingRender) -> Delivered | StillOwed | None:
    """Deliver the partial file of a clip that its provider no longer has; None when there is none."""
    part = part_path(run, pending)
    if not storage.size_of(part) or run.receipt(pending).state is not ReceiptState.RENDERED:
        return None
    media = await anyio.to_thread.run_sync(storage.examine, part, probe)
    if isinstance(media, NotWhole) and media.blank:
        return None
    digest = await anyio.to_thread.run_sync(storage.sha256_of, part)
    fault = f"{media.message}; {_NO_MORE}" if isinstance(media, NotWhole) else ""
    size = storage.size_of(part) or 0
    whole = media if isinstance(media, ProbedMedia) else None
    return await _deliver(run, pending, part, Fetched(sha256=digest, bytes=size, media=whole, fault=fault))


def part_path(run: Run, pending: PendingRender) -> Path:
    """Return the `.part` file of a purchase's clip."""
    return storage.part_of(run.folder / pending.output, _tag(run, pending))


async def _fetch(run: Run, session: ProviderSession, pending: PendingRender, url: str) -> Fetched | NotFetched:
    part = PartFile(run.folder / pending.output, _tag(run, pending))
    try:
        run.emit(EventKind.DOWNLOADING, pending.address)
        terms = FetchTerms(
            allow_hosts=run.options.allow_hosts,
            scale=session.scale,
            max_bytes=most_bytes(pending.clip.duration_s if pending.clip else None),
            on_wait=lambda text: run.emit(EventKind.WAITING, pending.address, text),
        )
        return await fetch(session.client, url, part, terms)
    finally:
        if part.size:
            part.close()
        else:
            part.discard()


def most_bytes(seconds: float | None) -> int:
    """Return the largest size of a clip in bytes: 24 MiB a second, ten times what providers send, plus 64 MiB."""
    return (64 + math.ceil(24 * (60 if seconds is None else seconds))) * storage.MEBIBYTE


def _tag(run: Run, pending: PendingRender) -> str:
    """Return the tag of a purchase's `.part` file; a hash, since job ids may hold characters unfit for file names."""
    return sha256((run.receipt(pending).job_id or "").encode()).hexdigest()[:8]


async def _fresh_url(run: Run, session: ProviderSession, pending: PendingRender, attempt: int) -> Succeeded | StillOwed:
    """Ask for a new URL, some time after the last one failed."""
    await run.wait(session, attempt, None)
    return await ask_url(run, session, pending)


def _why(fetched: NotFetched, found: Succeeded) -> str:
    if found.expired:
        return _GONE
    hint = "`kbatch pull` tries again"
    if fetched.cause is FetchFailure.REFUSED:
        hint = f"`kbatch pull --allow-host {fetched.host}` fetches it" if fetched.host else _NO_WAY
    return f"paid and not fetched: {fetched.message}; {hint}"


async def _deliver(run: Run, pending: PendingRender, part: Path, fetched: Fetched) -> Delivered | StillOwed:
    receipt = run.receipt(pending)
    reasons = differences(pending, fetched)
    if _differs_from_record(receipt, fetched, right=not reasons):
        return await _keep_difference(run, receipt, part, fetched)
    clip = clip_data(pending, receipt, fetched)
    await _record(run, pending, event_data.Downloaded(**asdict(clip)))
    return await put_clip(run, pending, part, clip, reasons)


def _differs_from_record(receipt: Receipt, fetched: Fetched, *, right: bool) -> bool:
    """Whether a downloaded clip differs from the delivered one; a correct clip may replace a delivered-wrong one."""
    output = receipt.output
    if output is None or not output.sha256 or output.sha256 == fetched.sha256:
        return False
    return receipt.state is ReceiptState.DONE or (receipt.state is ReceiptState.DELIVERED_WRONG and not right)


async def _keep_difference(run: Run, receipt: Receipt, part: Path, fetched: Fetched) -> StillOwed:
    """Archive a clip that differs from the delivered one, and leave the receipt as it is."""
    archived = archive_path(run.confirmed.plan.settings.output_root, fetched.sha256)
    kept = run.folder / archived
    async with run.path_locks.archive_lock:
        if await is_clip(kept, fetched.sha256):
            await anyio.to_thread.run_sync(storage.remove, part)
        else:
            await anyio.to_thread.run_sync(storage.remove, kept)
            await anyio.to_thread.run_sync(storage.move, part, kept)
    recorded = receipt.output.sha256[:12] if receipt.output else ""
    what = f"the provider serves another clip ({fetched.sha256[:12]}…) than its receipt has ({recorded}…)"
    return StillOwed(reason=f"{what}: kept aside as {archived}, and the receipt stays as it is")


async def put_clip(run: Run, pending: PendingRender, part: Path, clip: Clip, reasons: Delivered) -> Delivered:
    """Move a verified clip to its target and record it, under the lock of the path."""
    target = run.folder / pending.output
    async with run.path_locks.hold(pending.output):
        if part != target:
            try:
                await anyio.to_thread.run_sync(storage.move, part, target)
            except FileExistsError:
                await clear_path(run, pending.output)
                await anyio.to_thread.run_sync(storage.move, part, target)
        if reasons:
            await _record(run, pending, event_data.DeliveredWrong(**asdict(clip), reasons=list(reasons)))
        else:
            await _record(run, pending, event_data.Delivered(**asdict(clip)))
        request_sidecar(run, pending)
    return reasons


async def finish_interrupted(run: Run, pending: PendingRender) -> Delivered | None:
    """Finish a delivery that was interrupted after its digest was recorded; None when a download is needed."""
    receipt = run.receipt(pending)
    output = receipt.output
    if receipt.state is not ReceiptState.RENDERED or output is None:
        return None
    recorded = run.folder / output.path
    for part in (recorded, storage.part_of(recorded, _tag(run, pending))):
        if await is_clip(part, output.sha256):
            media = await anyio.to_thread.run_sync(storage.examine, part, probe)
            fault = media.message if isinstance(media, NotWhole) else ""
            whole = media if isinstance(media, ProbedMedia) else None
            fetched = Fetched(sha256=output.sha256, bytes=output.bytes, media=whole, fault=fault)
            return await put_clip(
                run, pending, part, clip_data(pending, receipt, fetched), differences(pending, fetched)
            )
    return None


def differences(pending: PendingRender, fetched: Fetched) -> Delivered:
    """Return the differences between a file and what was bought."""
    media = fetched.media
    if media is None:
        return (f"what the provider serves is no whole clip: {fetched.fault}",)
    if pending.clip is None:
        return ()
    return differences_from_purchase(
        media, seconds=pending.clip.duration_s, audio=pending.clip.audio, ratio=pending.clip.ratio
    )


async def _record(run: Run, pending: PendingRender, data: EventData) -> None:
    attempt = run.receipt(pending).attempt
    await run.record(Fact(fingerprint=pending.fingerprint, attempt=attempt, data=data))


def clip_data(pending: PendingRender, receipt: Receipt, fetched: Fetched) -> Clip:
    """Return what an event of a clip records."""
    media = Media(**asdict(fetched.media)) if fetched.media else NO_MEDIA
    return Clip(
        job_id=receipt.job_id or "", path=pending.output, sha256=fetched.sha256, bytes=fetched.bytes, media=media
    )
