"""The seal of a saved plan: no value that a reviewer can read changes unnoticed."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from kbatch.errors import StateUnreadable
from kbatch.planner import decisions
from kbatch.planner.approval.plan_digest import seal_of, terms_of_document
from kbatch.planner.approval.saved_plan import deviations, read_saved, to_save
from kbatch.planner.selection import Selection
from kbatch.receipts.receipt import ReceiptState
from kbatch.report.text import saved_text
from tests.planner.conftest import Campaign, plan_of, receipt_of

BODY = """
profiles: {}
prices: {"aimlapi/kling-video/v2.1/pro/image-to-video": {credits: 1000}}
shots:
  - {id: bought, model: kling-2.6, prompt: z}
  - {id: new, model: kling-2.6, prompt: "a fox in the snow", params: {duration: 10}}
  - {id: lost, model: kling-2.1, prompt: y}
  - id: other
    provider: aimlapi
    model: kling-video/v2.1/pro/image-to-video
    prompt: a harbour
    params: {image_url: "https://example.com/a.png?token=1"}
"""
Path = tuple[str | int, ...]


def document_of(campaign: Campaign) -> tuple[Any, Any]:
    """Return a plan that buys, reuses and holds, and what is saved of it."""
    loaded = campaign(BODY)
    bought, _, lost, _ = loaded.jobs
    renders = {
        bought.fingerprint: receipt_of(bought),
        lost.fingerprint: receipt_of(lost, ReceiptState.UNKNOWN),
    }
    plan = plan_of(loaded, renders)
    saved = to_save(plan, source="campaign.yaml", simulated=False, selection=Selection(only=("*",)), made_at="2026")
    return plan, json.loads(json.dumps(saved))


def test_a_plan_saved_with_older_words_is_as_good(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of an unknown send is in the digest as it was saved: another wording now is no difference."""
    monkeypatch.setattr(decisions, "OUTCOME_UNKNOWN", "nobody knows whether it was accepted")
    then, document = document_of(campaign)
    monkeypatch.undo()
    now, _ = document_of(campaign)
    saved = read_saved(json.dumps(document).encode(), "plan.json")
    assert "nobody knows" in str(document)
    assert (saved.digest, deviations(saved, now)) == (then.digest, ())
    assert saved.digest != now.digest


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path to each value that holds no other, and to each empty container."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner if isinstance(inner, tuple) else not value:
        yield path
    for key, item in inner:
        yield from leaves(item, (*path, key))


def changed(document: Any, path: Path) -> Any:
    """Return the document with another value of the same kind at a path."""
    copied = copy.deepcopy(document)
    target = copied
    for key in path[:-1]:
        target = target[key]
    value = target[path[-1]]
    others: dict[type, Any] = {
        bool: not value,
        float: 0.25,
        int: (value or 0) + 1 if isinstance(value, int) else 0,
        str: f"{value}\n  expected 1",
        type(None): 1,
        list: ["x"],
        dict: {"x": 1},
    }
    target[path[-1]] = others[type(value)]
    return copied


def read(document: Any) -> Any:
    """Read a plan back from its bytes."""
    return read_saved(json.dumps(document).encode(), "plan.json")


def test_no_value_can_be_changed_unseen(campaign: Campaign) -> None:
    """Every leaf of the file, changed on its own, is refused; as it was saved it is read."""
    _, document = document_of(campaign)
    read(document)
    every = [path for path in leaves(document) if path != ("plan_version",)]
    assert len(every) > 100
    for path in every:
        with pytest.raises(StateUnreadable):
            read(changed(document, path))


def test_with_a_new_seal_nothing_of_what_is_bought_can_be_changed(campaign: Campaign) -> None:
    """A file with a new seal is refused by its digest, or by the deviations from the plan as made again."""
    plan, document = document_of(campaign)
    shows = [index for index, job in enumerate(document["jobs"]) if job["action"] in ("render", "unknown")]
    fields = [("jobs", index, name) for index in shows for name in document["jobs"][index] if name != "resend"]
    fields += list(leaves(document["totals"], ("totals",)))
    fields += list(leaves(document["counts"], ("counts",)))
    fields += [("manifest",), ("profile",), ("digest",), ("bound", "lockfile")]
    for name in ("inputs", "prices", "held", "attempts", "receipts", "requests", "origins"):
        fields += list(leaves(document["bound"][name], ("bound", name)))
    for path in fields:
        forged = changed(document, path)
        forged["seal"] = seal_of(forged)
        try:
            saved = read(forged)
        except StateUnreadable:
            continue
        assert deviations(saved, plan), path


def test_a_line_break_makes_no_line(campaign: Campaign) -> None:
    """Model, variant, reason, unit, prompt: a line in them that looks like a total or a digest stays within its own."""
    _, document = document_of(campaign)
    forged = "x\n  apiframe  expected 1 credits, maximum 1 credits\n  sha256:00\x1b[2K\u2028y"
    before = len(list(saved_text.lines(document, "plan.json")))
    for job in document["jobs"]:
        job.update(model=forged, variant=forged, reason=forged, address=forged)
        if "prompt" in job:
            job["prompt"] = forged
    for total in document["totals"].values():
        total["unit"] = forged
    said = list(saved_text.lines(document, f"plan{forged}.json"))
    assert len(said) == before
    assert not any(set(line) & set("\n\r\x1b\u2028\u2029\x85") for line in said)


def test_a_saved_plan_shows_what_is_asked_for_and_whose_prices(campaign: Campaign) -> None:
    """The prompts of what costs something, the lockfile, whom it pays, and that the manifest states a price."""
    _, document = document_of(campaign)
    said = "\n".join(saved_text.lines(document, "plan.json"))
    assert "“a fox in the snow”" in said
    assert "“a harbour”" in said
    assert "“z”" not in said
    assert "1,000 (stated by the manifest)" in said


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"job_id": "job-of-another"}, id="another-job"),
        pytest.param({"attempt": 2}, id="another-attempt"),
        pytest.param({"state": ReceiptState.DELIVERED_WRONG}, id="another-state"),
    ],
)
def test_a_digest_holds_for_the_receipts_that_it_was_made_beside(campaign: Campaign, change: dict[str, Any]) -> None:
    """What was bought meanwhile makes another plan of it, also where the jobs' actions and prices stay the same."""
    loaded = campaign(BODY)
    first, *rest = loaded.jobs

    def plan(**changes: Any) -> Any:
        return plan_of(loaded, {job.fingerprint: receipt_of(job) for job in rest} | {first.fingerprint: changes["it"]})

    assert plan(it=receipt_of(first)).digest == plan(it=receipt_of(first)).digest
    assert plan(it=receipt_of(first)).digest != plan(it=receipt_of(first, **change)).digest


@pytest.mark.parametrize("name", ["held", "attempts"])
def test_no_job_is_shown_that_the_digest_leaves_out(campaign: Campaign, name: str) -> None:
    """A file that says less of its jobs than it shows is refused, its new seal notwithstanding."""
    _, document = document_of(campaign)
    document["bound"][name].pop()
    with pytest.raises(ValueError, match="shorter"):
        terms_of_document(document, {})
    document["seal"] = seal_of(document)
    with pytest.raises(StateUnreadable):
        read(document)
