"""Sidecars on the disk: `<clip>.json` beside each delivered clip, written from its receipt, moved along with it.

A sidecar is no state: one that is missing or behind is written anew by the next run, and trouble with one is only said.
What stands at its place without being a sidecar is left alone.
"""

from pathlib import Path

import anyio

from kbatch import __version__, files
from kbatch.receipts.jsontext import write_json
from kbatch.receipts.sidecar import ENDING, is_sidecar, same_sidecar, sidecar_of
from kbatch.run.context import Run
from kbatch.run.errand import Errand
from kbatch.run.happenings import Moment

_LIMIT = 16 * files.MEBIBYTE


def sidecar_path(clip: Path) -> Path:
    """Return where the sidecar of a clip lies.

    >>> sidecar_path(Path("renders/hero.mp4")).as_posix()
    'renders/hero.mp4.json'
    """
    return clip.with_name(clip.name + ENDING)


async def write_sidecar(run: Run, errand: Errand) -> None:
    """Write the sidecar of a clip that lies at its place; one that says the same already stays as it is."""
    receipt = run.receipt(errand)
    if receipt.output is None or not (receipt.output.placed and receipt.output.sha256):
        return
    document = sidecar_of(
        receipt, fingerprint=errand.fingerprint, address=errand.address, path=errand.output, kbatch=__version__
    )
    path = sidecar_path(run.folder / errand.output)
    try:
        await anyio.to_thread.run_sync(_write, path, write_json(dict(document)))
    except OSError as error:
        run.say(Moment.NOTE, errand.address, f"its sidecar cannot be written: {path.name}: {error.strerror}")


def _write(path: Path, data: bytes) -> None:
    before = _read(path)
    if before is None or (is_sidecar(before) and not same_sidecar(before, data)):
        files.write_atomic(path, data)


def take_along(clip: Path, target: Path) -> None:
    """Move the sidecar of a clip that has moved to `target`, over an earlier one of the same clip; blocking."""
    here, there = sidecar_path(clip), sidecar_path(target)
    try:
        ours, theirs = _read(here), _read(there)
        if ours is not None and is_sidecar(ours) and (theirs is None or is_sidecar(theirs)):
            files.remove(there)
            files.move(here, there)
    except OSError:
        return  # the next write makes it anew


def _read(path: Path) -> bytes | None:
    return files.read_bytes(path, limit=_LIMIT) if files.size_of(path) is not None else None
