"""Charges against a budget: every charge of every attempt, and the possible charges of unknown outcomes."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from kbatch.planner.charges import charged
from kbatch.receipts.receipt import Credits, Receipt, ReceiptState
from kbatch.report.data.status import read_status
from tests.planner.conftest import Campaign, plan_of, receipt_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BODY = "shots: [{id: one, model: kling-2.5-turbo-pro, prompt: a}]"


def _attempt(shown: Receipt, state: ReceiptState, reported: int | None) -> Receipt:
    job_id = None if state is ReceiptState.UNKNOWN else "job-2"
    credits = Credits(planned=10, reported=reported)
    return replace(shown, attempt=2, state=state, job_id=job_id, credits=credits, output=None)


@pytest.mark.parametrize(
    ("where", "state", "reported", "spent"),
    [
        pytest.param("also", ReceiptState.DONE, 10, 14, id="bought-twice-on-purpose"),
        pytest.param("also", ReceiptState.RENDERED, None, 14, id="unreported-charge-counts-as-planned"),
        pytest.param("also", ReceiptState.DONE, 12, 16, id="charged-above-the-quote"),
        pytest.param("also", ReceiptState.UNKNOWN, None, 14, id="unknown-of-another-branch-is-held"),
        pytest.param("failed", ReceiptState.FAILED, 0, 4, id="refunded"),
        pytest.param("failed", ReceiptState.FAILED, None, 4, id="failed-and-not-reported"),
        pytest.param("failed", ReceiptState.FAILED, 3, 7, id="not-refunded-in-full"),
    ],
)
def test_every_attempt_counts_by_what_it_was_charged(
    campaign: Campaign, where: str, state: ReceiptState, reported: int | None, spent: int
) -> None:
    """Attempts that a receipt only lists were paid like the one that it shows; what was given back was not."""
    loaded = campaign(BODY)
    (job,) = loaded.jobs
    shown = receipt_of(job)
    assert shown.credits.reported == 4
    renders = {job.fingerprint: replace(shown, **{where: (_attempt(shown, state, reported),)})}
    assert plan_of(loaded, renders).spent == {"apiframe": spent}


def test_orphans_count(campaign: Campaign) -> None:
    """What no job refers to any more was paid all the same; unknown, it is held."""
    loaded = campaign(BODY)
    (job,) = loaded.jobs
    renders = {"0" * 64: receipt_of(job), "1" * 64: receipt_of(job, ReceiptState.UNKNOWN)}
    assert plan_of(loaded, renders).spent == {"apiframe": 8}
    assert charged(renders) == {"apiframe": 4}


def test_status_holds_every_unknown_send(campaign: Campaign) -> None:
    """The unknown send that a receipt only lists is held too."""
    loaded = campaign(BODY)
    (job,) = loaded.jobs
    shown = receipt_of(job)
    unknown = _attempt(shown, ReceiptState.UNKNOWN, None)
    status = read_status(
        [("one", job.fingerprint)], {job.fingerprint: replace(shown, also=(unknown,))}, frozenset(), NOW
    )
    assert status.held == {"apiframe": 10}


@pytest.mark.parametrize(
    ("then", "held"), [(9, 9), (2, 4), (None, 4)], ids=["dearer-then", "cheaper-then", "unpriced-then"]
)
def test_an_unknown_send_is_held_at_what_it_may_have_cost(campaign: Campaign, then: int | None, held: int) -> None:
    """A price that was lowered since does not free what was agreed to when it was sent."""
    loaded = campaign(BODY)
    (job,) = loaded.jobs
    assert job.quote.credits == 4
    receipt = receipt_of(job, ReceiptState.UNKNOWN, credits=Credits(planned=then))
    assert plan_of(loaded, {job.fingerprint: receipt}).totals["apiframe"].held == held
