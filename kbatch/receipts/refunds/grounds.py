"""The purchases for which credits are owed back, found in their receipts alone.

What nobody reported is no ground: a failure of unknown charge, a charge without a quote. Two jobs of one attempt are a
double charge only at a provider whose idempotency key promises one job.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from kbatch.receipts.join import records_of, time_key
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.receipts.refunds.refund_claim import RefundReason


class Ground(Struct, frozen=True, kw_only=True):
    """One reason why credits of a purchase are owed back: how many (None: not known), and what is wrong in words."""

    reason: RefundReason
    credits: int | None
    words: str


class OwedPurchase(Struct, frozen=True, kw_only=True):
    """A purchase with its grounds, the largest amount first; none are left of a claim whose cause has passed."""

    fingerprint: str
    address: str
    receipt: Receipt
    grounds: tuple[Ground, ...]


class Promises(Struct, frozen=True, kw_only=True):
    """What providers promise, by name: one job for one idempotency key, and how long a clip is kept (None: unknown)."""

    one_job_a_key: Callable[[str], bool]
    clips_kept: Callable[[str], timedelta | None]


def find_owed(renders: Mapping[str, Receipt], promises: Promises, *, now: datetime) -> tuple[OwedPurchase, ...]:
    """Return the purchases with a ground or a claim, by address; what was accepted as it is has no ground."""
    found = []
    for fingerprint, shown in renders.items():
        for record in records_of(shown):
            if record.job_id is None:
                continue
            grounds = tuple(sorted(_grounds(record, shown, promises, now), key=_by_amount))
            if grounds or record.refund_claim is not None:
                address = record.address or shown.address or fingerprint[:12]
                found.append(OwedPurchase(fingerprint=fingerprint, address=address, receipt=record, grounds=grounds))
    return tuple(sorted(found, key=lambda one: (one.address, one.receipt.attempt, one.receipt.job_id or "")))


def records_named(word: str, renders: Mapping[str, Receipt]) -> list[OwedPurchase]:
    """Return the purchases of an address, or of a job id, without grounds."""
    return [
        OwedPurchase(fingerprint=fingerprint, address=record.address or shown.address, receipt=record, grounds=())
        for fingerprint, shown in renders.items()
        for record in records_of(shown)
        if record.job_id is not None and word in (record.address or shown.address, record.job_id)
    ]


def undelivered(record: Receipt) -> Ground:
    """Return the ground of a rendered purchase whose clip is not here."""
    words = f"rendered {_minute(record.finished_at)}, and its clip was never delivered"
    return Ground(reason=RefundReason.NOT_DELIVERED, credits=record.charge, words=words)


def _grounds(record: Receipt, shown: Receipt, promises: Promises, now: datetime) -> Iterator[Ground]:
    planned, charge = record.credits.planned, record.charge
    if record.state is ReceiptState.FAILED:
        if charge:
            words = f"failed ({record.error_message}), and {charge:,} credits stay charged"
            yield Ground(reason=RefundReason.NOT_REFUNDED, credits=charge, words=words)
        return
    if charge is not None and planned is not None and charge > planned:
        words = f"charged {charge:,}, quoted {planned:,}"
        yield Ground(reason=RefundReason.ABOVE_QUOTE, credits=charge - planned, words=words)
    first = _first_of_attempt(record, shown)
    if first is not record and promises.one_job_a_key(record.provider):
        words = f"a second job of one request: its idempotency key made job {first.job_id} before"
        yield Ground(reason=RefundReason.DOUBLE, credits=charge, words=words)
    if record.state is ReceiptState.DELIVERED_WRONG and not record.accepted_as_is:
        yield Ground(reason=RefundReason.DELIVERED_WRONG, credits=charge, words=record.error_message)
    if record.state is ReceiptState.RENDERED and _no_longer_kept(record, promises, now):
        yield undelivered(record)


def _no_longer_kept(record: Receipt, promises: Promises, now: datetime) -> bool:
    kept, ended = promises.clips_kept(record.provider), record.finished_at
    return kept is not None and ended is not None and datetime.fromisoformat(ended) + kept < now


def _first_of_attempt(record: Receipt, shown: Receipt) -> Receipt:
    """Return the earliest job of the record's attempt; failures are none."""
    jobs = [
        one
        for one in records_of(shown)
        if one.attempt == record.attempt and one.job_id is not None and one.state is not ReceiptState.FAILED
    ]
    first = min(jobs, key=lambda one: (time_key(one.submitted_at), one.job_id or ""))
    return record if first.job_id == record.job_id else first


def _by_amount(ground: Ground) -> int:
    return -(ground.credits or 0)


def _minute(moment: str | None) -> str:
    return (moment or "?")[:16].replace("T", " ")
