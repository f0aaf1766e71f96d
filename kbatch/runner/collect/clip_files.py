"""Moves clips: a paid clip is never overwritten but archived, and restored when a job refers to it again.

Any other file at a target moves to `<output dir>/.kept/<its sha256>.mp4`, whether it is another receipt's clip, an
edited clip or an unknown file. A move may be interrupted before it is recorded, so a clip is also searched for at its
archive path.
"""

from pathlib import Path

import anyio

from kbatch import storage
from kbatch.receipts.event_data import Moved
from kbatch.receipts.events import Fact
from kbatch.receipts.receipt import Output, Receipt
from kbatch.runner.collect.job_index import clips_to_archive, is_archived
from kbatch.runner.collect.sidecars import take_along
from kbatch.runner.context import Run
from kbatch.runner.progress_events import EventKind


def archive_path(root: str, digest: str) -> str:
    """Return the path of an archived clip.


    'renders/.kept/ab12.mp4'
    """
    return f"{root}/.kept/{digest}.mp4"


async def clear_path(run: Run, output: str) -> None:
    """Archive whatever file is at `output`; the caller holds its path lock."""
    if storage.size_of(run.folder / output) is not None:
        async with run.path_locks.archive_lock:
            await _archive(run, output)


async def _archive(run: Run, output: str) -> None:
    target = run.folder / output
    digest = await anyio.to_thread.run_sync(storage.sha256_of, target)
    archived = _archive_path(run, digest)
    location = run.folder / archived
    if location == target:
        return
    if await is_clip(location, digest):
        await anyio.to_thread.run_sync(storage.remove, target)
    else:
        await anyio.to_thread.run_sync(storage.remove, location)
        await anyio.to_thread.run_sync(storage.move, target, location)
    await anyio.to_thread.run_sync(take_along, target, location)
    for fingerprint, owner in _owners(run, output, digest):
        await _moved(run, fingerprint, owner, archived)
    run.emit(EventKind.MOVED, None, f"{output} was kept aside as {archived}")


def _owners(run: Run, output: str, digest: str) -> list[tuple[str, Receipt]]:
    """Return the receipts whose clip with this digest is at `output`; none for an edited file."""
    return [
        (fingerprint, one)
        for fingerprint, receipt in run.renders.items()
        for one in (receipt, *receipt.also)
        if one.job_id and _is_at(one.output, output) and one.output is not None and one.output.sha256 == digest
    ]


def _has_other_owner(run: Run, fingerprint: str, clip: Output) -> bool:
    """Whether another purchase's clip has the same bytes and lies in the same file, as two in the archive may."""
    job_id = run.renders[fingerprint].job_id
    return any(one.job_id != job_id for _, one in _owners(run, clip.path, clip.sha256))


def _is_at(clip: Output | None, path: str) -> bool:
    return clip is not None and clip.placed and clip.path == path


async def place_clip(run: Run, fingerprint: str, output: str) -> bool:
    """Move the clip of a receipt to `output`, or link it while another job refers to its present path.

    True when the clip is at `output` with its recorded digest. Nothing is downloaded; a missing clip and an edited file
    are left as they are.
    """
    while True:
        clip = run.renders[fingerprint].output
        if clip is None or not clip.placed:
            return False
        async with run.path_locks.hold(output, clip.path):
            now = run.renders[fingerprint].output
            if now is not None and now.path == clip.path:
                return await _place_clip(run, fingerprint, now, output)


async def _place_clip(run: Run, fingerprint: str, clip: Output, output: str) -> bool:
    target = run.folder / output
    if clip.path == output and await is_clip(target, clip.sha256, clip.bytes):
        return True
    async with run.path_locks.archive_lock:
        source = await _source(run, clip)
        referenced = clip.path != output and (fingerprint, clip.path) in run.referenced
        shared = referenced or _has_other_owner(run, fingerprint, clip)
        if await is_clip(target, clip.sha256):
            if source is not None and source != target and not shared:
                await anyio.to_thread.run_sync(storage.merge_copies, source, target)
                await anyio.to_thread.run_sync(take_along, source, target)
        elif source is None:
            return False
        else:
            if storage.size_of(target) is not None:
                await _archive(run, output)
            act = storage.link_or_copy if shared else storage.move
            await anyio.to_thread.run_sync(act, source, target)
            if not shared:
                await anyio.to_thread.run_sync(take_along, source, target)
        if not referenced and clip.path != output:
            await _moved(run, fingerprint, run.renders[fingerprint], output)
            run.emit(EventKind.MOVED, None, f"{clip.path} moved to {output}")
    return True


async def _source(run: Run, clip: Output) -> Path | None:
    """Return the path at which a clip has its recorded digest, None when it is not on this disk."""
    for location in (run.folder / clip.path, run.folder / _archive_path(run, clip.sha256)):
        if await is_clip(location, clip.sha256):
            return location
    return None


async def archive_orphans(run: Run, referenced: frozenset[str]) -> None:
    """Archive the clips of receipts that no job of any profile refers to, and record their new paths."""
    for clip in list(clips_to_archive(run.renders, referenced)):
        await archive_clip(run, clip)


async def archive_clip(run: Run, clip: Output) -> None:
    """Archive one clip if the file at its recorded path has its digest; an archived one stays."""
    if is_archived(clip):
        return
    here = run.folder / clip.path
    async with run.path_locks.hold(clip.path):
        if storage.size_of(here) == clip.bytes and await is_clip(here, clip.sha256):
            await clear_path(run, clip.path)


async def is_clip(path: Path, digest: str, size: int | None = None) -> bool:
    """Whether the file at `path` has this digest; a file of another size than `size` is not read."""
    found = storage.size_of(path)
    if found is None or size not in (None, found):
        return False
    return await anyio.to_thread.run_sync(storage.sha256_of, path) == digest


def _archive_path(run: Run, digest: str) -> str:
    return archive_path(run.confirmed.plan.settings.output_root, digest)


async def _moved(run: Run, fingerprint: str, owner: Receipt, path: str) -> None:
    data = Moved(job_id=owner.job_id or "", path=path)
    await run.record(Fact(fingerprint=fingerprint, attempt=owner.attempt, data=data))
