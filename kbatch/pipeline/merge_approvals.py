"""Merges files of approvals on disk: each whole, or as the sides of a stopped git merge; the result is their union."""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

from msgspec import Struct

from kbatch import storage
from kbatch.errors import Invalid, Problem
from kbatch.receipts.approvals.approvals_file import Approvals, merge, parse, serialize
from kbatch.receipts.lockfile.conflict_markers import has_markers, split_sides
from kbatch.storage.git.conflicts import find_conflict

_MOST_BYTES = 256 * storage.MEBIBYTE
_VERSION = b'"approvals_version"'


class MergedApprovals(Struct, frozen=True, kw_only=True):
    """The union, and the number of files or sides that it was made of."""

    approvals: Approvals
    parts: int


def holds_approvals(path: Path) -> bool:
    """Whether a file is one of approvals, by its content: git gives a merge driver names of its own."""
    return _VERSION in (storage.read_if_there(path, limit=_MOST_BYTES) or b"")


def merge_approval_files(paths: Sequence[Path], name: str | None, *, ask_git: bool) -> MergedApprovals:
    """Return the union of all files, which messages call `name`; StateUnreadable when one cannot be read."""
    sides = [side for path in paths for side in _sides(path, name or str(path), ask_git=ask_git)]
    return MergedApprovals(approvals=reduce(merge, sides), parts=len(sides))


def write_merged_approvals(path: Path, approvals: Approvals) -> None:
    """Replace a file of approvals by the merged one, behind the user's links."""
    data = serialize(approvals)
    if storage.is_replaced(path):
        storage.write_atomic(storage.resolve(path).real, data)
    else:
        storage.put(path, data)


def _sides(path: Path, name: str, *, ask_git: bool) -> list[Approvals]:
    data = storage.read_if_there(path, limit=_MOST_BYTES)
    if data is None:
        raise Invalid([Problem(code="file-not-found", message=f"there is no file `{name}`")])
    text = data.decode("utf-8-sig", "replace")
    marked = has_markers(text)
    conflict = find_conflict(path, marked=data if marked else None, limit=_MOST_BYTES) if ask_git else None
    if conflict is not None:
        return [parse(side, name) for side in conflict.sides]
    # A record is kept under the hash of its content, so lines of two records that came together are noticed.
    return [parse(side.encode(), name) for side in split_sides(text, name)] if marked else [parse(data, name)]
