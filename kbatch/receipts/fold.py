"""Events become receipts: the fold, and the strict look at the next event of a run.

Folding bears everything that reading the past brings: an event twice, a whole journal over a lockfile that knows it
already or knows more, an event whose predecessors are lost. The result is the same; a lesser state never replaces a
greater one. In any order fold all events of an attempt that was sent once; where an attempt was refused and sent again,
its `intended`, `lost` and `refused` must come in the order of their times, as they do in a journal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kbatch.problems import IllegalTransition
from kbatch.receipts.attempts import find, join, moment, records_of
from kbatch.receipts.events import Event
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
    known = renders.get(event.fingerprint)
    match event.kind:
        case Kind.INTENDED:
            return join(known, _sent(event.attempt, event))
        case Kind.LOST | Kind.REFUSED:
            return _answered(known, event.attempt, event)
        case _:
            blank = Receipt(state=ReceiptState.SUBMITTED, attempt=event.attempt, job_id=event.data["job_id"])
            return join(known, _told(blank, event))


def check(renders: Mapping[str, Receipt], event: Event) -> None:
    """Raise IllegalTransition when this must not happen next, by the receipts so far; a run's event always may."""
    if event.fingerprint is None or event.attempt is None:
        return
    receipt = renders.get(event.fingerprint)
    address = event.data.get("address") or (receipt.address if receipt else "") or event.fingerprint[:12]
    state = stage_of(receipt, event.attempt, event.data.get("job_id"))
    advance(state, event.kind, address=address)
    if event.kind is Kind.INTENDED and event.attempt != next_attempt(receipt):
        wanted = f"attempt {event.attempt} must not be `intended`, the next one is {next_attempt(receipt)}"
        raise IllegalTransition(f"{address} is {state.value}: {wanted}")
    if event.kind is Kind.REFUSED and state is State.UNKNOWN and event.data["by"] != "reconcile":
        raise IllegalTransition(f"{address} is {state.value}: an answer cannot make it `refused`, only `reconcile` can")


def stage_of(receipt: Receipt | None, attempt: int, job_id: str | None = None) -> State:
    """Return where an attempt stands: its job when that is known, else its send, else planned."""
    record = find(receipt, attempt, job_id) or find(receipt, attempt, None)
    return record.stage if record else State.PLANNED


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
    )


def _answered(known: Receipt | None, attempt: int, event: Event) -> Receipt | None:
    """Lost and refused are about the last send before them; an attempt with a job, or before the last, is settled."""
    send = find(known, attempt, None)
    if send is None:
        if known is not None and (attempt < known.last_attempt or _has_job(known, attempt)):
            return known
        send = Receipt(state=ReceiptState.UNKNOWN, attempt=attempt)
    elif moment(event.at) < moment(send.submitted_at):
        return known
    message = without_queries_within(event.data["message"])
    error = {"at": "submit", "reason": event.data.get("reason"), "message": message}
    refused = event.kind is Kind.REFUSED
    answer = replace(
        send,
        state=ReceiptState.FAILED if refused else ReceiptState.UNKNOWN,
        credits=Credits(planned=send.credits.planned, reported=0 if refused else None),
        finished_at=event.at if refused else None,
        error=error,
    )
    return join(known, answer)


def _has_job(receipt: Receipt, attempt: int) -> bool:
    return any(record.attempt == attempt and record.job_id for record in records_of(receipt))


def _told(blank: Receipt, event: Event) -> Receipt:
    """Return what one event after acceptance tells of its job, and nothing else."""
    data = event.data
    match event.kind:
        case Kind.ACCEPTED:
            return replace(blank, account=data["account"])
        case Kind.REPORTED:
            return replace(blank, credits=Credits(reported=data["credits"]))
        case Kind.RENDERED:
            charge = Credits(reported=data["credits"])
            return replace(blank, state=ReceiptState.RENDERED, credits=charge, finished_at=event.at)
        case Kind.FAILED:
            error = {"at": "render", "reason": None, "message": without_queries_within(data["message"])}
            left = Credits(reported=data["credits"])
            return replace(blank, state=ReceiptState.FAILED, credits=left, finished_at=event.at, error=error)
        case Kind.DOWNLOADED:
            return replace(blank, state=ReceiptState.RENDERED, output=_clip(event, placed=False))
        case Kind.DELIVERED:
            return replace(blank, state=ReceiptState.DONE, output=_clip(event, placed=True))
        case Kind.DELIVERED_WRONG:
            message = without_queries_within("; ".join(data["reasons"]))
            error = {"at": "delivery", "reason": "delivered-wrong", "message": message}
            output = _clip(event, placed=True)
            return replace(blank, state=ReceiptState.DELIVERED_WRONG, output=output, error=error)
        case Kind.MOVED:
            return replace(blank, output=Output(path=data["path"], placed_at=event.at))
        case _:
            return replace(blank, accepted_as_is=True)


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
