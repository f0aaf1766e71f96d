"""The JSON of a lockfile: the types of `receipt` and `claims` with every written field required and no other allowed.

`schemas/lockfile.schema.json` is generated from these types.
"""

from collections.abc import Collection
from types import GenericAlias
from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta, Struct, convert, defstruct, field
from msgspec.structs import FieldInfo, fields, force_setattr, replace

from kbatch.receipts.claims import Claim
from kbatch.receipts.receipt import Credits, Output, Receipt, ReceiptState
from kbatch.receipts.shapes import Amount, Count, Digest, Moment, Path, ShapeError, Storable

_JOURNAL_ONLY = ("address", "key", "body", "provider_time")
_LISTS = ("also", "failed", "last_attempt")
_NO_JOB = {"if": {"properties": {"state": {"const": "unknown"}}}, "then": {"properties": {"job_id": {"type": "null"}}}}
_JOB = {
    "if": {"properties": {"state": {"enum": ["submitted", "rendered", "done", "delivered-wrong"]}}},
    "then": {"properties": {"job_id": {"type": "string"}}},
}
_JOB_RULE = Meta(extra_json_schema={"allOf": [_NO_JOB, _JOB]})


def _written(
    title: str, of: type[Struct], *, optional: Collection[str] = (), without: Collection[str] = (), **types: Any
) -> Any:
    """Return the type of a value's JSON; optional fields are left out at their default, `types` replace or add some."""
    known = {field.name: field for field in fields(of) if field.name not in without}
    found = {name: field.type for name, field in known.items()}
    for name, kind in types.items():
        notes = get_args(found[name])[1:] if get_origin(found.get(name)) is Annotated else ()
        found[name] = Annotated[(kind, *notes)] if notes else kind
    return defstruct(
        title,
        [(name, kind, _default(known[name])) if name in optional else (name, kind) for name, kind in found.items()],
        namespace={"__doc__": (of.__doc__ or "").partition("\n")[0]},
        frozen=True,
        kw_only=True,
        omit_defaults=True,
        forbid_unknown_fields=True,
    )


def _default(of: FieldInfo) -> Any:
    return field(default_factory=list) if of.default == () else of.default


class IndexEntry(Struct, frozen=True, kw_only=True, gc=False):
    """The index entry of a job."""

    fingerprint: Annotated[str, Meta(description="Key of the receipt under `renders`")]
    path: Annotated[str, Meta(description="Where the clip belongs, relative to the manifest")]


def _receipt_type(text: Any, moment: Any, digest: Any) -> Any:
    """Return the type of a receipt's JSON; an attempt in its lists is the same without lists."""
    output = _written(
        "Output", Output, optional=("placed_at",), without=("placed",), path=text, sha256=digest, placed_at=moment
    )
    types = {
        "job_id": text | None,
        "client_request_id": text | None,
        "credits": _written("Credits", Credits, optional=("charged",)),
        "submitted_at": moment | None,
        "finished_at": moment | None,
        "output": output | None,
    }
    seldom = ("account", "client_request_id", "endpoint", "purchase", "accepted_as_is", "refund_claim")
    attempt = _written("Attempt", Receipt, optional=seldom, without=(*_JOURNAL_ONLY, *_LISTS), **types)
    attempts = GenericAlias(list, (Annotated[(attempt, _JOB_RULE)],))
    lists = {"also": attempts, "failed": attempts, "last_attempt": Count}
    return _written("Receipt", Receipt, optional=(*seldom, *_LISTS), without=_JOURNAL_ONLY, **types, **lists)


ReceiptJson: Any = _receipt_type(Storable, Moment, Digest)
_Unchecked = _receipt_type(str, str, str)
"""A receipt that is written: it was checked before, and a check of its texts would take as long as writing it."""

_spent = Meta(description="What its purchases were charged, by their receipts; null: not reported")
_ClaimJson: Any = _written("Claim", Claim, spent=Annotated[dict[str, Amount | None], _spent])


_IndexEntry: Any = _written("IndexEntry", IndexEntry, fingerprint=Storable, path=Storable)


class ProfileJson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The index of a profile."""

    jobs: dict[str, _IndexEntry]


class LockfileJson(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a manifest's jobs have bought, by fingerprint: `<manifest stem>.lock.json`, sorted, for review and git.

    It holds no key, and no query of a URL.
    """

    lockfile_version: Annotated[Count, Meta(description="The version of the format; a greater one: upgrade kbatch")]
    manifest: Annotated[str, Meta(description="The manifest's file name")]
    jobs: Annotated[dict[str, _IndexEntry], Meta(description="What each job of the manifest refers to, by address")]
    renders: Annotated[
        dict[str, Annotated[ReceiptJson, _JOB_RULE]],
        Meta(description="Receipts by fingerprint; those that no job refers to any more are kept"),
    ]
    profiles: Annotated[dict[str, ProfileJson], Meta(description="The jobs of each profile; receipts are shared")] = {}
    claims: Annotated[
        dict[str, _ClaimJson], Meta(description="Approvals that runs have used or begun to use, by the plan's digest")
    ] = {}


def receipt_json(receipt: Receipt) -> Any:
    """Return the JSON of a receipt as a value that msgspec encodes; the clip only where it is at its place."""
    written = convert(_placed(receipt), _Unchecked, from_attributes=True)
    if written.last_attempt == written.attempt:
        force_setattr(written, "last_attempt", 0)
    return written


def _placed(receipt: Receipt) -> Receipt:
    output = receipt.output
    if output is not None and not (output.placed and output.sha256):
        receipt = replace(receipt, output=None)
    if receipt.also or receipt.failed:
        receipt = replace(receipt, also=tuple(map(_placed, receipt.also)), failed=tuple(map(_placed, receipt.failed)))
    return receipt


def check_jobs(document: LockfileJson) -> None:
    """Check what the types cannot say of each attempt; ShapeError has the path of the first fault."""
    for fingerprint, receipt in document.renders.items():
        _check_job(receipt, ("renders", fingerprint))
        for name in ("also", "failed"):
            for index, attempt in enumerate(getattr(receipt, name)):
                _check_job(attempt, ("renders", fingerprint, name, index))


def _check_job(attempt: Any, path: Path) -> None:
    """Check that state and job id agree: `unknown` has none, an accepted job has one."""
    state, job_id = attempt.state, attempt.job_id
    if state is ReceiptState.UNKNOWN and job_id is not None:
        raise ShapeError("must be null in state `unknown`", (*path, "job_id"))
    if state not in (ReceiptState.UNKNOWN, ReceiptState.FAILED) and job_id is None:
        raise ShapeError(f"must not be null in state `{state}`", (*path, "job_id"))
    if attempt.output is not None:  # each number has one spelling
        force_setattr(attempt.output, "media", attempt.output.media.in_one_spelling())
