"""The AI/ML API's request log and ledger, translated: `GET /v2/logs` and `GET /v2/billing/transactions`.

Source: the vendor's pages "Usage Logs" and "Account Balance" with their OpenAPI (2026-08). The log has the requests of
the asking key, 92 days of them, final outcomes only; the ledger all movements of the account.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kbatch.providers.base import Answer, NotNow, Reason, Reply, Request
from kbatch.providers.outcomes import REFUSALS, not_now
from kbatch.providers.request_records import LedgerEntry, LedgerPage, LoggedRequest, LogPage
from kbatch.providers.responses import encoded, identifier, inner, succeeded, whole

CREDITS_PER_USD = 2_000_000
_JSON = {"Accept": "application/json"}
_LONGEST_CURSOR = 4096


class AimlapiRecords:
    """Log and ledger of the AI/ML API; holds no state."""

    __slots__ = ()

    kept = timedelta(days=92)

    def log(self, since: datetime, until: datetime, offset: int) -> Request:
        """Return `GET /v2/logs`; models are not filtered, since a row may name one with its source before it."""
        window = f"start={encoded(_stamp(since))}&end={encoded(_stamp(until))}"
        return Request(method="GET", path=f"/v2/logs?{window}&limit=100&offset={offset}", headers=_JSON)

    def read_log(self, reply: Reply, request_id: str) -> LogPage | NotNow:
        """Read `{"data": [row], "pagination": {"has_more"}}`; a row of the request that lacks a field spoils it."""
        told = succeeded(reply, exact=True)
        rows, more = (told or {}).get("data"), inner(told, "pagination", "has_more")
        if not isinstance(rows, list) or not isinstance(more, bool) or not all(isinstance(row, dict) for row in rows):
            return _unreadable(reply, "no page of the request log in it")
        mine = [_row(row) for row in rows if row.get("client_request_id") == request_id]
        found = tuple(row for row in mine if row is not None)
        if len(found) < len(mine):
            return _unreadable(reply, "its row of the request log lacks what the documents promise")
        return LogPage(rows=found, size=len(rows), more=more)

    def ledger(self, since: datetime, cursor: str | None) -> Request:
        """Return `GET /v2/billing/transactions` from a moment on, refunds and top-ups among them."""
        query = f"from={encoded(_stamp(since))}&limit=100" + (f"&cursor={encoded(cursor)}" if cursor else "")
        return Request(method="GET", path=f"/v2/billing/transactions?{query}", headers=_JSON)

    def read_ledger(self, reply: Reply) -> LedgerPage | NotNow:
        """Read `{"data": [entry], "pagination": {"next_cursor", "has_more"}}`; entries about no job are left out."""
        told = succeeded(reply, exact=True)
        rows, more = (told or {}).get("data"), inner(told, "pagination", "has_more")
        cursor = inner(told, "pagination", "next_cursor")
        if not isinstance(rows, list) or not isinstance(more, bool) or not all(isinstance(row, dict) for row in rows):
            return _unreadable(reply, "no page of the ledger in it")
        if more and not (isinstance(cursor, str) and 0 < len(cursor) <= _LONGEST_CURSOR):
            return _unreadable(reply, "another page of the ledger follows, and nothing leads to it")
        entries = tuple(entry for row in rows if (entry := _entry(row)) is not None)
        return LedgerPage(entries=entries, cursor=cursor if more else None)


def _row(row: dict[str, Any]) -> LoggedRequest | None:
    job_id, model, status = identifier(row.get("inference_id")), row.get("model"), row.get("status")
    created = _moment(row.get("created"))
    if job_id is None or created is None or not isinstance(model, str) or status not in ("succeeded", "failed"):
        return None
    return LoggedRequest(
        job_id=job_id, model=model, created=created, failed=status == "failed", credits=_credits(row.get("cost"))
    )


def _entry(row: dict[str, Any]) -> LedgerEntry | None:
    job_id, kind, direction = identifier(row.get("reference_id")), row.get("type"), row.get("direction")
    if job_id is None or (kind, direction) not in (("MODEL_USAGE", "CHARGE"), ("REFUND", "TOPUP")):
        return None
    return LedgerEntry(job_id=job_id, credits=_credits(row.get("amount")), refund=kind == "REFUND")


def _credits(amount: Any) -> int | None:
    """Return an amount in credits: as named, else its dollars' exact value, None where that is no whole number."""
    if not isinstance(amount, dict):
        return None
    if "credits" in amount:
        return whole(amount["credits"])
    usd = amount.get("usd")
    return whole(usd * CREDITS_PER_USD) if isinstance(usd, int | Decimal) and not isinstance(usd, bool) else None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unreadable(reply: Reply, lack: str) -> NotNow:
    refused: Reason | None = REFUSALS.get(reply.status) if isinstance(reply, Answer) else None
    return not_now(reply, refused, lack)


RECORDS = AimlapiRecords()
