"""The receipt that one event alone implies; folding joins these (`join`)."""

from typing import Any, Literal

from msgspec.structs import asdict

from kbatch.receipts.event_data import (
    Accepted,
    Clip,
    Delivered,
    DeliveredWrong,
    Downloaded,
    Failed,
    Intended,
    Lost,
    Moved,
    OfJob,
    RefundClaimed,
    RefundSettled,
    Refused,
    Rendered,
    Reported,
)
from kbatch.receipts.events import Event
from kbatch.receipts.receipt import (
    Credits,
    Output,
    Receipt,
    ReceiptError,
    ReceiptState,
    without_queries,
    without_queries_within,
)
from kbatch.receipts.refunds.refund_claim import RefundClaim, Settlement

_SUBMITTED = ReceiptState.SUBMITTED


def receipt_of_event(attempt: int, event: Event) -> Receipt:
    """Return the receipt that one event of an attempt implies, with all other fields at their defaults."""
    match event.data:
        case Intended() as data:
            return _sent(attempt, event.at, data)
        case Lost(sent_at=sent_at, message=message):
            error = _error("submit", None, message)
            return Receipt(state=ReceiptState.UNKNOWN, attempt=attempt, submitted_at=sent_at, error=error)
        case Refused() as data:
            return Receipt(
                state=ReceiptState.FAILED,
                attempt=attempt,
                credits=Credits(reported=0),
                submitted_at=data.sent_at,
                finished_at=event.at,
                error=_error("submit", data.reason, data.message),
            )
        case OfJob(job_id=job_id):
            return Receipt(attempt=attempt, job_id=job_id, **job_fields_of(event))
        case data:
            raise TypeError(f"an event `{data.kind.value}` is of no attempt")


def job_fields_of(event: Event) -> dict[str, Any]:
    """Return the receipt fields that an event of an accepted job implies."""
    match event.data:
        case Accepted(sent_at=sent_at, account=account):
            return {"state": _SUBMITTED, "account": account, "submitted_at": sent_at}
        case Reported(credits=credits):
            return {"state": _SUBMITTED, "credits": Credits(reported=credits)}
        case Rendered(credits=credits):
            charge = Credits(reported=credits)
            return {"state": ReceiptState.RENDERED, "credits": charge, "finished_at": event.at}
        case Failed(credits=credits, message=message):
            left, error = Credits(reported=credits), _error("render", None, message)
            return {"state": ReceiptState.FAILED, "credits": left, "finished_at": event.at, "error": error}
        case Downloaded() as clip:
            return {"state": ReceiptState.RENDERED, "output": _output(clip, event.at, placed=False)}
        case Delivered() as clip:
            return {"state": ReceiptState.DONE, "output": _output(clip, event.at, placed=True)}
        case DeliveredWrong() as clip:
            error = _error("delivery", "delivered-wrong", "; ".join(clip.reasons))
            output = _output(clip, event.at, placed=True)
            return {"state": ReceiptState.DELIVERED_WRONG, "output": output, "error": error}
        case Moved(path=path):
            return {"state": _SUBMITTED, "output": Output(path=path, placed_at=event.at)}
        case RefundClaimed(reason=reason, credits=credits):
            claim = RefundClaim(opened_at=event.at, reason=reason, credits=credits)
            return {"state": _SUBMITTED, "refund_claim": claim}
        case RefundSettled(claim=opening) as data:
            end = Settlement(at=event.at, refunded=data.refunded, reference=data.reference, by=data.by)
            claim = RefundClaim(**asdict(opening), settlement=end)
            return {"state": _SUBMITTED, "refund_claim": claim}
        case _:
            return {"state": _SUBMITTED, "accepted_as_is": True}


def _sent(attempt: int, at: str, data: Intended) -> Receipt:
    return Receipt(
        provider=data.provider,
        model=data.model,
        variant=data.variant,
        state=ReceiptState.UNKNOWN,
        origin=data.origin,
        attempt=attempt,
        request=without_queries(data.request),
        inputs=without_queries(data.inputs),
        credits=Credits(planned=data.credits),
        submitted_at=at,
        address=data.address,
        key=data.key,
        body=data.body,
        provider_time=data.provider_time or None,
        account=data.account or None,
        client_request_id=data.client_request_id or None,
        endpoint=data.endpoint or None,
        purchase=data.purchase or None,
    )


def _error(at: Literal["submit", "render", "delivery"], reason: str | None, message: str) -> ReceiptError:
    return ReceiptError(at=at, reason=reason, message=without_queries_within(message))


def _output(clip: Clip, at: str, *, placed: bool) -> Output:
    media = clip.media.in_one_spelling()
    return Output(path=clip.path, sha256=clip.sha256, bytes=clip.bytes, media=media, placed_at=at, placed=placed)
