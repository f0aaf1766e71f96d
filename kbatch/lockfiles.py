"""Lockfiles on disk that are to become one: read whole, or as the two sides of a merge that stopped, then written.

Where git still holds both sides of a conflict they are taken from its index, since git's text merge may have mixed the
lines of two receipts; only without that are the markers in the file taken apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from kbatch import files, git
from kbatch.prepare import lock_path
from kbatch.problems import Invalid, Problem, StateUnreadable
from kbatch.receipts.lockfile import Lockfile, parse, serialize
from kbatch.receipts.markers import has_markers, take_apart
from kbatch.receipts.merge import merge, merge_from

_MOST_BYTES = 1024 * files.MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What one file holds: one lockfile, or those of a conflict with what both began from, as far as git has it."""

    lockfiles: tuple[Lockfile, ...]
    base: Lockfile | None = None
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The lockfile that came of it, and what to tell: how many lockfiles it was made of, and how they were found."""

    lockfile: Lockfile
    parts: int
    notes: tuple[str, ...]


def read_sides(path: Path, name: str) -> Sides:
    """Return what a lockfile holds; StateUnreadable calls it `name`, Invalid when there is no such file."""
    data = files.read_if_there(path, limit=_MOST_BYTES)
    if data is None:
        raise Invalid([Problem(code="file-not-found", message=f"there is no file `{name}`")])
    text = data.decode("utf-8", "replace")
    if not has_markers(text):
        return Sides(lockfiles=(parse(data, name),))
    stages = _stages(path)
    if 2 in stages and 3 in stages:
        base = _parse_base(stages[1], f"{name} (base)") if 1 in stages else None
        sides = (parse(stages[2], f"{name} (ours)"), parse(stages[3], f"{name} (theirs)"))
        return Sides(lockfiles=sides, base=base, how=f"{name}: both sides of the conflict were read from git's index")
    ours, theirs = take_apart(text, name)
    sides = (parse(ours.encode(), f"{name} (ours)"), parse(theirs.encode(), f"{name} (theirs)"))
    return Sides(lockfiles=sides, how=f"{name}: both sides were taken apart at the conflict markers")


def merge_files(paths: Sequence[Path], base: Path | None, name: str | None) -> Merged:
    """Return what all files hold together; `base` is the lockfile from which they began, `name` what messages say.

    An empty base is none: git gives one where both sides added the file.
    """
    found = [read_sides(path, name or str(path)) for path in paths]
    lockfiles = [lockfile for sides in found for lockfile in sides.lockfiles]
    if base is not None:
        began = _read_base(base, name or str(base))
    else:
        began = found[0].base if len(found) == 1 else None
    together = merge if began is None else lambda one, other: merge_from(began, one, other)
    notes = [sides.how for sides in found if sides.how]
    names = sorted({lockfile.manifest for lockfile in lockfiles})
    merged = reduce(together, lockfiles)
    if len(names) > 1:
        notes.append(f"note: these are lockfiles of {' and '.join(names)}, joined as that of {merged.manifest}")
    return Merged(lockfile=merged, parts=len(lockfiles), notes=tuple(notes))


def write_merged(path: Path, lockfile: Lockfile) -> None:
    """Replace a lockfile by what was merged; Refused while a run works on it."""
    held = lock_path(path)
    if files.size_of(held) is None:
        files.write_atomic(path, serialize(lockfile))
        return
    with files.Lock(held):
        files.write_atomic(path, serialize(lockfile))


def _read_base(path: Path, name: str) -> Lockfile | None:
    data = files.read_if_there(path, limit=_MOST_BYTES)
    if data is None:
        raise Invalid([Problem(code="file-not-found", message=f"there is no file `{path}`")])
    return parse(data, f"{name} (base)") if data.strip() else None


def _parse_base(data: bytes, name: str) -> Lockfile | None:
    """Return the base, None when it was no lockfile that can be read: it only says who changed what."""
    try:
        return parse(data, name)
    except StateUnreadable:
        return None


def _stages(path: Path) -> dict[int, bytes]:
    """Return what git's index holds of a file in conflict: 1 the base, 2 ours, 3 theirs; empty without a conflict."""
    place = path.resolve()
    try:
        said = git.ask(place.parent, "--literal-pathspecs", "ls-files", "-u", "-z", "--", place.name)
        entries = [line.split(b"\t", 1)[0].split() for line in said.out.split(b"\0") if line]
        if said.code != 0 or not entries:
            return {}
        with git.Objects(place.parent) as objects:
            return {
                int(stage): objects.read(found.decode("ascii"), limit=_MOST_BYTES) for _mode, found, stage in entries
            }
    except Invalid:
        return {}
