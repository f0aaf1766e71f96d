"""Folds events into receipts, and checks the next event of a run.

Folding tolerates repeated events, a journal over a lockfile that already contains it, and events whose predecessors are
lost. Each event becomes the receipt that it implies (`event_receipt`) and is joined (`join`), so a lower state never
replaces a higher one. Attempts are in order; within one, order matters only after a refusal and a resend: then
`accepted` must come before the later events of its job.
"""

from collections.abc import Iterable, Mapping

from kbatch.errors import IllegalTransition
from kbatch.receipts.event_data import Refused
from kbatch.receipts.event_receipt import receipt_of_event
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.fast_fold import fold_next_event
from kbatch.receipts.join import find, join, records_of
from kbatch.receipts.lifecycle import Kind, State, advance
from kbatch.receipts.receipt import Receipt


def fold(events: Iterable[Event], renders: Mapping[str, Receipt] | None = None) -> dict[str, Receipt]:
    """Return the receipts by fingerprint after all events, starting from `renders`, which is not modified."""
    folded = dict(renders or {})
    for event in events:
        receipt = apply(folded, event)
        if receipt is not None and event.fingerprint is not None:
            folded[event.fingerprint] = receipt
    return folded


def apply(renders: Mapping[str, Receipt], event: Event) -> Receipt | None:
    """Return the receipt of the event's fingerprint after it, None for a run's event; `renders` is not modified."""
    if event.fingerprint is None or event.attempt is None:
        return None
    receipt = renders.get(event.fingerprint)
    if receipt is None:
        return receipt_of_event(event.attempt, event)
    return fold_next_event(receipt, event) or join(receipt, receipt_of_event(event.attempt, event))


def check(renders: Mapping[str, Receipt], event: Event | Fact) -> None:
    """Raise IllegalTransition when the event is not allowed after these receipts; a run's event always is."""
    if event.fingerprint is None or event.attempt is None:
        return
    receipt, data = renders.get(event.fingerprint), event.data
    address = getattr(data, "address", "") or (receipt.address if receipt else "") or event.fingerprint[:12]
    job_id = None if event.kind is Kind.ACCEPTED else getattr(data, "job_id", None)
    state = stage_of(receipt, event.attempt, job_id)
    advance(state, event.kind, address=address)
    if event.kind is Kind.INTENDED and event.attempt != next_attempt(receipt):
        wanted = f"attempt {event.attempt} must not be `intended`, the next one is {next_attempt(receipt)}"
        raise IllegalTransition(f"{address} is {state.value}: {wanted}")
    send = find(receipt, event.attempt, None)
    if send is not None and getattr(data, "sent_at", send.submitted_at) != send.submitted_at:
        raise IllegalTransition(
            f"{address} is {state.value} since {send.submitted_at}: `{event.kind.value}` is of another send"
        )
    if isinstance(data, Refused) and state is State.UNKNOWN and data.by != "reconcile":
        raise IllegalTransition(f"{address} is {state.value}: an answer cannot make it `refused`, only `reconcile` can")


def stage_of(receipt: Receipt | None, attempt: int, job_id: str | None = None) -> State:
    """Return the state of a job of an attempt, or of the attempt without `job_id`; PLANNED before its first event."""
    furthest = State.PLANNED
    for record in records_of(receipt) if receipt else ():
        named = job_id is None or record.job_id is None or record.job_id == job_id
        if named and record.attempt == attempt and record.stage.rank > furthest.rank:
            furthest = record.stage
    return furthest


def next_attempt(receipt: Receipt | None) -> int:
    """Return the number of the next attempt; it stays the same after a refusal and while a send is open."""
    if receipt is None:
        return 1
    without_job = find(receipt, receipt.last_attempt, None)
    return receipt.last_attempt if without_job else receipt.last_attempt + 1
