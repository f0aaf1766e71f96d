"""Many jobs are polled by one list, in virtual time with the rate kept; what a list says wrongly harms none of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kbatch.providers.base import Failed, Listed, Succeeded
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.runner.collect.list_poll import is_proof
from tests.virtual_run import Finished, VirtualRun

JOBS, RENDER_S = 40, 60.0


def run(folder: Path, change: Callable[[dict[str, Any]], None] | int | None = None, **more: Any) -> Finished:
    """Run 40 jobs at once; `change` alters each item of a list, or is the status that every list is answered with."""

    def changed(path: str, told: dict[str, Any]) -> dict[str, Any] | int:
        if path.startswith("/v2/jobs?"):
            if isinstance(change, int):
                return change
            for item in told["jobs"] if change is not None else ():
                change(item)
        return told

    settings: dict[str, Any] = {"jobs": JOBS, "places": JOBS, "render_s": RENDER_S, "changed": changed, **more}
    return VirtualRun(folder=folder, **settings).finish()


def states(done: Finished) -> dict[ReceiptState, int]:
    """Return how many receipts are in which state."""
    found = [receipt.state for receipt in done.run.renders.values()]
    return {state: found.count(state) for state in found}


def assert_all_collected(done: Finished, *, late: float = 0.3) -> None:
    """Hold that each job was bought once and its end noticed in time."""
    assert len(done.noticed) == JOBS
    assert done.calls.count("submit") == JOBS
    assert all(receipt.state is ReceiptState.RENDERED for receipt in done.run.renders.values()), states(done)
    assert max(done.late) < late, max(done.late)


def test_many_jobs_cost_few_calls(tmp_path: Path) -> None:
    """A list shows what forty polls would, and no clip is noticed late."""
    done = run(tmp_path)
    assert_all_collected(done)
    assert done.per_job < 1.6
    assert run(tmp_path, lists=False).per_job > 2.0


@pytest.mark.parametrize(("places", "aim"), [(64, 1.2), (256, 1.2)])
def test_the_rate_is_left_to_submits(places: int, aim: float, tmp_path: Path) -> None:
    """With renders so short that the rate is what holds them up, 500 jobs take little longer than their submits."""
    done = run(tmp_path, jobs=500, places=places, render_s=0.5, scale=0.0025)
    assert done.per_job <= aim
    assert done.seconds <= 1.1 * 60.0


def test_few_jobs_are_polled_singly(tmp_path: Path) -> None:
    """With eight places no list is asked: single polls show progress."""
    done = run(tmp_path, places=8)
    assert done.calls.count("list") == 0
    assert len(done.noticed) == JOBS


def _other_model(item: dict[str, Any]) -> None:
    item["model"] = "kling-2.1"


def _other_charge(item: dict[str, Any]) -> None:
    item["creditCost"] = 1


def _no_charge(item: dict[str, Any]) -> None:
    item["creditCost"] = None


def _failed(item: dict[str, Any]) -> None:
    item.update(status="FAILED", result=None, error="no", creditCost=0)


def _no_clip(item: dict[str, Any]) -> None:
    item["result"] = None


def _expired(item: dict[str, Any]) -> None:
    item["expired"] = True


def _other_type(item: dict[str, Any]) -> None:
    item.update(status=["COMPLETED"], model=7, createdAt=3.5, creditCost="15")


def _foreign(item: dict[str, Any]) -> None:
    item["id"] = "00000000-0000-4000-8000-000000000000"


def _running(item: dict[str, Any]) -> None:
    item.update(status="PROCESSING", result=None)


@pytest.mark.parametrize(
    "change",
    [
        _other_model,
        _other_charge,
        _no_charge,
        _failed,
        _no_clip,
        _expired,
        _other_type,
        _foreign,
        _running,
        503,
        404,
        403,
    ],
    ids=lambda change: str(change).lstrip("_") if isinstance(change, int) else change.__name__.lstrip("_"),
)
def test_what_a_list_says_wrongly_is_not_believed(change: Any, tmp_path: Path) -> None:
    """Single polls decide: nothing fails, no other charge is recorded, every clip is noticed."""
    done = run(tmp_path, change)
    assert_all_collected(done, late=0.5)
    assert done.calls.count("poll") >= JOBS - 1
    assert {receipt.credits.reported for receipt in done.run.renders.values()} == {15}
    assert done.per_job < 8


def test_a_failure_is_noticed_by_list_and_decided_by_poll(tmp_path: Path) -> None:
    """The list of failed jobs only hints; the poll says it, and the refund is counted."""

    def changed(path: str, told: dict[str, Any]) -> dict[str, Any]:
        for item in told.get("jobs", [told]):
            if item.get("status") == "COMPLETED":
                _failed(item)
        return told if "status=COMPLETED" not in path else {**told, "jobs": []}

    done = run(tmp_path, changed=changed)
    assert states(done) == {ReceiptState.FAILED: JOBS}
    assert {receipt.credits.reported for receipt in done.run.renders.values()} == {0}


def test_two_items_of_one_job_that_differ_are_not_believed(tmp_path: Path) -> None:
    """Pages shift while they are read; a job that stands twice, with another clip, is polled singly."""

    def changed(path: str, told: dict[str, Any]) -> dict[str, Any]:
        if path.startswith("/v2/jobs?"):
            told["jobs"] += [{**item, "result": {"videoUrl": "https://b.example/b.mp4"}} for item in told["jobs"]]
        return told

    done = run(tmp_path, changed=changed)
    assert_all_collected(done)
    assert done.calls.count("poll") >= JOBS


def test_a_list_without_an_end_is_left(tmp_path: Path) -> None:
    """A cursor that leads nowhere costs no more than the pages that are worth it."""

    def changed(path: str, told: dict[str, Any]) -> dict[str, Any]:
        if path.startswith("/v2/jobs?"):
            return {"jobs": [], "nextCursor": "again", "hasMore": True}
        return told

    done = run(tmp_path, changed=changed)
    assert_all_collected(done, late=0.5)
    assert done.calls.count("list") < JOBS


RECEIPT = Receipt(state=ReceiptState.SUBMITTED, attempt=1, provider="apiframe", model="kling-3.0", job_id="j-1")
CLIP = Succeeded(url="https://a.example/a.mp4", credits=15)


@pytest.mark.parametrize(
    ("job", "own", "expected"),
    [
        pytest.param({}, True, True, id="as-expected"),
        pytest.param({}, False, False, id="id-from-a-file"),
        pytest.param({"model": "kling-2.1"}, True, False, id="other-model"),
        pytest.param({"model": ""}, True, False, id="no-model"),
        pytest.param({"job_id": "j-2"}, True, False, id="other-job"),
        pytest.param({"outcome": replace(CLIP, credits=16)}, True, False, id="dearer"),
        pytest.param({"outcome": replace(CLIP, credits=14)}, True, False, id="cheaper"),
        pytest.param({"outcome": replace(CLIP, credits=None)}, True, False, id="no-charge"),
        pytest.param({"outcome": replace(CLIP, url="")}, True, False, id="no-clip"),
        pytest.param({"outcome": replace(CLIP, expired=True)}, True, False, id="expired"),
        pytest.param({"outcome": Failed(message="no", credits=0)}, True, False, id="failed"),
        pytest.param({"outcome": None}, True, False, id="unreadable"),
    ],
)
def test_which_list_items_need_no_single_poll(job: dict[str, Any], own: bool, expected: bool) -> None:
    """All of it must be as agreed: a failed job may be bought again, and a charge or film must be seen to be ours."""
    listed = replace(Listed(job_id="j-1", model="kling-3.0", status="COMPLETED", outcome=CLIP), **job)
    receipt = replace(RECEIPT, credits=replace(RECEIPT.credits, planned=15))
    assert is_proof(listed, receipt, own=own) is expected
    assert not is_proof(listed, RECEIPT, own=own), "what has no known price is always polled singly"
