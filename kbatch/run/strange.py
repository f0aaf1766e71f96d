"""A lockfile may be a stranger's: before clips are read or moved, none may lie outside the manifest's folder."""

from collections.abc import Iterable
from pathlib import Path

from kbatch import files
from kbatch.problems import StateUnreadable
from kbatch.receipts import state
from kbatch.receipts.attempts import records_of
from kbatch.receipts.audit import outside


def check_places(found: state.Loaded, lockfile: Path) -> None:
    """Raise StateUnreadable when a receipt or a job names a clip that lies outside."""
    indexes = (found.lockfile.jobs, *found.lockfile.profiles.values())
    paths = [entry.path for index in indexes for entry in index.values()]
    paths += [one.output.path for shown in found.lockfile.renders.values() for one in records_of(shown) if one.output]
    for path in paths:
        if outside(path):
            message = f"{lockfile}: names a clip outside the manifest's folder: `{path}`"
            raise StateUnreadable(message, hint="`kbatch lock check` shows where; no run of kbatch writes this")


def check_links(folder: Path, clips: Iterable[str]) -> None:
    """Raise LinkRefused when one of these clips lies behind a link that came with the repository."""
    for clip in {clip.rpartition("/")[0] for clip in clips}:
        files.resolve(folder / clip)
