"""What a provider records of requests beside its jobs: a log by the caller's own name of each, and a ledger of charges.

A row of either proves what it says; that there is none proves nothing, since rows come after a job's end. A provider
that has both may have a member `records`.
"""

from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from kbatch.providers.base import NotNow, Provider, Reply, Request


class LoggedRequest(Struct, frozen=True, kw_only=True):
    """One row of the log: the job that the request made, its model, when it was made, and its cost where readable."""

    job_id: str
    model: str
    created: datetime
    failed: bool
    credits: int | None


class LogPage(Struct, frozen=True, kw_only=True):
    """The rows of one page that bear the name that was asked for; `size` counts all rows, `more` follow."""

    rows: tuple[LoggedRequest, ...]
    size: int
    more: bool


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """A movement of credits about one job: its charge, or a `refund`; `credits` None where no amount can be read."""

    job_id: str
    credits: int | None
    refund: bool


class LedgerPage(Struct, frozen=True, kw_only=True):
    """One page of the ledger, newest first; `cursor` is None on the last one."""

    entries: tuple[LedgerEntry, ...]
    cursor: str | None


class RequestRecords(Protocol):
    """A provider's log and ledger, translated; `kept` is how long the log has a row."""

    kept: timedelta

    def log(self, since: datetime, until: datetime, offset: int) -> Request:
        """Return the call for a page of the requests made in a window."""

    def read_log(self, reply: Reply, request_id: str) -> LogPage | NotNow:
        """Read the rows that bear the caller's own name of a request; a page of another form is `NotNow`."""

    def ledger(self, since: datetime, cursor: str | None) -> Request:
        """Return the call for a page of what was charged since a moment."""

    def read_ledger(self, reply: Reply) -> LedgerPage | NotNow:
        """Read a page of charges; a page of another form is `NotNow`."""


def request_records(provider: Provider) -> RequestRecords | None:
    """Return a provider's log and ledger, None where it has none."""
    records: RequestRecords | None = getattr(provider, "records", None)
    return records
