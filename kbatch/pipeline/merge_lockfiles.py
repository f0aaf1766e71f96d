"""Merges lockfiles on disk: reads each whole, or as the sides of a stopped git merge, and writes the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from kbatch import storage
from kbatch.errors import Invalid, Problem, Refused, StateUnreadable
from kbatch.pipeline.load_state import lock_path
from kbatch.providers.registry import full_catalog
from kbatch.receipts.lockfile.audit import audit
from kbatch.receipts.lockfile.conflict_markers import has_markers, split_sides
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.lockfile.merge import merge, merge_from
from kbatch.receipts.simulated_origin import kinds
from kbatch.storage.git.conflicts import INDEX, Conflict, find_conflict

_MOST_BYTES = 1024 * storage.MEBIBYTE
_MIXED = "its lines are of several receipts: take both files out of git and `kbatch lock merge` them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The content of one file: one lockfile, or both sides of a conflict with their base, where git has it."""

    lockfiles: tuple[Lockfile, ...]
    base: Lockfile | None = None
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The merged lockfile, the number of lockfiles that it was made of, and how they were found."""

    lockfile: Lockfile
    parts: int
    notes: tuple[str, ...]


def read_sides(path: Path, name: str, *, ask_git: bool) -> Sides:
    """Return the content of a lockfile file; StateUnreadable calls it `name`, Invalid when there is no such file."""
    data = storage.read_if_there(path, limit=_MOST_BYTES)
    if data is None:
        raise Invalid([Problem(code="file-not-found", message=f"there is no file `{name}`")])
    text = data.decode("utf-8-sig", "replace")
    marked = has_markers(text)
    conflict = find_conflict(path, marked=data if marked else None, limit=_MOST_BYTES) if ask_git else None
    if conflict is not None:
        return _from_git(conflict, name)
    return _from_markers(text, name) if marked else Sides(lockfiles=(parse(data, name),))


def _from_git(conflict: Conflict, name: str) -> Sides:
    sides = tuple(parse(data, f"{name} (side {number})") for number, data in enumerate(conflict.sides, start=1))
    base = None if conflict.base is None else _parse_base(conflict.base)
    end = f"; `git add {name}` ends the conflict" if conflict.where == INDEX else ""
    how = f"{name}: both sides were read from {conflict.where}{end}"
    return Sides(lockfiles=sides, base=base, how=how)


def _from_markers(text: str, name: str) -> Sides:
    """Return both sides by the markers; StateUnreadable when their lines do not make two lockfiles."""
    found = []
    for side, words in zip(split_sides(text, name), ("ours", "theirs"), strict=True):
        audited = audit(side.encode(), f"{name} ({words})", full_catalog())
        if audited.lockfile is None or audited.problems:
            first = audited.problems[0]
            at = f"{first.mark.file}:{first.mark.line}: " if first.mark else ""
            raise StateUnreadable(f"{at}{first.message}", hint=_MIXED)
        found.append(audited.lockfile)
    return Sides(lockfiles=tuple(found), how=f"{name}: both sides were taken apart at the conflict markers")


def merge_files(paths: Sequence[Path], base: Path | None, name: str | None) -> Merged:
    """Return the merge of all files; `base` is their common ancestor, `name` the file's name in messages.

    A base that is empty or cannot be read is none: git gives an empty one where both sides added the file.
    """
    found = [read_sides(path, name or str(path), ask_git=base is None) for path in paths]
    lockfiles = [lockfile for sides in found for lockfile in sides.lockfiles]
    began = found[0].base if len(found) == 1 else None
    if base is not None:
        began = _read_base(base)
    together = merge if began is None else lambda one, other: merge_from(began, one, other)
    notes = [sides.how for sides in found if sides.how]
    names = sorted({lockfile.manifest for lockfile in lockfiles})
    if len(kinds(receipt for lockfile in lockfiles for receipt in lockfile.renders.values())) > 1:
        hint = "merge them apart: what was simulated must not pass for bought"
        raise Refused("mixed-origins", "these lockfiles hold simulated receipts and real ones", hint=hint)
    merged = reduce(together, lockfiles)
    if len(names) > 1:
        notes.append(f"note: these are lockfiles of {' and '.join(names)}, joined as that of {merged.manifest}")
    return Merged(lockfile=merged, parts=len(lockfiles), notes=tuple(notes))


def is_lockfile(path: Path) -> bool:
    """Whether a merge may be written to a path: nothing stands there, or nothing but a lockfile, or it is a stream."""
    if not storage.is_replaced(path):
        return True
    data = storage.read_if_there(path, limit=_MOST_BYTES)
    return data is None or not data.strip() or b'"lockfile_version"' in data


def write_merged(path: Path, lockfile: Lockfile) -> None:
    """Replace a lockfile by the merged one, behind the user's links; Refused while a run works on it."""
    data = serialize(lockfile)
    if not storage.is_replaced(path):
        storage.put(path, data)
        return
    place = storage.resolve(path).real
    held = lock_path(place)
    if storage.size_of(held) is None:
        storage.write_atomic(place, data)
        return
    with storage.Lock(held):
        storage.write_atomic(place, data)


def _read_base(path: Path) -> Lockfile | None:
    data = storage.read_if_there(path, limit=_MOST_BYTES)
    if data is None:
        raise Invalid([Problem(code="file-not-found", message=f"there is no file `{path}`")])
    return _parse_base(data)


def _parse_base(data: bytes) -> Lockfile | None:
    """Return the base, None where it is none: all receipts are kept without it, only removed jobs may come back."""
    try:
        return parse(data, "")
    except StateUnreadable:
        return None
