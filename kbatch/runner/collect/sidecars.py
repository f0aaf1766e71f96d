"""Sidecars on the disk: `<clip>.json` beside each delivered clip, written from its receipt, moved along with it.

A sidecar is no state: one that is missing or behind is written anew by the next run, and trouble with one is only said.
So it need not be there at once: those of a moment are written together. What stands at its place without being a
sidecar is left alone.
"""

from collections.abc import Mapping
from pathlib import Path

import anyio

from kbatch import storage
from kbatch._version import version
from kbatch.receipts.json_text import write_json
from kbatch.receipts.sidecar import ENDING, is_sidecar, same_sidecar, sidecar_of
from kbatch.runner.context import Run
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind

_EVERY_S = 0.5
_LIMIT = 16 * storage.MEBIBYTE


def sidecar_path(clip: Path) -> Path:
    """Return where the sidecar of a clip lies.

    >>> sidecar_path(Path("renders/hero.mp4")).as_posix()
    'renders/hero.mp4.json'
    """
    return clip.with_name(clip.name + ENDING)


def request_sidecar(run: Run, pending: PendingRender) -> None:
    """Have the sidecar of a clip written that lies at its place now."""
    run.pending_sidecars.append(pending)


async def keep_writing(run: Run) -> None:
    """Write the sidecars that are wanted, twice a second, until it is cancelled."""
    while True:
        await anyio.sleep(_EVERY_S)
        await write_sidecars(run)


async def write_sidecars(run: Run) -> None:
    """Write the sidecars that are wanted by now; one that says the same already stays as it is.

    Nobody may move a clip meanwhile, and one that was moved since gets none at its old place. They are wanted until
    they are written, so that who is cut off leaves them to the next.
    """
    taken = len(run.pending_sidecars)
    requested = {pending.output: pending for pending in run.pending_sidecars}
    if not requested:
        return
    async with run.path_locks.hold(*requested):
        texts = {pending: text for pending in requested.values() if (text := _text(run, pending)) is not None}
        troubles = await anyio.to_thread.run_sync(_write_all, run.folder, texts)
        del run.pending_sidecars[:taken]
    for pending, trouble in troubles:
        run.emit(EventKind.NOTE, pending.address, f"its sidecar cannot be written: {trouble}")


def _text(run: Run, pending: PendingRender) -> bytes | None:
    receipt = run.receipt(pending)
    if receipt.output is None or not (receipt.output.placed and receipt.output.sha256):
        return None
    document = sidecar_of(
        receipt, fingerprint=pending.fingerprint, address=pending.address, path=pending.output, kbatch=version()
    )
    return write_json(dict(document))


def _write_all(folder: Path, texts: Mapping[PendingRender, bytes]) -> list[tuple[PendingRender, str]]:
    """Write sidecars beside the clips that stand; return what could not be written, and why."""
    troubles = []
    for pending, text in texts.items():
        clip = folder / pending.output
        path = sidecar_path(clip)
        try:
            if storage.size_of(clip) is not None:
                _write(path, text)
        except OSError as error:
            troubles.append((pending, f"{path.name}: {error.strerror}"))
    return troubles


def _write(path: Path, data: bytes) -> None:
    before = _read(path) or b""
    emptied = not before.strip(b"\0")  # none, or what a power cut left of one
    if emptied or (is_sidecar(before) and not same_sidecar(before, data)):
        storage.write_lightly(path, data)


def take_along(clip: Path, target: Path) -> None:
    """Move the sidecar of a clip that has moved to `target`, over an earlier one of the same clip; blocking."""
    here, there = sidecar_path(clip), sidecar_path(target)
    try:
        ours, theirs = _read(here), _read(there)
        if ours is not None and is_sidecar(ours) and (theirs is None or is_sidecar(theirs)):
            storage.remove(there)
            storage.move(here, there)
    except OSError:
        return  # the next write makes it anew


def _read(path: Path) -> bytes | None:
    return storage.read_bytes(path, limit=_LIMIT) if storage.size_of(path) is not None else None
