"""The file of approvals, `<stem>.approvals.json` beside the lockfile: strict reading, deterministic writing, merging.

Records are kept by their content's hash, so that a merge is a union: commutative, associative and idempotent. A record
that was altered, or that lists other purchases than its digest covers, is an error with file and line.
`schemas/approvals.schema.json` is generated from the type.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from kbatch.errors import StateUnreadable
from kbatch.receipts.approvals.approval import Approval
from kbatch.receipts.json_text import DocumentHints, line_of, read_document, write_json
from kbatch.receipts.shapes import Count, Digest, ShapeError, shaped

VERSION = 1
SUFFIX = ".approvals.json"
_HINTS = DocumentHints(
    restore="restore it from git; `kbatch approve` records an approval anew",
    merge="`kbatch lock merge FILE --out FILE` takes both sides apart and keeps every approval",
)

Approvals = Mapping[str, Approval]
"""Approvals by id."""


class ApprovalsJson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who agreed to which plans of a manifest: `<manifest stem>.approvals.json`, sorted, for review and git.

    It holds no key. An entry alone is no proof of who wrote it: see `seal` and `signature`.
    """

    approvals_version: Annotated[Count, Meta(description="The version of the format; a greater one: upgrade kbatch")]
    approvals: Annotated[dict[Digest, Approval], Meta(description="Approvals by the SHA-256 of their content")]


def parse(data: bytes, name: str) -> dict[str, Approval]:
    """Return the approvals in `data`; StateUnreadable has `name`, the line and a hint."""
    text, value = read_document(data, name, _HINTS)
    version = value.get("approvals_version") if isinstance(value, dict) else None
    if type(version) is int and version > VERSION:
        message = f"{name}:{line_of(text, ('approvals_version',))}: has approvals_version {version}"
        raise StateUnreadable(f"{message}, this kbatch reads {VERSION}", hint="a newer kbatch wrote it: upgrade kbatch")
    try:
        found = shaped(value, ApprovalsJson).approvals
        for key, approval in found.items():
            _check(key, approval)
    except ShapeError as error:
        raise StateUnreadable(f"{name}:{line_of(text, error.path)}: {error}", hint=_HINTS.restore) from None
    return found


def _check(key: str, approval: Approval) -> None:
    try:
        altered, covers = approval.id != key, approval.plan.digest
    except ValueError:  # json.dumps refuses what no JSON text can hold
        altered, covers = True, ""
    if altered:
        raise ShapeError("was changed after it was written: its content has another hash", ("approvals", key))
    if covers != approval.digest:
        raise ShapeError("approves another digest than that of the purchases it lists", ("approvals", key, "digest"))


def serialize(approvals: Approvals) -> bytes:
    """Return the bytes of the file; the same for the same approvals in any order."""
    fields: dict[str, Any] = {
        "approvals_version": VERSION,
        "approvals": {key: to_builtins(approval) for key, approval in approvals.items()},
    }
    return write_json(fields)


def merge(one: Approvals, other: Approvals) -> dict[str, Approval]:
    """Return the union of two files' approvals; an approval is never removed by a merge."""
    return {**one, **other}
