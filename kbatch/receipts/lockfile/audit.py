"""Audits a lockfile: all problems at once, each with its line; the files that it names are not read.

First it must be readable; then it is checked for faults of a manual edit or merge. A receipt must hash to its
fingerprint, a provider's job belongs to one receipt, an index entry refers to an existing receipt, and no path leads
out of the manifest's folder. A hash that cannot be computed again (an unknown model, an image URL without its query) is
not a problem.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from msgspec import Struct

from kbatch.errors import Mark, Problem, StateUnreadable
from kbatch.models.cards import Catalog
from kbatch.models.fingerprint import fingerprint
from kbatch.receipts.join import records_of
from kbatch.receipts.json_text import lines_of
from kbatch.receipts.lockfile.lockfile import Lockfile, parse
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.shapes import Path
from kbatch.receipts.simulated_origin import kinds

UNREADABLE = "lockfile-unreadable"
OUTSIDE = "lockfile-path"
FINGERPRINT = "fingerprint-differs"
JOB_TWICE = "job-of-two-receipts"
NO_RECEIPT = "no-such-receipt"
MIXED = "mixed-origins"

MEANINGS: Mapping[str, str] = {
    UNREADABLE: "the file cannot be read as a lockfile: markers of a merge, another version, or not the right shape",
    OUTSIDE: "a path of a clip leads out of the manifest's folder, or names a file that is no clip's",
    FINGERPRINT: "a receipt's request does not hash to the fingerprint under which it stands",
    JOB_TWICE: "one job of a provider stands in two receipts",
    MIXED: "simulated receipts stand beside real ones, and would pass for bought",
    NO_RECEIPT: "a job refers to a receipt that is not in the file, so it would be bought again",
}

_PLAIN = re.compile(r"\w[\w-]*(?:\.[\w-]+)*(?:/\w[\w-]*(?:\.[\w-]+)*)*")  # no colon, no backslash, no two dots
_MOST_TAKES = 1000
_RESTORE = "restore it from git; what was bought from here since then is read again from `.kbatch/history/`"
CLIPS = "a clip ends in `.mp4`, and no folder on its way begins with a dot"
_RELATIVE = "paths are relative to the manifest and stay in its folder"
_URL = re.compile(r"https?://", re.IGNORECASE)


class Audit(Struct, frozen=True, kw_only=True):
    """The result of an audit; `lockfile` is None when it cannot be read."""

    lockfile: Lockfile | None
    problems: tuple[Problem, ...]


def audit(data: bytes, name: str, catalog: Catalog) -> Audit:
    """Return the problems of the lockfile in `data`, in the order of its lines."""
    try:
        lockfile = parse(data, name)
    except StateUnreadable as error:
        return Audit(lockfile=None, problems=(_unreadable(error, name),))
    found = [*_entries(lockfile), *_receipts(lockfile, catalog), *_jobs_twice(lockfile), *_mixed(lockfile)]
    if not found:
        return Audit(lockfile=lockfile, problems=())
    text = data.decode("utf-8-sig")
    lines = lines_of(text, [finding.path[:depth] for finding in found for depth in range(1, len(finding.path) + 1)])
    sources = text.split("\n")
    problems = [finding.at(name, _deepest(lines, finding.path), sources) for finding in found]
    return Audit(lockfile=lockfile, problems=tuple(sorted(problems, key=_line)))


def is_outside(path: str) -> bool:
    """Whether a clip's path leads out of the manifest's folder, on any system."""
    if _PLAIN.fullmatch(path):
        return False
    windows = PureWindowsPath(path)
    absolute = PurePosixPath(path).is_absolute() or bool(windows.drive or windows.root)
    return absolute or "\0" in path or ".." in windows.parts


def is_clip_path(path: str) -> bool:
    """Whether a clip may have this path, so that moving a clip cannot replace another kind of file."""
    parts = PureWindowsPath(path).parts
    return path.endswith(".mp4") and not any(part.startswith(".") and part not in ("..", ".kept") for part in parts)


class _Finding(Struct, frozen=True, kw_only=True):
    """A problem at a JSON path, before its line is known."""

    code: str
    path: Path
    message: str
    hint: str

    def at(self, name: str, line: int, sources: list[str]) -> Problem:
        source = sources[line - 1]
        indent = len(source) - len(source.lstrip())
        mark = Mark(file=name, line=line, column=indent + 1, width=max(1, len(source.strip())), source=source)
        return Problem(code=self.code, message=self.message, mark=mark, hint=self.hint)


def _deepest(lines: Mapping[Path, int], path: Path) -> int:
    return next((lines[path[:depth]] for depth in range(len(path), 0, -1) if path[:depth] in lines), 1)


def _line(problem: Problem) -> int:
    return problem.mark.line if problem.mark else 0


def _unreadable(error: StateUnreadable, name: str) -> Problem:
    found = re.match(r":(\d+): ", error.message.removeprefix(name))
    line = int(found[1]) if found else 1
    words = error.message.removeprefix(name).removeprefix(found[0]) if found else error.message
    return Problem(
        code=UNREADABLE, message=f"the lockfile {words}", mark=Mark(file=name, line=line, column=1), hint=error.hint
    )


def _entries(lockfile: Lockfile) -> Iterator[_Finding]:
    yield from _index(lockfile, lockfile.jobs, ())
    for profile, jobs in lockfile.profiles.items():
        yield from _index(lockfile, jobs, ("profiles", profile))


def _index(lockfile: Lockfile, jobs: Mapping[str, IndexEntry], where: Path) -> Iterator[_Finding]:
    for address, entry in jobs.items():
        path = (*where, "jobs", address)
        if entry.fingerprint not in lockfile.renders:
            message = f"`{address}` refers to a receipt that is not here, so it would be bought again"
            yield _Finding(code=NO_RECEIPT, path=(*path, "fingerprint"), message=message, hint=_RESTORE)
        if is_outside(entry.path):
            message = f"the clip of `{address}` would lie outside the manifest's folder: `{entry.path}`"
            yield _Finding(code=OUTSIDE, path=(*path, "path"), message=message, hint=_RELATIVE)
        elif not is_clip_path(entry.path):
            message = f"`{address}` names `{entry.path}` as its clip, and no clip lies there"
            yield _Finding(code=OUTSIDE, path=(*path, "path"), message=message, hint=CLIPS)


def _receipts(lockfile: Lockfile, catalog: Catalog) -> Iterator[_Finding]:
    takes = _takes(lockfile)
    for key, receipt in lockfile.renders.items():
        for path, record in _attempts_with_paths(key, receipt):
            if record.output is not None and is_outside(record.output.path):
                message = f"a clip lies outside the manifest's folder: `{record.output.path}`"
                yield _Finding(code=OUTSIDE, path=(*path, "output", "path"), message=message, hint=_RELATIVE)
            elif record.output is not None and not is_clip_path(record.output.path):
                message = f"`{record.output.path}` is named as a clip, and no clip lies there"
                yield _Finding(code=OUTSIDE, path=(*path, "output", "path"), message=message, hint=CLIPS)
            if _differs(key, record, catalog, takes.get(key)):
                message = "this request is not the one that the receipt's fingerprint stands for"
                yield _Finding(code=FINGERPRINT, path=(*path, "request"), message=message, hint=_RESTORE)


def _attempts_with_paths(key: str, receipt: Receipt) -> Iterator[tuple[Path, Receipt]]:
    """Yield each attempt of a receipt with its JSON path; the order in the file may differ."""
    yield ("renders", key), receipt
    for name, others in (("also", receipt.also), ("failed", receipt.failed)):
        for index, record in enumerate(others):
            yield ("renders", key, name, index), record


def _takes(lockfile: Lockfile) -> dict[str, int]:
    """Return the take of each receipt with an index entry: the number after `@` in the address, else 1."""
    takes: dict[str, int] = {}
    for jobs in (lockfile.jobs, *lockfile.profiles.values()):
        for address, entry in jobs.items():
            take = address.rpartition("@")[2]
            takes[entry.fingerprint] = int(take) if take.isascii() and take.isdigit() else 1
    return takes


def _differs(key: str, record: Receipt, catalog: Catalog, take: int | None) -> bool:
    card = catalog.find(record.provider, record.model)
    if card is None or not record.request or _cut(record.request):
        return False
    try:
        takes = (take,) if take is not None else range(1, _MOST_TAKES + 1)
        return all(fingerprint(record.provider, record.model, record.request, one, card) != key for one in takes)
    except (KeyError, TypeError, ValueError, AttributeError):
        return True


def _cut(value: Any) -> bool:
    """Whether some string of a request is a URL, whose query may have been removed after hashing."""
    if isinstance(value, str):
        return _URL.match(value) is not None
    if isinstance(value, Mapping):
        return any(_cut(item) for item in value.values())
    return isinstance(value, list | tuple) and any(_cut(item) for item in value)


def _mixed(lockfile: Lockfile) -> Iterator[_Finding]:
    if len(kinds(lockfile.renders.values())) > 1:
        for key, receipt in lockfile.renders.items():
            if True in kinds((receipt,)):
                message = "a simulated receipt stands among real ones, and would pass for bought"
                yield _Finding(code=MIXED, path=("renders", key, "origin"), message=message, hint=_RESTORE)


def _jobs_twice(lockfile: Lockfile) -> Iterator[_Finding]:
    owners: dict[tuple[str, str, str], str] = {}
    for key, receipt in lockfile.renders.items():
        for record in records_of(receipt):
            if record.job_id is None:
                continue
            owner = owners.setdefault((record.provider, record.origin, record.job_id), key)
            if owner != key:
                message = f"job {record.job_id} stands in the receipt {owner[:12]} too, and one job is one purchase"
                yield _Finding(code=JOB_TWICE, path=("renders", key), message=message, hint=_RESTORE)
