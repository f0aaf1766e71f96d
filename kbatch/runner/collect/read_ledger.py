"""Reads from a provider's ledger what purchases were charged of which no answer said so; asked once, at a run's end.

An entry counts only when it alone is about the job, and no refund is. What is missing is not known: entries come after
a job's end, and `kbatch pull` asks again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from kbatch.providers.base import NotNow
from kbatch.providers.request_records import LedgerEntry, RequestRecords, request_records
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.collect.poll import note_charge
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.pending import PendingRender
from kbatch.runner.progress_events import EventKind

_MOST_PAGES = 50
_EARLIER = timedelta(minutes=10)  # tolerated difference between the two clocks
_ENDED = (ReceiptState.RENDERED, ReceiptState.DONE, ReceiptState.DELIVERED_WRONG)
_AGAIN = "`kbatch pull` asks again"


async def read_ledgers(run: Run) -> None:
    """Record the charges that ledgers name of rendered purchases without a reported one."""
    for session in run.sessions:
        records = request_records(session.provider)
        open_ones = list(_without_charge(run, session)) if records is not None else []
        if records is not None and open_ones:
            await _read(run, session, records, open_ones)


def _without_charge(run: Run, session: ProviderSession) -> Iterator[tuple[PendingRender, Receipt]]:
    for fingerprint, shown in run.renders.items():
        for record in records_of(shown):
            if record.provider != session.provider.name or record.credits.reported is not None:
                continue
            if record.state in _ENDED and record.submitted_at and run.sessions.owner(record) is session:
                yield _pending(fingerprint, shown, record), record


def _pending(fingerprint: str, shown: Receipt, record: Receipt) -> PendingRender:
    is_shown = (record.attempt, record.job_id) == (shown.attempt, shown.job_id)
    return PendingRender(
        fingerprint=fingerprint,
        address=record.address or shown.address or fingerprint[:12],
        provider=record.provider,
        model=record.model,
        variant=record.variant or "",
        output="",
        clip=None,
        typical_s=(0, 0),
        attempt=None if is_shown else record.attempt,
        job_id=record.job_id,
    )


async def _read(
    run: Run, session: ProviderSession, records: RequestRecords, open_ones: list[tuple[PendingRender, Receipt]]
) -> None:
    since = min(datetime.fromisoformat(record.submitted_at or "") for _, record in open_ones) - _EARLIER
    found = await read_entries(run, session, records, since)
    if isinstance(found, NotNow):
        words = session.client.mask.words(found.message)
        run.emit(EventKind.NOTE, None, f"{session.title}: its ledger cannot be read ({words}); {_AGAIN}")
        return
    absent = 0
    for pending, record in open_ones:
        mine = [entry for entry in found if entry.job_id == record.job_id]
        absent += not mine
        if len(mine) == 1 and not mine[0].refund and mine[0].credits is not None:
            run.touched.add((pending.fingerprint, record.attempt))
            await note_charge(run, session, pending, mine[0].credits)
        elif mine:
            words = f"the ledger of {session.title} has {len(mine)} entries about job {record.job_id}"
            run.emit(EventKind.NOTE, pending.address, f"{words}: what it was charged is not taken from them")
    if absent:
        what = "what 1 job was charged" if absent == 1 else f"what {absent} jobs were charged"
        run.emit(EventKind.NOTE, None, f"the ledger of {session.title} does not say yet {what}; {_AGAIN}")


async def read_entries(
    run: Run, session: ProviderSession, records: RequestRecords, since: datetime
) -> list[LedgerEntry] | NotNow:
    """Return all entries since a moment; every page is read before any of them counts."""
    found: list[LedgerEntry] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await run.ask_page(session, records.ledger(since, cursor), records.read_ledger)
        if isinstance(page, NotNow):
            return page
        found += page.entries
        cursor = page.cursor
        if cursor is None:
            return found
    return NotNow(message="it is too long to be read to its end")
