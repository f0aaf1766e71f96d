"""The lockfile as text and as a value: `parse` is strict, `serialize` is deterministic.

The file is sorted and indented, so that git can show and merge it. An unreadable lockfile is an error with file and
line, and is never treated as empty, since its receipts were paid. `schemas/lockfile.schema.json` describes the shape.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from kbatch.errors import StateUnreadable
from kbatch.receipts.claims import Claim, spent_of
from kbatch.receipts.join import combine_records, records_of
from kbatch.receipts.json_text import DocumentHints, line_of, read_document, write_json
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry, LockfileJson, check_jobs, receipt_json
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.shapes import Path, ShapeError, shaped

VERSION = 1

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_RESTORE = "restore it from git; what was bought from here since then is read again from `.kbatch/history/`"
_HINTS = DocumentHints(
    restore=_RESTORE, merge="`kbatch lock merge FILE --out FILE` takes both sides apart and keeps what either knows"
)


class Lockfile(Struct, frozen=True, kw_only=True):
    """Receipts by fingerprint and an index of jobs by address; each profile has an index of its own.

    `claims` are the approvals that runs have used or begun to use, by digest.
    """

    manifest: str
    jobs: Mapping[str, IndexEntry] = {}
    renders: Mapping[str, Receipt] = {}
    profiles: Mapping[str, Mapping[str, IndexEntry]] = {}
    claims: Mapping[str, Claim] = {}

    def of(self, profile: str | None) -> Mapping[str, IndexEntry]:
        """Return the index of a profile, None for the manifest itself."""
        return self.jobs if profile is None else self.profiles.get(profile, {})

    def of_others(self, profile: str | None) -> list[Mapping[str, IndexEntry]]:
        """Return the indexes of all other profiles."""
        others = [index for name, index in self.profiles.items() if name != profile]
        return others if profile is None else [self.jobs, *others]


def parse(data: bytes, name: str) -> Lockfile:
    """Return the lockfile in `data`; StateUnreadable has `name`, the line and a hint."""
    return _parse_written(data) or _read(*read_document(data, name, _HINTS), name)


def _parse_written(data: bytes) -> Lockfile | None:
    """Return the lockfile in bytes that `serialize` would write; None for all others.

    The comparison excludes what the decoder ignores, such as duplicate names. Without it a fresh clone's lockfile of
    100,000 receipts is read in 1.5 times the CPU time.
    """
    try:
        lockfile = _of_checked(_STRICT.decode(data))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return lockfile if serialize(lockfile) == data else None


def parse_trusted(data: bytes) -> Lockfile | None:
    """Return the lockfile in bytes that `serialize` wrote on this machine, which the caller has verified by digest.

    The shape is not checked again; None when the bytes are no lockfile, for which `parse` raises the error. Without it
    `plan --check` of 100,000 receipts takes 1.5 times the CPU time and the memory.
    `tests/receipts/test_lockfile_text.py` holds it equal to `parse`.
    """
    try:
        return _in_memory(_OWN.decode(data))
    except msgspec.MsgspecError:
        return None


class _Profile(Struct, frozen=True, kw_only=True):
    jobs: dict[str, IndexEntry]


class _Document(Struct, frozen=True, kw_only=True):
    """A lockfile's JSON whose shape is known, with receipts as the program uses them."""

    lockfile_version: Literal[1]
    manifest: str
    jobs: dict[str, IndexEntry]
    renders: dict[str, Receipt]
    profiles: dict[str, _Profile] = {}
    claims: dict[str, Claim] = {}


_STRICT = msgspec.json.Decoder(LockfileJson)
_OWN = msgspec.json.Decoder(_Document)


def _of_checked(document: LockfileJson) -> Lockfile:
    check_jobs(document)
    return _in_memory(msgspec.convert(document, _Document, from_attributes=True))


def _in_memory(document: _Document) -> Lockfile:
    renders = document.renders
    for fingerprint, receipt in renders.items():
        if receipt.also or receipt.failed:
            renders[fingerprint] = combine_records(records_of(receipt), last_attempt=receipt.last_attempt)
    profiles = {name: profile.jobs for name, profile in document.profiles.items()}
    return Lockfile(
        manifest=document.manifest, jobs=document.jobs, renders=renders, profiles=profiles, claims=document.claims
    )


def serialize(lockfile: Lockfile) -> bytes:
    """Return the bytes of a lockfile; the same for every value that `parse` reads back as this one."""
    fields: dict[str, Any] = {
        "lockfile_version": VERSION,
        "manifest": lockfile.manifest,
        "jobs": lockfile.jobs,
        "renders": {fingerprint: receipt_json(receipt) for fingerprint, receipt in lockfile.renders.items()},
    }
    if lockfile.profiles:
        fields["profiles"] = {name: {"jobs": jobs} for name, jobs in lockfile.profiles.items()}
    if lockfile.claims:
        fields["claims"] = {
            key: {**asdict(claim), "spent": spent_of(claim, lockfile.renders)} for key, claim in lockfile.claims.items()
        }
    return write_json(fields)


def _read(text: str, value: Any, name: str) -> Lockfile:
    version = value.get("lockfile_version") if isinstance(value, dict) else None
    if type(version) is int and version > VERSION:
        line = line_of(text, ("lockfile_version",))
        message = f"{name}:{line}: has lockfile_version {version}, this kbatch reads {VERSION}"
        raise StateUnreadable(message, hint="a newer kbatch wrote it: upgrade kbatch")
    try:
        lockfile = _of_checked(shaped(value, LockfileJson))
        if _SURROGATE_ESCAPE.search(text):
            _refuse_lone_surrogates(value)
    except ShapeError as error:
        line = line_of(text, error.path)
        raise StateUnreadable(f"{name}:{line}: {error}", hint=_RESTORE) from None
    return lockfile


def _refuse_lone_surrogates(value: Any) -> None:
    """Raise ShapeError for a lone surrogate in a request or a name; an error's message may contain one."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, dict):
            waiting += [((*path, _check_encodable(name, path)), item) for name, item in found.items()]
        elif isinstance(found, list):
            waiting += [((*path, index), item) for index, item in enumerate(found)]
        elif isinstance(found, str) and path != ("manifest",) and path[-2:-1] != ("error",):
            _check_encodable(found, path)


def _check_encodable(text: str, path: Path) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ShapeError("has half a character (a lone surrogate)", path) from None
    return text
