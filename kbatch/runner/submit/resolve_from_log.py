"""Settles a send by its row in the provider's request log: adopted where it succeeded, failed and free where not.

The log lists final outcomes, some time after they are known. So a run asks again at growing intervals, as long as the
send is young; every later run, `pull` and `reconcile` asks once, until the log no longer keeps the row.
"""

from datetime import UTC, datetime, timedelta

from kbatch.providers.request_records import LoggedRequest, request_records
from kbatch.receipts.event_data import Failed
from kbatch.receipts.events import Fact
from kbatch.receipts.receipt import OUTCOME_UNKNOWN, Receipt, asked_until, how_to_resolve
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.progress_events import EventKind
from kbatch.runner.submit.find_logged import NotFound, find_logged
from kbatch.runner.submit.submit import NotSubmitted, SubmitResult, Submitted, SubmitUnknown, record_accepted

_WAITS_S = (30.0, 60.0, 120.0, 240.0, 300.0)
"""Between the questions of one run: 12.5 minutes in all; the slowest clip takes 8, and its row comes after that."""

_YOUNG = timedelta(hours=1)
_FAILED = "its request log says that it failed, and cost nothing"


async def resolve_from_log(run: Run, session: ProviderSession, fingerprint: str) -> SubmitResult | None:
    """Settle an unknown send by the log, or say why it stays unknown; None where the provider has no log."""
    records = request_records(session.provider)
    if records is None:
        return None
    receipt = run.renders[fingerprint]
    if receipt.client_request_id is None:
        return _unknown(session, receipt, "its receipt has no name that the request log could show", final=True)
    async with session.lookup_lock:
        found = await find_logged(run, session, records, fingerprint)
        if isinstance(found, NotFound):
            return _unknown(session, receipt, session.client.mask.words(found.reason), final=found.final)
        owner = run.claim(session.provider.name, found.job_id, fingerprint, receipt.attempt)
        if owner is not None:
            words = f"its row of the request log names job {found.job_id}, which is `{owner}`'s already"
            return _unknown(session, receipt, words, final=True)
        return await _settle(run, session, fingerprint, found)


async def _settle(run: Run, session: ProviderSession, fingerprint: str, row: LoggedRequest) -> SubmitResult:
    receipt = run.renders[fingerprint]
    await record_accepted(run, session, fingerprint, row.job_id, by="log")
    run.touched.add((fingerprint, receipt.attempt))
    if not row.failed:
        return Submitted(credits=row.credits)
    failed = Failed(job_id=row.job_id, message=f"{session.provider.title}: {_FAILED}", credits=0)
    await run.record(Fact(fingerprint=fingerprint, attempt=receipt.attempt, data=failed))
    run.reservations.release(receipt.provider, fingerprint)
    run.unpriced.not_charged(receipt.provider, fingerprint)
    return NotSubmitted(reason=_FAILED)


def _unknown(session: ProviderSession, receipt: Receipt, why: str, *, final: bool) -> SubmitUnknown:
    records = request_records(session.provider)
    until = asked_until(receipt.submitted_at, records.kept if records else None)
    named = f" as {receipt.client_request_id}" if receipt.client_request_id else ""
    words = [f"sent{named}, and {OUTCOME_UNKNOWN}", why]
    words += [f"it is asked for until {until}"] if until and not final else []
    words += [how_to_resolve(session.provider.unknown_help)]
    return SubmitUnknown(reason="; ".join(words), final=final)


async def wait_for_log(run: Run, session: ProviderSession, fingerprint: str, result: SubmitResult) -> SubmitResult:
    """Ask the log again, at growing intervals, while the send is young and the run may wait; return the last result."""
    if not _may_wait(run, session, run.renders[fingerprint]):
        return result
    for wait_s in _WAITS_S:
        if not isinstance(result, SubmitUnknown) or result.final or run.shutdown.graceful or session.stopped:
            break
        run.emit(EventKind.WAITING, None, "the request log is asked again", provider=session.provider.name)
        await run.shutdown.pause(wait_s * session.scale)
        result = await resolve_from_log(run, session, fingerprint) or result
    return result


def _may_wait(run: Run, session: ProviderSession, receipt: Receipt) -> bool:
    waits = run.options.buy or (run.options.fetch_missing and run.options.render_deadline_s > 0)
    if request_records(session.provider) is None or not waits:
        return False
    now = session.provider_time() or datetime.now(UTC)
    return now - datetime.fromisoformat(receipt.provider_time or receipt.submitted_at or "") < _YOUNG
