"""Where clips lie: a paid clip is never overwritten, only moved aside, and comes back when a job wants it again.

What stands at a target without being the wanted clip moves to `<output dir>/.kept/<its sha256>.mp4`, whether a receipt
knows it, a hand changed it, or nobody knows it. A move may be cut off before its record: so a clip is also looked for
where it would have been moved to.
"""

from pathlib import Path

import anyio

from kbatch import storage
from kbatch.receipts.events import Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Output, Receipt
from kbatch.runner.collect.job_index import clips_to_archive, is_archived
from kbatch.runner.collect.sidecars import take_along
from kbatch.runner.context import Run
from kbatch.runner.progress_events import EventKind


def archive_path(root: str, digest: str) -> str:
    """Return where a clip is kept that no job wants at present.

    >>> kept_path("renders", "ab12")
    'renders/.kept/ab12.mp4'
    """
    return f"{root}/.kept/{digest}.mp4"


async def clear_path(run: Run, output: str) -> None:
    """Leave nothing at `output`, which the caller holds: what stands there is kept aside."""
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
    """Return the receipts whose clip lies at `output`, a clip that was changed by hand having none."""
    return [
        (fingerprint, one)
        for fingerprint, receipt in run.renders.items()
        for one in (receipt, *receipt.also)
        if one.job_id and _is_at(one.output, output) and one.output is not None and one.output.sha256 == digest
    ]


def _is_at(clip: Output | None, path: str) -> bool:
    return clip is not None and clip.placed and clip.path == path


async def place_clip(run: Run, fingerprint: str, output: str) -> bool:
    """Put the clip of a receipt at `output`: moved there, or linked while another job refers to where it lies.

    True when it is there, to the last byte. A clip that is not on this disk stays where its receipt says, and a file
    that was altered stays too; nothing is fetched here.
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
        shared = clip.path != output and (fingerprint, clip.path) in run.referenced
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
        if not shared and clip.path != output:
            await _moved(run, fingerprint, run.renders[fingerprint], output)
            run.emit(EventKind.MOVED, None, f"{clip.path} moved to {output}")
    return True


async def _source(run: Run, clip: Output) -> Path | None:
    """Return where a clip lies with the bytes that its receipt has, None when it is not on this disk."""
    for location in (run.folder / clip.path, run.folder / _archive_path(run, clip.sha256)):
        if await is_clip(location, clip.sha256):
            return location
    return None


async def archive_orphans(run: Run, wanted: frozenset[str]) -> None:
    """Move the clips of receipts that no job of any profile refers to into `.kept/`; their receipts follow."""
    for clip in list(clips_to_archive(run.renders, wanted)):
        await archive_clip(run, clip)


async def archive_clip(run: Run, clip: Output) -> None:
    """Move one clip into `.kept/` if it lies where its receipt says, and is it; one that is kept already stays."""
    if is_archived(clip):
        return
    here = run.folder / clip.path
    async with run.path_locks.hold(clip.path):
        if storage.size_of(here) == clip.bytes and await is_clip(here, clip.sha256):
            await clear_path(run, clip.path)


async def is_clip(path: Path, digest: str, size: int | None = None) -> bool:
    """Whether a file stands at `path` and has these bytes; one of another size than `size` needs no reading."""
    found = storage.size_of(path)
    if found is None or size not in (None, found):
        return False
    return await anyio.to_thread.run_sync(storage.sha256_of, path) == digest


def _archive_path(run: Run, digest: str) -> str:
    return archive_path(run.confirmed.plan.settings.output_root, digest)


async def _moved(run: Run, fingerprint: str, owner: Receipt, path: str) -> None:
    data = {"job_id": owner.job_id, "path": path}
    await run.record(Fact(kind=Kind.MOVED, fingerprint=fingerprint, attempt=owner.attempt, data=data))
