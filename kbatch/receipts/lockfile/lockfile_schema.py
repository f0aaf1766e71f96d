"""The shape of a lockfile's JSON, which `parse` checks for every lockfile that this machine did not write."""

from collections.abc import Mapping
from typing import Any

from kbatch.receipts import json_checks
from kbatch.receipts.claims import BEGUN, FINISHED
from kbatch.receipts.events import ACCOUNT, CLAIM, MEDIA
from kbatch.receipts.receipt import ReceiptState

_credits = json_checks.nullable(json_checks.integer())
_output = json_checks.record(
    {
        "path": json_checks.storable_text,
        "sha256": json_checks.digest,
        "bytes": json_checks.integer(),
        "media": MEDIA,
    },
    {"placed_at": json_checks.moment},
)
_attempt: Mapping[str, json_checks.Check] = {
    "provider": json_checks.text,
    "model": json_checks.text,
    "variant": json_checks.nullable(json_checks.text),
    "state": json_checks.one_of(tuple(ReceiptState)),
    "origin": json_checks.text,
    "job_id": json_checks.nullable(json_checks.storable_text),
    "attempt": json_checks.integer(1),
    "request": json_checks.object_of(json_checks.anything),
    "inputs": json_checks.object_of(json_checks.object_of(json_checks.anything)),
    "credits": json_checks.record({"planned": _credits, "reported": _credits}, {"charged": _credits}),
    "submitted_at": json_checks.nullable(json_checks.moment),
    "finished_at": json_checks.nullable(json_checks.moment),
    "output": json_checks.nullable(_output),
    "error": json_checks.nullable(
        json_checks.record(
            {
                "at": json_checks.one_of(("submit", "render", "delivery")),
                "reason": json_checks.nullable(json_checks.text),
                "message": json_checks.text,
            }
        )
    ),
}
_optional: Mapping[str, json_checks.Check] = {"account": ACCOUNT, "accepted_as_is": json_checks.boolean}


def _with_job(inner: json_checks.Check) -> json_checks.Check:
    """Accept what `inner` accepts when state and job id agree: `unknown` has none, an accepted job has one."""

    def check(value: Any) -> None:
        inner(value)
        state, job_id = value["state"], value["job_id"]
        if state == ReceiptState.UNKNOWN and job_id is not None:
            raise json_checks.ShapeError("must be null in state `unknown`", ("job_id",))
        if state not in (ReceiptState.UNKNOWN, ReceiptState.FAILED) and job_id is None:
            raise json_checks.ShapeError(f"must not be null in state `{state}`", ("job_id",))

    return json_checks.Check(check)


_others = json_checks.list_of(_with_job(json_checks.record(_attempt, _optional)))
_receipt = _with_job(
    json_checks.record(
        _attempt, {**_optional, "also": _others, "failed": _others, "last_attempt": json_checks.integer(1)}
    )
)
_index = json_checks.object_of(
    json_checks.record({"fingerprint": json_checks.storable_text, "path": json_checks.storable_text})
)
LOCKFILE = json_checks.record(
    {
        "lockfile_version": json_checks.integer(1),
        "manifest": json_checks.text,
        "jobs": _index,
        "renders": json_checks.object_of(_receipt),
    },
    {
        "profiles": json_checks.object_of(json_checks.record({"jobs": _index})),
        "claims": json_checks.object_of(
            json_checks.record(
                {**CLAIM, "spent": json_checks.object_of(_credits), "state": json_checks.one_of((BEGUN, FINISHED))}
            )
        ),
    },
)
"""Check of a whole lockfile; raises ShapeError with the path to the wrong value."""
