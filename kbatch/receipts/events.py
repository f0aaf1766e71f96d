"""Events as values and as JSON lines with sorted keys, in ASCII.

A `Fact` is given to the journal, which adds time, run and sequence and so makes it an `Event`. A fact is validated when
it is created, a line when it is read; the types of `json_checks` make the common case ten times as fast. The data of
each kind, also described in `schemas/events.schema.json`:

    intended         address, provider, model, variant, origin, key (Idempotency-Key), credits (the quote, null: no
                     known price), request (the identity body), inputs (by parameter), body (the bytes sent, as text;
                     null where the provider never resends)
                     optional provider_time: when, by the provider's own clock, which decides how long its key holds;
                     account: the buyer, if reported (team, user, key: the key prefix; name: the account's, if not the
                     default one)
    lost             sent_at, message: why the outcome is unknown
    refused          sent_at, reason, message, by (submit | reconcile): not accepted, nothing charged
    accepted         sent_at, job_id, account, by (submit | resend | reconcile | list)
    reported         job_id, credits: what the provider says it charges
    rendered         job_id, credits (null: not reported)
    failed           job_id, message, credits (what stays charged; 0 after a refund, null: not reported)
    downloaded       job_id, path (the target), sha256, bytes, media: a verified `.part` beside the target
                     optional, here and in the next two, adopted_from: the name of a file that a person handed over
    delivered        job_id, path, sha256, bytes, media: at its place
    delivered-wrong  the same, and reasons: kept, but not as bought
    moved            job_id, path: the clip lies there now
    accepted-as-is   job_id: `kbatch accept` ended the reminder
    began            manifest, plan (digest or null), maximum (credits by provider), replacing (fingerprints)
                     optional claim: what the approval of that digest covers (`claims`): fingerprints with attempt and
                     quote, the most it may cost, whom and from which account by provider, and the
                     hash of all else that was agreed to
    uploaded         provider, digest (of the picture), url, expires_at
                     optional origin: as in `intended`
    ended            exit_code, finished (false after an interruption)

An answer names its send (`sent_at`: the time of its `intended`, also after a resend), and an event after acceptance its
job, because two checkouts may have bought one fingerprint under one attempt.
"""

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from kbatch.receipts import json_checks
from kbatch.receipts.json_text import parse_json
from kbatch.receipts.lifecycle import RUN_KINDS, Kind

_credits = json_checks.nullable(json_checks.integer())
MEDIA = json_checks.record(
    {
        "duration": json_checks.nullable(json_checks.number),
        "width": json_checks.nullable(json_checks.integer()),
        "height": json_checks.nullable(json_checks.integer()),
        "fps": json_checks.nullable(json_checks.number),
        "audio": json_checks.nullable(json_checks.boolean),
    }
)
"""Properties of a clip's file; null where the file does not state one."""

CLAIM = {
    "fingerprints": json_checks.object_of(json_checks.record({"attempt": json_checks.integer(1), "quote": _credits})),
    "maximum": json_checks.object_of(_credits),
    "origins": json_checks.object_of(json_checks.nullable(json_checks.text)),
    "terms": json_checks.text,
    "accounts": json_checks.object_of(json_checks.text),
}
"""The fields of a claim."""

ACCOUNT = json_checks.text_or(
    json_checks.record(
        {name: json_checks.nullable(json_checks.text) for name in ("team", "user", "key")},
        {"name": json_checks.nonempty_text},
    )
)
"""The buyer's account; a string is a team alone, as earlier versions wrote it."""

_send = {"sent_at": json_checks.moment}
_job = {"job_id": json_checks.storable_text}
_clip = {
    **_job,
    "path": json_checks.storable_text,
    "sha256": json_checks.digest,
    "bytes": json_checks.integer(),
    "media": MEDIA,
}
_handed_over = {"adopted_from": json_checks.text}

DATA: Mapping[Kind, json_checks.Check] = MappingProxyType(
    {
        Kind.INTENDED: json_checks.record(
            {
                "address": json_checks.text,
                "provider": json_checks.nonempty_text,
                "model": json_checks.nonempty_text,
                "variant": json_checks.nullable(json_checks.text),
                "origin": json_checks.text,
                "key": json_checks.text,
                "credits": _credits,
                "request": json_checks.object_of(json_checks.anything),
                "inputs": json_checks.object_of(json_checks.object_of(json_checks.anything)),
                "body": json_checks.nullable(json_checks.text),
            },
            {"provider_time": json_checks.nullable(json_checks.moment), "account": ACCOUNT},
        ),
        Kind.LOST: json_checks.record({**_send, "message": json_checks.text}),
        Kind.REFUSED: json_checks.record(
            {
                **_send,
                "reason": json_checks.text,
                "message": json_checks.text,
                "by": json_checks.one_of(("submit", "reconcile")),
            }
        ),
        Kind.ACCEPTED: json_checks.record(
            {
                **_send,
                **_job,
                "account": ACCOUNT,
                "by": json_checks.one_of(("submit", "resend", "reconcile", "list")),
            }
        ),
        Kind.REPORTED: json_checks.record({**_job, "credits": json_checks.integer()}),
        Kind.RENDERED: json_checks.record({**_job, "credits": _credits}),
        Kind.FAILED: json_checks.record({**_job, "message": json_checks.text, "credits": _credits}),
        Kind.DOWNLOADED: json_checks.record(_clip, _handed_over),
        Kind.DELIVERED: json_checks.record(_clip, _handed_over),
        Kind.DELIVERED_WRONG: json_checks.record(
            {**_clip, "reasons": json_checks.list_of(json_checks.text)}, _handed_over
        ),
        Kind.MOVED: json_checks.record({**_job, "path": json_checks.storable_text}),
        Kind.ACCEPTED_AS_IS: json_checks.record(_job),
        Kind.BEGAN: json_checks.record(
            {
                "manifest": json_checks.text,
                "plan": json_checks.nullable(json_checks.text),
                "maximum": json_checks.object_of(_credits),
                "replacing": json_checks.list_of(json_checks.nonempty_text),
            },
            {"claim": json_checks.record(CLAIM)},
        ),
        Kind.UPLOADED: json_checks.record(
            {
                "provider": json_checks.nonempty_text,
                "digest": json_checks.nonempty_text,
                "url": json_checks.nonempty_text,
                "expires_at": json_checks.nullable(json_checks.text),
            },
            {"origin": json_checks.text},
        ),
        Kind.ENDED: json_checks.record({"exit_code": json_checks.integer(), "finished": json_checks.boolean}),
    }
)

_HEAD = {
    "kind": json_checks.one_of(tuple(Kind)),
    "at": json_checks.moment,
    "run": json_checks.nonempty_text,
    "sequence": json_checks.integer(1),
    "fingerprint": json_checks.nullable(json_checks.storable_text),
    "attempt": json_checks.nullable(json_checks.integer(1)),
}
_SEAL = {"seal": json_checks.nonempty_text}
_EVENT = json_checks.record({**_HEAD, "data": json_checks.object_of(json_checks.anything)}, _SEAL)
_WRITER = msgspec.json.Encoder(order="sorted")
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_UNWRITABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)

_Reader = msgspec.json.Decoder[dict[str, Any]]


@cache
def _data_reader(kind: Kind) -> _Reader:
    return msgspec.json.Decoder(DATA[kind].msgspec_type)


@cache
def _line_reader(kind: Kind) -> _Reader:
    return msgspec.json.Decoder(json_checks.record({**_HEAD, "data": DATA[kind]}, _SEAL).msgspec_type)


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """An event without its stamp, of an attempt or of the run (`fingerprint` None); may raise ShapeError."""

    kind: Kind
    fingerprint: str | None = None
    attempt: int | None = None
    data: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_owner(self.kind, self.fingerprint, self.attempt)
        msgspec.structs.force_setattr(self, "data", _copy_data(self.kind, self.data))


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fact with its stamp: `at` in UTC, later than all earlier events of the journal; `sequence` from 1 in a run.

    `seal` is the seal of a journal's line (`seals`), not verified here.
    """

    kind: Kind
    at: str
    run: str
    sequence: int
    fingerprint: str | None
    attempt: int | None
    data: Mapping[str, Any]
    seal: str | None = None

    def to_line(self) -> bytes:
        """Return the event as one line of JSON, its newline included."""
        try:
            line = _WRITER.encode(self)
            if line.isascii():
                return line + b"\n"
        except _UNWRITABLE:  # half a surrogate pair, as a cut text may hold
            pass
        fields = msgspec.structs.asdict(self)
        if self.seal is None:
            del fields["seal"]
        return _ASCII.encode(fields).encode("ascii") + b"\n"

    @staticmethod
    def from_line(line: bytes) -> "Event":
        """Read one line; json.JSONDecodeError or UnicodeDecodeError for invalid JSON, ShapeError for another shape."""
        return _parse_own_line(line) or _parse_checked(line)


_KIND = b'"kind":"'  # stands behind the data, within which its quotes would be escaped
_KINDS = {kind.value.encode(): kind for kind in Kind}
_ASCII = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def stamp(fact: Fact, *, at: str, run: str, sequence: int) -> Event:
    """Return the fact as the event number `sequence` of a run."""
    return Event(
        kind=fact.kind,
        at=at,
        run=run,
        sequence=sequence,
        fingerprint=fact.fingerprint,
        attempt=fact.attempt,
        data=fact.data,
    )


def _parse_own_line(line: bytes) -> Event | None:
    """Return the event of a line that `to_line` wrote, byte for byte; None for any other line.

    The comparison excludes what the msgspec types ignore, such as duplicate names.
    """
    begin = line.rfind(_KIND) + len(_KIND)
    kind = _KINDS.get(line[begin : line.find(b'"', begin)])
    if kind is None:
        return None
    try:
        fields = _line_reader(kind).decode(line)
        _check_owner(kind, fields["fingerprint"], fields["attempt"])
    except _UNREADABLE:
        return None
    fields["kind"] = kind
    event = Event(**fields)
    return event if event.to_line()[:-1] == line else None


def _parse_checked(line: bytes) -> Event:
    fields = parse_json(line.decode("utf-8"))
    _EVENT(fields)
    kind = fields["kind"] = Kind(fields["kind"])
    _check_owner(kind, fields["fingerprint"], fields["attempt"])
    _check_data(kind, fields["data"])
    return Event(**fields)


def _copy_data(kind: Kind, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a validated copy of data in new containers; strings are shared.

    Data that the msgspec type reads back as equal is valid; other data goes through the checks.
    """
    try:
        if _data_reader(kind).decode(_WRITER.encode(data)) == data:
            own: dict[str, Any] = msgspec.to_builtins(data)
            return own
    except (*_UNWRITABLE, *_UNREADABLE):
        pass
    copy: dict[str, Any] = json.loads(json.dumps(data, allow_nan=False, default=_as_object))
    _check_data(kind, copy)
    return copy


def _check_owner(kind: Kind, fingerprint: str | None, attempt: int | None) -> None:
    of_run = kind in RUN_KINDS
    if of_run != (fingerprint is None) or of_run != (attempt is None):
        belongs = "belongs to no attempt" if of_run else "needs fingerprint and attempt"
        raise json_checks.ShapeError(f"an event `{kind.value}` {belongs}")


def _check_data(kind: Kind, data: Any) -> None:
    try:
        DATA[kind](data)
    except json_checks.ShapeError as error:
        raise json_checks.ShapeError(f"in an event `{kind.value}`: {error.within('data')}") from None


def _as_object(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
