"""Joins records of one fingerprint's attempts: the operation under folding and merging.

Joining two receipts is commutative, associative and idempotent, and drops nothing that was paid:

- A purchase is identified by its attempt and job id. Two records of one purchase become one: the higher state with its
  `error`; the largest charge reported while the job ran, and what remained after a failure; the earliest submission and
  end; the latest path of the clip.
- A *send* is an attempt without a job id yet, identified by the time of its `intended`. Of two sends of one attempt the
  later counts, since a resend comes only after the earlier one is resolved. It counts only in the highest attempt, and
  not once that attempt has a job: the key of a purchase is made of fingerprint and attempt, so the send is that job.
- The receipt shows the latest submission that is or may be paid; without any, the latest attempt that ended.
"""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from kbatch.receipts.account import join_accounts
from kbatch.receipts.lifecycle import OPEN, PAID
from kbatch.receipts.receipt import RECEIPT_STATE_OF, Credits, Output, Purchase, Receipt, ReceiptState
from kbatch.receipts.refunds.refund_claim import join_refund_claims

_SHARED = ("provider", "model", "variant", "origin", "request", "inputs", "endpoint")
_OF_SENDING = (*_SHARED, "submitted_at", "key", "body", "provider_time", "address", "client_request_id")


def records_of(receipt: Receipt) -> tuple[Receipt, ...]:
    """Return every attempt of a receipt, the shown one first, each without `also` and `failed`."""
    if not receipt.also and not receipt.failed and receipt.last_attempt == receipt.attempt:
        return (receipt,)
    return (replace(receipt, also=(), failed=(), last_attempt=0), *receipt.also, *receipt.failed)


def join(one: Receipt | None, other: Receipt) -> Receipt:
    """Return the join of two receipts of one fingerprint."""
    if one is None or one == other:
        return other
    last = max(one.last_attempt, other.last_attempt)
    return combine_records((*records_of(one), *records_of(other)), last_attempt=last)


def combine_records(records: Iterable[Receipt], *, last_attempt: int = 0) -> Receipt:
    """Return the receipt of one or more records of one fingerprint, in any order."""
    jobs: dict[tuple[int, str], Receipt] = {}
    sends: dict[int, Receipt] = {}
    for record in records:
        if record.job_id is None:
            sends[record.attempt] = _join_sends(sends.get(record.attempt), record)
        else:
            purchase = (record.attempt, record.job_id)
            jobs[purchase] = _join_jobs(jobs.get(purchase), record)
    last = max(last_attempt, *sends, *(attempt for attempt, _ in jobs))
    siblings = (*jobs.values(), *sends.values())
    known = [_with_send_fields(job, sends.get(job.attempt), siblings) for job in jobs.values()]
    if last in sends and all(attempt != last for attempt, _ in jobs):
        known.append(sends[last])
    return _choose_shown(known or [sends[max(sends)]], last)


def find(receipt: Receipt | None, attempt: int, job_id: str | None) -> Receipt | None:
    """Return the record of a purchase, or with `job_id` None the attempt's send."""
    for record in records_of(receipt) if receipt else ():
        if (record.attempt, record.job_id) == (attempt, job_id):
            return record
    return None


def time_key(at: str | None) -> str:
    """Return a string that sorts timestamps by time, whatever their number of decimals; None sorts first."""
    return (at or "").removesuffix("Z")


def _choose_shown(records: list[Receipt], last_attempt: int) -> Receipt:
    records.sort(key=_by_submission, reverse=True)
    ended = [record for record in records if record.stage not in PAID and record.stage not in OPEN]
    living = [record for record in records if record.stage in PAID or record.stage in OPEN]
    if living:
        shown, also, failed = living[0], living[1:], ended
    else:
        shown = max(ended, key=lambda record: (record.attempt, _by_submission(record)))
        also, failed = [], [record for record in ended if record is not shown]
    if not also and not failed and shown.last_attempt == last_attempt:
        return shown
    return replace(shown, also=tuple(also), failed=tuple(failed), last_attempt=last_attempt)


def _by_submission(record: Receipt) -> tuple[str, int, str]:
    return time_key(record.submitted_at), record.attempt, record.job_id or ""


def _join_sends(one: Receipt | None, other: Receipt) -> Receipt:
    if one is None or one == other:
        return other
    if time_key(one.submitted_at) != time_key(other.submitted_at):
        return max(one, other, key=lambda send: time_key(send.submitted_at))
    return _join_outcomes(one, other)


def _join_jobs(one: Receipt | None, other: Receipt) -> Receipt:
    return other if one is None or one == other else _join_outcomes(one, other)


def _with_send_fields(job: Receipt, send: Receipt | None, siblings: Iterable[Receipt]) -> Receipt:
    """Return a job with the fields of its send; without one, with the fields shared by purchases of one request."""
    if send is not None and job.submitted_at in (None, send.submitted_at):
        return _with_sending(job, send)
    if job.provider:
        return job
    donor = max(siblings, key=lambda other: (bool(other.provider), _by_submission(other)))
    credits = replace(job.credits, planned=donor.credits.planned)
    return replace(job, credits=credits, **{name: getattr(donor, name) for name in _SHARED})


def _join_outcomes(one: Receipt, other: Receipt) -> Receipt:
    """Join two records of one purchase, or of one send."""
    stages = one.stage, other.stage
    top = max(stages, key=lambda stage: stage.rank)
    at_top = [record for record, stage in zip((one, other), stages, strict=True) if stage is top]
    ends = [record.finished_at for record in (one, other) if record.finished_at is not None]
    sent = _with_sending(one, other)
    return replace(
        sent,
        state=RECEIPT_STATE_OF[top],
        error=later_value(at_top[0].error, at_top[-1].error),
        credits=_join_credits(
            one, other, planned=sent.credits.planned, failed=RECEIPT_STATE_OF[top] is ReceiptState.FAILED
        ),
        finished_at=min(ends, key=time_key, default=None),
        output=join_outputs(one.output, other.output),
        account=join_accounts(one.account, other.account),
        accepted_as_is=one.accepted_as_is or other.accepted_as_is,
        refund_claim=join_refund_claims(one.refund_claim, other.refund_claim),
    )


def _with_sending(record: Receipt, other: Receipt) -> Receipt:
    """Return the record with the send fields of the earlier submission, joined when both are of the same.

    Of two memories of the purchase the first one stays, by the time with which a run's id begins.
    """
    if record.purchase != other.purchase:
        record = replace(record, purchase=_first_purchase(record.purchase, other.purchase))
    mine, theirs = time_key(record.submitted_at), time_key(other.submitted_at)
    if mine == theirs:
        sending = {name: later_value(getattr(record, name), getattr(other, name)) for name in _OF_SENDING}
        planned = larger_amount(record.credits.planned, other.credits.planned)
    elif _sending_rank(record) < _sending_rank(other):
        return record
    else:
        sending = {name: getattr(other, name) for name in _OF_SENDING}
        planned = other.credits.planned
    return replace(record, **sending, credits=replace(record.credits, planned=planned))


def _first_purchase(one: Purchase | None, other: Purchase | None) -> Purchase | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda each: (each.run, json.dumps(msgspec.to_builtins(each), sort_keys=True)))


def _sending_rank(record: Receipt) -> tuple[bool, bool, str]:
    return not record.provider, record.submitted_at is None, time_key(record.submitted_at)


def _join_credits(one: Receipt, other: Receipt, *, planned: int | None, failed: bool) -> Credits:
    charge: int | None = None
    left: int | None = None
    for record in (one, other):
        if record.state is ReceiptState.FAILED:
            left = larger_amount(left, record.credits.reported)
            charge = larger_amount(charge, record.credits.charged)
        else:
            charge = larger_amount(charge, record.credits.reported)
    if failed:
        return Credits(planned=planned, reported=left, charged=charge)
    return Credits(planned=planned, reported=charge)


def join_outputs(one: Output | None, other: Output | None) -> Output | None:
    """Return the output with the latest path, a placed clip before a `.part`, with the digest that either has."""
    if one is None or other is None or one == other:
        return one or other
    mine, theirs = (one.placed, time_key(one.placed_at)), (other.placed, time_key(other.placed_at))
    in_order = mine < theirs if mine != theirs else _text(one) <= _text(other)
    first, last = (one, other) if in_order else (other, one)
    if last.sha256:
        return last
    return replace(last, sha256=first.sha256, bytes=first.bytes, media=first.media)


def _text(output: Output) -> str:
    return f"{output.path}\n{output.sha256}\n{output.bytes}\n{output.media}"


def larger_amount(one: int | None, other: int | None) -> int | None:
    """Return the larger of two amounts; None means unknown."""
    if one is None or other is None:
        return one if other is None else other
    return max(one, other)


def later_value(one: Any, other: Any) -> Any:
    """Return one of two values, commutatively: a non-empty one first, then the greater JSON text."""
    if one == other or not other:
        return one
    return max(one, other, key=lambda value: json.dumps(msgspec.to_builtins(value), sort_keys=True)) if one else other
