"""The status for people: one word for what is paid and not here, the same as in a run; JSON has the lockfile's."""

from datetime import UTC, datetime

import pytest

from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.report.data.status import as_json, lines, read_status
from kbatch.runner.outcome import JobEnd

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize("state", [ReceiptState.SUBMITTED, ReceiptState.RENDERED])
def test_what_is_paid_and_not_here_is_owed(state: ReceiptState) -> None:
    """Rendering or never fetched, it is `owed` as at the end of a run; a program still reads the receipt's state."""
    status = read_status(
        [("hero", "f")], {"f": Receipt(provider="apiframe", state=state, job_id="job-1", attempt=1)}, frozenset(), NOW
    )
    row = next(lines(status))
    assert row.split()[:3] == ["!", JobEnd.OWED.value, "hero"]
    assert as_json(status)["counts"] == {state.value: 1}
