"""Looks for a send in the provider's request log by the name that it bore; that there is no row proves nothing.

A row settles a send only when it alone bears the name, is of the model that was bought, was not made before the send by
the provider's own clock, and names a job that the provider knows and no other purchase owns. Only the buyer's key may
ask, since the log shows the requests of the asking key, and another key may have bought the same under the same name.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from kbatch.providers.base import Listed, NotNow
from kbatch.providers.request_records import LoggedRequest, RequestRecords
from kbatch.receipts.account import AccountMatch
from kbatch.receipts.receipt import Receipt
from kbatch.runner.account_match import bought_by, match_account
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.submit.job_matching import contradiction

_MOST_PAGES = 50
_WINDOW = timedelta(hours=1)
"""Rows are asked for from this long before a send to this long after it: a row says when its request was made."""

_CLOCK = timedelta(seconds=5)  # the provider's `Date` counts whole seconds, and its answer had a way to travel
_OWN_CLOCK = timedelta(minutes=10)  # where only this machine's time of a send is known


class NotFound(Struct, frozen=True, kw_only=True):
    """No row settles the send; `final`: asking again will not change that."""

    reason: str
    final: bool = False


async def find_logged(
    run: Run, session: ProviderSession, records: RequestRecords, fingerprint: str
) -> LoggedRequest | NotFound:
    """Return the row of a send, or why none settles it."""
    receipt = run.renders[fingerprint]
    sent_at = datetime.fromisoformat(receipt.provider_time or receipt.submitted_at or "")
    whose = await match_account(session, receipt)
    if whose is not AccountMatch.SAME:
        other = whose is AccountMatch.OTHER
        words = f"it was {bought_by(receipt, session)}" if other else "nothing proves which key sent it"
        return NotFound(reason=f"{words}, and only that key's log can show it", final=True)
    rows = await _rows(run, session, records, receipt, sent_at)
    if isinstance(rows, NotFound):
        return rows
    if len(rows) > 1:
        return NotFound(reason=f"{len(rows)} requests of the log bear its name", final=True)
    if not rows:
        return NotFound(reason="the request log does not show it yet")
    objection = _objection(rows[0], receipt, sent_at)
    if objection is not None:
        return NotFound(reason=f"the log's row with its name is not its: {objection}", final=True)
    return rows[0] if rows[0].failed else await _confirmed(run, session, receipt, rows[0])


async def _rows(
    run: Run, session: ProviderSession, records: RequestRecords, receipt: Receipt, sent_at: datetime
) -> list[LoggedRequest] | NotFound:
    """Return all rows that bear the send's name, each job once; every page is read before any of them counts."""
    found: dict[str, LoggedRequest] = {}
    name, offset = receipt.client_request_id or "", 0
    for _ in range(_MOST_PAGES):
        request = records.log(sent_at - _WINDOW, sent_at + _WINDOW, offset)
        page = await run.ask_page(session, request, lambda reply: records.read_log(reply, name))
        if isinstance(page, NotNow):
            return NotFound(reason=f"the request log cannot be read: {page.message}")
        found |= {row.job_id: row for row in page.rows}
        if not page.more:
            return list(found.values())
        offset += page.size
    return NotFound(reason="the request log is too long to be read to its end")


def _objection(row: LoggedRequest, receipt: Receipt, sent_at: datetime) -> str | None:
    """Return why a row is not the send's; a row may name the model with its source before it."""
    if row.model != receipt.model and not row.model.endswith(f"/{receipt.model}"):
        return f"it is of {row.model}"
    if row.created < sent_at - (_CLOCK if receipt.provider_time else _OWN_CLOCK):
        return f"it was made at {row.created:%Y-%m-%d %H:%M:%S} UTC, before this send"
    if row.failed and row.credits != 0:
        return "it says that it failed, and not that it cost nothing"
    return None


async def _confirmed(
    run: Run, session: ProviderSession, receipt: Receipt, row: LoggedRequest
) -> LoggedRequest | NotFound:
    """Return the row when the provider knows its job, and nothing in its answer contradicts the purchase."""
    found = session.provider.read_job(await run.ask_job(session, receipt, row.job_id))
    if not isinstance(found, Listed):
        return NotFound(reason=f"the log names job {row.job_id}, which cannot be read: {found.message}")
    words = contradiction(found, replace(receipt, job_id=row.job_id))
    return row if words is None else NotFound(reason=f"the log names job {row.job_id}: {words}", final=True)
