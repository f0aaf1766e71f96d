"""The shape of a lockfile's JSON: what `parse` holds every lockfile against that was not written here."""

from collections.abc import Mapping
from typing import Any

from kbatch.receipts import shape
from kbatch.receipts.claims import BEGUN, FINISHED
from kbatch.receipts.events import ACCOUNT, CLAIM, MEDIA
from kbatch.receipts.receipt import ReceiptState

_credits = shape.nullable(shape.whole())
_output = shape.record(
    {
        "path": shape.usable_text,
        "sha256": shape.digest,
        "bytes": shape.whole(),
        "media": MEDIA,
    },
    {"placed_at": shape.moment},
)
_attempt: Mapping[str, shape.Check] = {
    "provider": shape.text,
    "model": shape.text,
    "variant": shape.nullable(shape.text),
    "state": shape.one_of(tuple(ReceiptState)),
    "origin": shape.text,
    "job_id": shape.nullable(shape.usable_text),
    "attempt": shape.whole(1),
    "request": shape.object_of(shape.anything),
    "inputs": shape.object_of(shape.object_of(shape.anything)),
    "credits": shape.record({"planned": _credits, "reported": _credits}, {"charged": _credits}),
    "submitted_at": shape.nullable(shape.moment),
    "finished_at": shape.nullable(shape.moment),
    "output": shape.nullable(_output),
    "error": shape.nullable(
        shape.record(
            {
                "at": shape.one_of(("submit", "render", "delivery")),
                "reason": shape.nullable(shape.text),
                "message": shape.text,
            }
        )
    ),
}
_seldom: Mapping[str, shape.Check] = {"account": ACCOUNT, "accepted_as_is": shape.boolean}


def _with_job(inner: shape.Check) -> shape.Check:
    """Accept what `inner` accepts when state and job id agree: what is unknown has none, what was accepted has one."""

    def check(value: Any) -> None:
        inner(value)
        state, job_id = value["state"], value["job_id"]
        if state == ReceiptState.UNKNOWN and job_id is not None:
            raise shape.Misfit("must be null in state `unknown`", ("job_id",))
        if state not in (ReceiptState.UNKNOWN, ReceiptState.FAILED) and job_id is None:
            raise shape.Misfit(f"must not be null in state `{state}`", ("job_id",))

    return shape.Check(check)


_others = shape.list_of(_with_job(shape.record(_attempt, _seldom)))
_receipt = _with_job(
    shape.record(_attempt, {**_seldom, "also": _others, "failed": _others, "last_attempt": shape.whole(1)})
)
_index = shape.object_of(shape.record({"fingerprint": shape.usable_text, "path": shape.usable_text}))
LOCKFILE = shape.record(
    {
        "lockfile_version": shape.whole(1),
        "manifest": shape.text,
        "jobs": _index,
        "renders": shape.object_of(_receipt),
    },
    {
        "profiles": shape.object_of(shape.record({"jobs": _index})),
        "claims": shape.object_of(
            shape.record({**CLAIM, "spent": shape.object_of(_credits), "state": shape.one_of((BEGUN, FINISHED))})
        ),
    },
)
"""Raises Misfit with the path to what does not fit."""
