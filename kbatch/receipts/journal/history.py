"""Rotated journals, and the index of those that the lockfile already contains.

A history file is `.kbatch/history/<stem>.<run id>.jsonl`. The index `<stem>.covered.json` beside it saves reading all
of them at every start: while the lockfile has the bytes written last, covered files are not read again. Without an
index that is readable and sealed by this user everything is read. An unsealed index can only refuse: a plan that it
lists as used, receipts that the lockfile lacks.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from kbatch import storage
from kbatch.receipts.journal.seals import Seals
from kbatch.receipts.json_text import parse_json
from kbatch.receipts.shapes import Amount, shaped
from kbatch.storage.state_key import find_key, make_key

RUN_ID = re.compile(r"[A-Za-z0-9_-]+")
"""A run id holds no dot, so that the history of `a` and of `a.sim` cannot be confused."""


class HistoryIndex(Struct, frozen=True, kw_only=True):
    """SHA-256 and number of receipts of the lockfile written last, covered history files, used plans."""

    lockfile: str = ""
    renders: int = 0
    history: frozenset[str] = frozenset()
    used_plans: frozenset[str] = frozenset()
    own: bool = False

    def matches(self, data: bytes | None) -> bool:
        """Whether a lockfile has the bytes that kbatch wrote last, by an index that this user sealed."""
        return self.own and data is not None and hashlib.sha256(data).hexdigest() == self.lockfile


class _IndexFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON of the index."""

    lockfile: str
    renders: Amount
    history: list[str]
    used_plans: list[str]
    seal: str | UnsetType = UNSET


def stem_of(lockfile_path: Path) -> str:
    """Return the stem of the files that belong to a lockfile: `campaign` for `campaign.lock.json`."""
    return lockfile_path.name.removesuffix(".lock.json")


def state_folder(lockfile_path: Path) -> Path:
    """Return the folder beside a lockfile for this machine's files: journals and their history."""
    return lockfile_path.parent / ".kbatch"


def ignore_in_git(folder: Path) -> None:
    """Write a `.gitignore` that excludes a state folder from git."""
    if storage.size_of(folder / ".gitignore") is None:
        storage.write_atomic(folder / ".gitignore", b"*\n")


def history_files(lockfile_path: Path) -> list[Path]:
    """Return the rotated journals of this lockfile, in no particular order."""
    begins = f"{stem_of(lockfile_path)}."
    found = storage.names_in(state_folder(lockfile_path) / "history", "*.jsonl")
    return [path for path in found if path.stem.startswith(begins) and RUN_ID.fullmatch(path.stem[len(begins) :])]


def index_path(lockfile_path: Path) -> Path:
    """Return the path of a lockfile's index."""
    return state_folder(lockfile_path) / "history" / f"{stem_of(lockfile_path)}.covered.json"


def read_history_index(lockfile_path: Path) -> HistoryIndex:
    """Return the index; an empty one when there is none or it cannot be read."""
    data = storage.read_if_there(index_path(lockfile_path))
    if data is None:
        return HistoryIndex()
    try:
        index = shaped(parse_json(data.decode("utf-8")), _IndexFile)
    except ValueError:
        return HistoryIndex()
    return HistoryIndex(
        lockfile=index.lockfile,
        renders=index.renders,
        history=frozenset(index.history),
        used_plans=frozenset(index.used_plans),
        own=_is_own(index, stem_of(lockfile_path)),
    )


def _is_own(index: _IndexFile, stem: str) -> bool:
    if index.seal is UNSET:
        return False
    key, said = find_key(), asdict(index)
    seal = said.pop("seal")
    return key is not None and Seals(key=key, stem=stem).verifies("index", _index_bytes(said), seal)


def _index_bytes(index: Mapping[str, Any]) -> bytes:
    return json.dumps(index, sort_keys=True).encode("ascii")


def unread_files(lockfile_path: Path, covered: HistoryIndex, *, own: bool) -> list[Path]:
    """Return the history files that a lockfile may not contain; `own`: the lockfile matches the index."""
    return [path for path in history_files(lockfile_path) if not (own and path.name in covered.history)]


def write_history_index(lockfile_path: Path, data: bytes, *, renders: int, used_plans: frozenset[str]) -> None:
    """Write the index: the lockfile with these bytes contains all history files and used plans."""
    index: dict[str, Any] = {
        "lockfile": hashlib.sha256(data).hexdigest(),
        "renders": renders,
        "history": sorted(path.name for path in history_files(lockfile_path)),
        "used_plans": sorted(used_plans),
    }
    index["seal"] = Seals(key=make_key().secret, stem=stem_of(lockfile_path)).of("index", _index_bytes(index))
    ignore_in_git(state_folder(lockfile_path))
    storage.write_atomic(index_path(lockfile_path), json.dumps(index, indent=2).encode("ascii") + b"\n")
