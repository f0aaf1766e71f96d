"""Asks whether credits that are claimed back have come: by the job's own charge, else by refunds in the ledger.

Only open claims are asked about, with the account that bought. Less than was charged settles a claim; that nothing is
said, or the same, proves nothing, and the claim stays open.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from kbatch.providers.base import NotNow, Running
from kbatch.providers.request_records import RequestRecords, request_records
from kbatch.receipts.event_data import RefundSettled
from kbatch.receipts.events import Fact
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.refunds.refund_claim import is_open, opening_of
from kbatch.runner.collect.poll import poll_job
from kbatch.runner.collect.read_ledger import read_entries
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.progress_events import EventKind

_EARLIER = timedelta(minutes=10)  # tolerated difference between the two clocks

Owed = tuple[str, Receipt]
"""A fingerprint, and the record of its purchase whose claim is open."""


async def read_refunds(run: Run) -> None:
    """Settle the open claims of the sessions' providers whose refund can be seen."""
    for session in run.sessions:
        owed = [
            (fingerprint, record)
            for fingerprint, shown in run.renders.items()
            for record in records_of(shown)
            if record.provider == session.provider.name
            and is_open(record.refund_claim)
            and run.sessions.owner(record) is session
        ]
        records = request_records(session.provider)
        if records is not None and owed:
            await _by_ledger(run, session, records, owed)
        elif owed:
            await _by_job(run, session, owed)


async def _by_job(run: Run, session: ProviderSession, owed: Iterable[Owed]) -> None:
    for fingerprint, record in owed:
        outcome = await poll_job(run, session, record)
        if isinstance(outcome, NotNow | Running) or outcome.credits is None:
            continue
        charge = record.charge
        if charge is not None and outcome.credits < charge:
            said = f"job {record.job_id} costs {outcome.credits:,} by its own answer"
            await _settle(run, fingerprint, record, charge - outcome.credits, said)


async def _by_ledger(run: Run, session: ProviderSession, records: RequestRecords, owed: list[Owed]) -> None:
    since = min(datetime.fromisoformat(record.submitted_at or "") for _, record in owed) - _EARLIER
    found = await read_entries(run, session, records, since)
    if isinstance(found, NotNow):
        words = session.client.mask.words(found.message)
        run.emit(EventKind.NOTE, None, f"{session.title}: refunds cannot be looked for ({words})")
        return
    for fingerprint, record in owed:
        amounts = [entry.credits for entry in found if entry.job_id == record.job_id and entry.refund]
        known = [credits for credits in amounts if credits is not None]
        if known and len(known) == len(amounts):
            said = f"a refund of job {record.job_id} in the ledger of {session.provider.title}"
            await _settle(run, fingerprint, record, sum(known), said)


async def _settle(run: Run, fingerprint: str, record: Receipt, refunded: int, reference: str) -> None:
    if record.refund_claim is None or record.job_id is None:
        return
    data = RefundSettled(
        job_id=record.job_id,
        claim=opening_of(record.refund_claim),
        refunded=refunded,
        reference=reference,
        by="provider",
    )
    await run.record(Fact(fingerprint=fingerprint, attempt=record.attempt, data=data))
    address = record.address or fingerprint[:12]
    run.emit(EventKind.NOTE, address, f"{refunded:,} credits came back: its refund claim is settled")
