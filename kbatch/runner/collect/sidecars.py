"""Writes sidecars: `<clip>.json` beside each delivered clip, from its receipt, moved along with the clip.

A sidecar is not state: the next run writes a missing or outdated one, and an error is only reported. So sidecars are
written in groups, shortly after the clips. A file at its path that is not a sidecar is left as it is.
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
    """Return the path of a clip's sidecar.

    >>> sidecar_path(Path("renders/hero.mp4")).as_posix()
    'renders/hero.mp4.json'
    """
    return clip.with_name(clip.name + ENDING)


def request_sidecar(run: Run, pending: PendingRender) -> None:
    """Queue the sidecar of a clip that is at its path."""
    run.pending_sidecars.append(pending)


async def keep_writing(run: Run) -> None:
    """Write queued sidecars twice a second, until cancelled."""
    while True:
        await anyio.sleep(_EVERY_S)
        await write_sidecars(run)


async def write_sidecars(run: Run) -> None:
    """Write the queued sidecars; one with equal content is not rewritten.

    The clips' paths are locked meanwhile, and a clip that was moved gets no sidecar at its old path. A sidecar stays
    queued until it is written, so that a cancelled call leaves it to the next.
    """
    taken = len(run.pending_sidecars)
    requested = {pending.output: pending for pending in run.pending_sidecars}
    if not requested:
        return
    async with run.path_locks.hold(*requested):
        texts = {pending: text for pending in requested.values() if (text := _text(run, pending)) is not None}
        failures = await anyio.to_thread.run_sync(_write_all, run.folder, texts)
        del run.pending_sidecars[:taken]
    for pending, reason in failures:
        run.emit(EventKind.NOTE, pending.address, f"its sidecar cannot be written: {reason}")


def _text(run: Run, pending: PendingRender) -> bytes | None:
    receipt = run.receipt(pending)
    if receipt.output is None or not (receipt.output.placed and receipt.output.sha256):
        return None
    document = sidecar_of(
        receipt, fingerprint=pending.fingerprint, address=pending.address, path=pending.output, kbatch=version()
    )
    return write_json(dict(document))


def _write_all(folder: Path, texts: Mapping[PendingRender, bytes]) -> list[tuple[PendingRender, str]]:
    """Write sidecars beside the clips that exist; return the failures with their reasons."""
    failures = []
    for pending, text in texts.items():
        clip = folder / pending.output
        path = sidecar_path(clip)
        try:
            if storage.size_of(clip) is not None:
                _write(path, text)
        except OSError as error:
            failures.append((pending, f"{path.name}: {error.strerror}"))
    return failures


def _write(path: Path, data: bytes) -> None:
    before = _read(path) or b""
    emptied = not before.strip(b"\0")  # missing, or emptied by a power cut
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
        return  # the next run writes the sidecar


def _read(path: Path) -> bytes | None:
    return storage.read_bytes(path, limit=_LIMIT) if storage.size_of(path) is not None else None
