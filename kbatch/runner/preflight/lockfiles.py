"""Finds lockfiles and reads their receipts, with what journals beside them know and a lockfile does not have yet."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from kbatch import storage
from kbatch.errors import Invalid, Problem, StateUnreadable
from kbatch.receipts import store
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.simulated_origin import check_not_mixed

_ENDING = ".lock.json"
_SIMULATED = ".sim"
_JOURNAL = ".journal.jsonl"
_READINGS = 8
"""How often a lockfile is read again that a run replaced meanwhile; a run does so every few seconds at most."""


class FoundLockfile(Struct, frozen=True, kw_only=True):
    """A lockfile, which a first run that was killed has not written yet, and its receipts."""

    path: Path
    renders: Mapping[str, Receipt]


def read_lockfiles(paths: Iterable[Path], *, simulated: bool) -> tuple[FoundLockfile, ...]:
    """Return the lockfiles at these paths and in these folders, each once; Invalid for a path that leads to none."""
    found: dict[Path, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            for one in lockfiles_below(path, simulated=simulated):
                found.setdefault(one.resolve(), one)
        elif storage.size_of(path) is None:
            problems.append(Problem(code="file-not-found", message=f"there is no file `{path}`"))
        elif not path.name.endswith(_ENDING):
            hint = f"its lockfile is `{path.with_suffix(_ENDING).name}`" if path.suffix in (".yaml", ".yml") else None
            problems.append(Problem(code="not-a-lockfile", message=f"`{path}` is no lockfile", hint=hint))
        else:
            found.setdefault(path.resolve(), path)
    if problems:
        raise Invalid(problems)
    meant = [real if storage.is_link(path) else path for real, path in found.items()]
    return tuple(FoundLockfile(path=path, renders=read_renders(path, simulated=simulated)) for path in meant)


def lockfiles_below(folder: Path, *, simulated: bool) -> Iterator[Path]:
    """Yield the lockfiles in a folder and below, without links and hidden folders; other tools' files are left out."""
    names: dict[Path, None] = {}
    for path in storage.files_below(folder):
        parts = path.relative_to(folder).parts
        hidden = [part for part in parts[:-1] if part.startswith(".")]
        if path.name.endswith(_ENDING) and not hidden and not storage.is_link(path) and _is_ours(path):
            names[path] = None
        elif path.name.endswith(_JOURNAL) and hidden == [".kbatch"] == list(parts[-2:-1]):
            names[path.parent.parent / f"{path.name.removesuffix(_JOURNAL)}{_ENDING}"] = None
    for path in sorted(names):
        if path.name.removesuffix(_ENDING).endswith(_SIMULATED) == simulated:
            yield path


def _is_ours(path: Path) -> bool:
    data = storage.read_if_there(path) or b""
    return b'"lockfile_version"' in data or not data.strip()


def read_renders(lockfile: Path, *, simulated: bool) -> Mapping[str, Receipt]:
    """Return the receipts of a lockfile and its journal, as they were at one moment of a run that may go on.

    A run writes the lockfile first and puts the journal away then: while the lockfile stays the same, no event can
    have gone from the one to the other between two reads.
    """
    for _ in range(_READINGS):
        before = _status(lockfile)
        renders = store.load(lockfile, manifest_name=None).lockfile.renders
        if _status(lockfile) == before:
            check_not_mixed(renders, lockfile.name, simulated=simulated)
            return renders
    raise StateUnreadable(f"{lockfile}: changes faster than it can be read", hint="try again")


def _status(lockfile: Path) -> storage.FileStatus | None:
    return storage.FolderSnapshot(lockfile.parent).at(lockfile.name)
