"""Events become receipts: the fold, and the strict look at the next event of a run.

Folding bears everything that reading the past brings: an event twice, a whole journal over a lockfile that knows it
already or knows more, an event whose predecessors are lost. Each event is made into what it tells of its send or job,
and joined (`attempts`), so a lesser state never replaces a greater one. Attempts come in their order; within one, order
matters only when it was refused and sent again: then `accepted` must come before what befell its job.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kbatch.problems import IllegalTransition
from kbatch.receipts.attempts import find, join, records_of
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.lifecycle import Kind, State, advance
from kbatch.receipts.receipt import (
    Credits,
    Output,
    Receipt,
    ReceiptState,
    media_of,
    without_queries,
    without_queries_within,
)


def fold(events: Iterable[Event], renders: Mapping[str, Receipt] | None = None) -> dict[str, Receipt]:
    """Return the receipts by fingerprint after all events, from the given ones on, which stay as they are."""
    folded = dict(renders or {})
    for event in events:
        receipt = apply(folded, event)
        if receipt is not None and event.fingerprint is not None:
            folded[event.fingerprint] = receipt
    return folded


def apply(renders: Mapping[str, Receipt], event: Event) -> Receipt | None:
    """Return the receipt of the event's fingerprint after it, None for a run's event; `renders` stays as it is."""
    if event.fingerprint is None or event.attempt is None:
        return None
    return join(renders.get(event.fingerprint), _told(event.attempt, event))


def check(renders: Mapping[str, Receipt], event: Event | Fact) -> None:
    """Raise IllegalTransition when this must not happen next, by the receipts so far; a run's event always may."""
    if event.fingerprint is None or event.attempt is None:
        return
    receipt = renders.get(event.fingerprint)
    address = event.data.get("address") or (receipt.address if receipt else "") or event.fingerprint[:12]
    job_id = None if event.kind is Kind.ACCEPTED else event.data.get("job_id")
    state = stage_of(receipt, event.attempt, job_id)
    advance(state, event.kind, address=address)
    if event.kind is Kind.INTENDED and event.attempt != next_attempt(receipt):
        wanted = f"attempt {event.attempt} must not be `intended`, the next one is {next_attempt(receipt)}"
        raise IllegalTransition(f"{address} is {state.value}: {wanted}")
    send = find(receipt, event.attempt, None)
    if send is not None and event.data.get("sent_at", send.submitted_at) != send.submitted_at:
        raise IllegalTransition(
            f"{address} is {state.value} since {send.submitted_at}: `{event.kind.value}` is of another send"
        )
    if event.kind is Kind.REFUSED and state is State.UNKNOWN and event.data["by"] != "reconcile":
        raise IllegalTransition(f"{address} is {state.value}: an answer cannot make it `refused`, only `reconcile` can")


def stage_of(receipt: Receipt | None, attempt: int, job_id: str | None = None) -> State:
    """Return where a job of an attempt stands, without a job id where the attempt does; planned when it never began."""
    records = [record for record in records_of(receipt) if record.attempt == attempt] if receipt else []
    named = [record for record in records if job_id in (None, record.job_id) or record.job_id is None]
    return max((record.stage for record in named), key=lambda stage: stage.rank, default=State.PLANNED)


def next_attempt(receipt: Receipt | None) -> int:
    """Return the attempt that a purchase would be now: after a refusal the same one, while one is open that one."""
    if receipt is None:
        return 1
    without_job = find(receipt, receipt.last_attempt, None)
    return receipt.last_attempt if without_job else receipt.last_attempt + 1


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


def _told(attempt: int, event: Event) -> Receipt:
    """Return what one event tells of its send or its job, and nothing else: folding is joining these."""
    data = event.data
    match event.kind:
        case Kind.INTENDED:
            return _sent(attempt, event)
        case Kind.LOST:
            return _unaccepted(attempt, event, state=ReceiptState.UNKNOWN)
        case Kind.REFUSED:
            credits = Credits(reported=0)
            refused = _unaccepted(attempt, event, state=ReceiptState.FAILED)
            return replace(refused, credits=credits, finished_at=event.at)
    return Receipt(attempt=attempt, job_id=data["job_id"], **_of_job(event))


def _of_job(event: Event) -> dict[str, Any]:
    """Return what an event after acceptance tells of its job, as fields of a receipt."""
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


_SUBMITTED = ReceiptState.SUBMITTED


def _unaccepted(attempt: int, event: Event, *, state: ReceiptState) -> Receipt:
    error = _error("submit", event.data.get("reason"), event.data["message"])
    return Receipt(state=state, attempt=attempt, submitted_at=event.data["sent_at"], error=error)


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
