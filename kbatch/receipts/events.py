"""What happened, as values and as lines: one JSON object a line, its keys sorted, ASCII.

A `Fact` is what someone tells the journal; the journal stamps it with time, run and sequence, which makes it an
`Event`. A fact is checked when it is made, a line when it is read: each of them once. The data of each kind, also
described in `schemas/events.schema.json`:

    intended         address, provider, model, variant, origin, key (Idempotency-Key), credits (the quote, null: no
                     known price), request (the identity body), inputs (by parameter), body (the bytes sent, as text;
                     null where the provider never resends)
                     optional provider_time: when, by the provider's own clock, which decides how long its key holds;
                     account: whose, where the provider told it
    lost             sent_at, message: why the outcome is unknown
    refused          sent_at, reason, message, by (submit | reconcile): not accepted, nothing charged
    accepted         sent_at, job_id, account, by (submit | resend | reconcile | list)
    reported         job_id, credits: what the provider says it charges
    rendered         job_id, credits (null: not told)
    failed           job_id, message, credits (what stays charged; 0 after a refund, null: not told)
    downloaded       job_id, path (the target), sha256, bytes, media: a verified `.part` beside the target
    delivered        job_id, path, sha256, bytes, media: at its place
    delivered-wrong  the same, and reasons: kept, but not as bought
    moved            job_id, path: the clip lies there now
    accepted-as-is   job_id: `kbatch accept` ended the reminder
    began            manifest, plan (digest or null), maximum (credits by provider), replacing (fingerprints)
    uploaded         provider, digest (of the picture), url, expires_at
    ended            exit_code, finished (false after an interruption)

An answer names its send (`sent_at`: the time of its `intended`, also after a resend), and an event after acceptance its
job, because two checkouts may have bought one fingerprint under one attempt.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from kbatch.receipts import shape
from kbatch.receipts.jsontext import parse_json
from kbatch.receipts.lifecycle import RUN_KINDS, Kind

_credits = shape.nullable(shape.whole())
MEDIA = shape.record(
    {
        "duration": shape.nullable(shape.number),
        "width": shape.nullable(shape.whole()),
        "height": shape.nullable(shape.whole()),
        "fps": shape.nullable(shape.number),
        "audio": shape.nullable(shape.boolean),
    }
)
"""What a clip's file tells of it; null where it does not."""

_send = {"sent_at": shape.moment}
_job = {"job_id": shape.some_text}
_clip = {**_job, "path": shape.some_text, "sha256": shape.digest, "bytes": shape.whole(), "media": MEDIA}

DATA: Mapping[Kind, shape.Check] = MappingProxyType(
    {
        Kind.INTENDED: shape.record(
            {
                "address": shape.text,
                "provider": shape.some_text,
                "model": shape.some_text,
                "variant": shape.nullable(shape.text),
                "origin": shape.text,
                "key": shape.text,
                "credits": _credits,
                "request": shape.object_of(shape.anything),
                "inputs": shape.object_of(shape.object_of(shape.anything)),
                "body": shape.nullable(shape.text),
            },
            {"provider_time": shape.nullable(shape.text), "account": shape.nullable(shape.text)},
        ),
        Kind.LOST: shape.record({**_send, "message": shape.text}),
        Kind.REFUSED: shape.record(
            {**_send, "reason": shape.text, "message": shape.text, "by": shape.one_of(("submit", "reconcile"))}
        ),
        Kind.ACCEPTED: shape.record(
            {
                **_send,
                **_job,
                "account": shape.nullable(shape.text),
                "by": shape.one_of(("submit", "resend", "reconcile", "list")),
            }
        ),
        Kind.REPORTED: shape.record({**_job, "credits": shape.whole()}),
        Kind.RENDERED: shape.record({**_job, "credits": _credits}),
        Kind.FAILED: shape.record({**_job, "message": shape.text, "credits": _credits}),
        Kind.DOWNLOADED: shape.record(_clip),
        Kind.DELIVERED: shape.record(_clip),
        Kind.DELIVERED_WRONG: shape.record({**_clip, "reasons": shape.list_of(shape.text)}),
        Kind.MOVED: shape.record({**_job, "path": shape.some_text}),
        Kind.ACCEPTED_AS_IS: shape.record(_job),
        Kind.BEGAN: shape.record(
            {
                "manifest": shape.text,
                "plan": shape.nullable(shape.text),
                "maximum": shape.object_of(_credits),
                "replacing": shape.list_of(shape.some_text),
            }
        ),
        Kind.UPLOADED: shape.record(
            {
                "provider": shape.some_text,
                "digest": shape.some_text,
                "url": shape.some_text,
                "expires_at": shape.nullable(shape.text),
            }
        ),
        Kind.ENDED: shape.record({"exit_code": shape.whole(), "finished": shape.boolean}),
    }
)

_EVENT = shape.record(
    {
        "kind": shape.one_of(tuple(Kind)),
        "at": shape.moment,
        "run": shape.some_text,
        "sequence": shape.whole(1),
        "fingerprint": shape.nullable(shape.some_text),
        "attempt": shape.nullable(shape.whole(1)),
        "data": shape.object_of(shape.anything),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What happened to one attempt (`fingerprint`, `attempt`), or to the run (both None); Misfit when data is wrong."""

    kind: Kind
    fingerprint: str | None = None
    attempt: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plain = json.loads(json.dumps(self.data, allow_nan=False, default=_as_object))
        _check(self.kind, self.fingerprint, self.attempt, plain)
        object.__setattr__(self, "data", plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact with its stamp: `at` in UTC, later than all before it in the journal; `sequence` from 1 in a run."""

    kind: Kind
    at: str
    run: str
    sequence: int
    fingerprint: str | None
    attempt: int | None
    data: Mapping[str, Any]

    def to_line(self) -> bytes:
        """Return the event as one line of JSON, its newline included."""
        fields = {
            "kind": self.kind.value,
            "at": self.at,
            "run": self.run,
            "sequence": self.sequence,
            "fingerprint": self.fingerprint,
            "attempt": self.attempt,
            "data": self.data,
        }
        return _ENCODER.encode(fields).encode("ascii") + b"\n"

    @staticmethod
    def from_line(line: bytes) -> "Event":
        """Read one line; json.JSONDecodeError or UnicodeDecodeError when it is no JSON, Misfit when it is no event."""
        fields = parse_json(line.decode("utf-8"))
        _EVENT(fields)
        kind = fields["kind"] = Kind(fields["kind"])
        _check(kind, fields["fingerprint"], fields["attempt"], fields["data"])
        return Event(**fields)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


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


def _check(kind: Kind, fingerprint: str | None, attempt: int | None, data: Any) -> None:
    of_run = kind in RUN_KINDS
    if of_run != (fingerprint is None) or of_run != (attempt is None):
        belongs = "belongs to no attempt" if of_run else "needs fingerprint and attempt"
        raise shape.Misfit(f"an event `{kind.value}` {belongs}")
    try:
        DATA[kind](data)
    except shape.Misfit as misfit:
        raise shape.Misfit(f"in an event `{kind.value}`: {misfit.within('data')}") from None


def _as_object(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
