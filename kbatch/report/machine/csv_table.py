"""The rows as CSV (RFC 4180, UTF-8): a header, one line a row, CRLF.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection); numbers stay
numbers. Columns are added at the end only, since others read them by name or place.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from kbatch.report.data.format import harmless_lines
from kbatch.report.data.rows import ReportRow

_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
COLUMNS = (
    "role", "address", "shot", "axes", "labels", "take", "provider", "model", "variant", "state", "planned_credits",
    "reported_credits", "spent_credits", "held_credits", "job_id", "submitted_at", "finished_at", "output", "sha256",
    "prompt", "params", "reason", "error", "shares",
)  # fmt: skip


def render(rows: Iterable[ReportRow]) -> str:
    """Return the rows as CSV; an unknown amount is an empty cell, never 0."""
    return write_table(COLUMNS, (map(cell, _values(row)) for row in rows))


def write_table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table of finished cells as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


def _values(row: ReportRow) -> tuple[Any, ...]:
    return (
        row.role.value, row.address, row.shot, _pairs(row.axes), _pairs(row.labels.items()), row.take, row.provider,
        row.model, row.variant, row.state.value, row.planned, row.reported, row.spent, row.held, row.job_id,
        row.submitted_at, row.finished_at, row.output, row.sha256, row.prompt, _json(row.params), row.reason, row.error,
        row.shares,
    )  # fmt: skip


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def cell(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = harmless_lines(value)
    return f"'{text}" if value[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA else text
