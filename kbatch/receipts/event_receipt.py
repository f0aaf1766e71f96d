"""The receipt that one event alone implies; folding joins these (`join`)."""

from typing import Any

from kbatch.receipts.events import Event
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import (
    Credits,
    Output,
    Receipt,
    ReceiptState,
    media_of,
    without_queries,
    without_queries_within,
)

_SUBMITTED = ReceiptState.SUBMITTED


def receipt_of_event(attempt: int, event: Event) -> Receipt:
    """Return the receipt that one event of an attempt implies, with all other fields at their defaults."""
    data = event.data
    match event.kind:
        case Kind.INTENDED:
            return _sent(attempt, event)
        case Kind.LOST:
            error = _error("submit", None, data["message"])
            return Receipt(state=ReceiptState.UNKNOWN, attempt=attempt, submitted_at=data["sent_at"], error=error)
        case Kind.REFUSED:
            return Receipt(
                state=ReceiptState.FAILED,
                attempt=attempt,
                credits=Credits(reported=0),
                submitted_at=data["sent_at"],
                finished_at=event.at,
                error=_error("submit", data["reason"], data["message"]),
            )
    return Receipt(attempt=attempt, job_id=data["job_id"], **job_fields_of(event))


def job_fields_of(event: Event) -> dict[str, Any]:
    """Return the receipt fields that an event of an accepted job implies."""
    data = event.data
    match event.kind:
        case Kind.ACCEPTED:
            return {"state": _SUBMITTED, "account": data["account"], "submitted_at": data["sent_at"]}
        case Kind.REPORTED:
            return {"state": _SUBMITTED, "credits": Credits(reported=data["credits"])}
        case Kind.RENDERED:
            charge = Credits(reported=data["credits"])
            return {"state": ReceiptState.RENDERED, "credits": charge, "finished_at": event.at}
        case Kind.FAILED:
            left, error = Credits(reported=data["credits"]), _error("render", None, data["message"])
            return {"state": ReceiptState.FAILED, "credits": left, "finished_at": event.at, "error": error}
        case Kind.DOWNLOADED:
            return {"state": ReceiptState.RENDERED, "output": _clip(event, placed=False)}
        case Kind.DELIVERED:
            return {"state": ReceiptState.DONE, "output": _clip(event, placed=True)}
        case Kind.DELIVERED_WRONG:
            error = _error("delivery", "delivered-wrong", "; ".join(data["reasons"]))
            return {"state": ReceiptState.DELIVERED_WRONG, "output": _clip(event, placed=True), "error": error}
        case Kind.MOVED:
            return {"state": _SUBMITTED, "output": Output(path=data["path"], placed_at=event.at)}
        case _:
            return {"state": _SUBMITTED, "accepted_as_is": True}


def _sent(attempt: int, event: Event) -> Receipt:
    data = event.data
    return Receipt(
        provider=data["provider"],
        model=data["model"],
        variant=data["variant"],
        state=ReceiptState.UNKNOWN,
        origin=data["origin"],
        attempt=attempt,
        request=without_queries(data["request"]),
        inputs=without_queries(data["inputs"]),
        credits=Credits(planned=data["credits"]),
        submitted_at=event.at,
        address=data["address"],
        key=data["key"],
        body=data["body"],
        provider_time=data.get("provider_time"),
        account=data.get("account"),
    )


def _error(at: str, reason: str | None, message: str) -> dict[str, str | None]:
    return {"at": at, "reason": reason, "message": without_queries_within(message)}


def _clip(event: Event, *, placed: bool) -> Output:
    data = event.data
    return Output(
        path=data["path"],
        sha256=data["sha256"],
        bytes=data["bytes"],
        media=media_of(data["media"]),
        placed_at=event.at,
        placed=placed,
    )
