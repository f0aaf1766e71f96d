"""The plan as JSON, its digest, and its summary."""

import json

import jsonschema
import pytest

from kbatch.planner.plan import as_json
from kbatch.planner.summary import summarize
from kbatch.receipts.receipt import ReceiptState
from kbatch.storage import packaged
from tests.planner.conftest import Campaign, plan_of, receipt_of

BODY = """
defaults: {model: kling-3.0, params: {duration: 5}}
shots:
  - {id: hero, prompt: "{{ city }}", labels: {market: eu}, matrix: {city: [oslo, rome]}}
  - {id: end, model: kling-2.1, prompt: y, params: {mode: standard}}
"""


def test_the_plan_validates_against_its_own_schema(campaign: Campaign) -> None:
    """What `plan --format json` prints is what `kbatch schema plan` describes, with an unknown price too."""
    body = (
        BODY
        + """
  - {id: still, provider: aimlapi, model: kling-video/v2.1/pro/image-to-video, params: {image_url: "https://e.com/a.png"}}
"""
    )
    document = as_json(plan_of(campaign(body)))
    jsonschema.validate(document, json.loads(packaged("plan.schema.json")), cls=jsonschema.Draft202012Validator)
    assert document["jobs"][-1]["credits"] is None
    assert document["totals"]["aimlapi"] == {"unit": "credits", "expected": None, "maximum": None, "unpriced": 1}


def test_the_digest_is_stable_and_changes_with_what_is_agreed(campaign: Campaign) -> None:
    """The same manifest gives the same digest; a prompt, a price, an output or a receipt gives another."""
    plain = plan_of(campaign(BODY)).digest
    assert plan_of(campaign(BODY)).digest == plain
    loaded = campaign(BODY)
    paid = plan_of(loaded, {loaded.jobs[0].fingerprint: receipt_of(loaded.jobs[0])}).digest
    unknown = plan_of(loaded, {loaded.jobs[0].fingerprint: receipt_of(loaded.jobs[0], ReceiptState.UNKNOWN)}).digest
    changed = [
        plan_of(campaign(BODY.replace("prompt: y", "prompt: z"))).digest,
        plan_of(campaign('prices: {"apiframe/kling-2.1": {credits: 9}}\n' + BODY)).digest,
        plan_of(campaign("output: {dir: elsewhere}\n" + BODY)).digest,
        plan_of(campaign(BODY.replace("id: end", "id: fin"))).digest,
    ]
    assert len({plain, paid, unknown, *changed}) == 7


def test_the_digest_binds_the_text_that_was_reviewed(campaign: Campaign) -> None:
    """Even a comment makes another digest: an approval is about the manifest that the approver read."""
    assert plan_of(campaign(BODY + "# a comment\n")).digest != plan_of(campaign(BODY)).digest


def test_the_summary_adds_up_from_every_side(campaign: Campaign) -> None:
    """By variant, label and axis value the parts are those of the total; costly defaults say what they cost."""
    plan = plan_of(campaign(BODY))
    summary = summarize(plan, {"apiframe": 8})
    assert plan.totals["apiframe"].expected == 73
    assert {(share.name, share.jobs, share.credits) for share in summary.variants} == {
        ("kling-3.0 pro-audio", 2, 70),
        ("kling-2.1 standard-5s", 1, 3),
    }
    assert [(share.name, share.credits) for share in summary.labels] == [("market=eu", 70)]
    assert {(share.name, share.credits) for share in summary.axes} == {("city=oslo", 35), ("city=rome", 35)}
    assert {(found.parameter, found.credits) for found in summary.costly_defaults} == {
        ("mode", 30),
        ("generate_audio", 20),
    }


@pytest.mark.parametrize(("places", "seconds"), [(1, 135 + 135 + 60), (2, 195), (8, 135)])
def test_the_expected_time_fills_the_places_longest_first(campaign: Campaign, places: int, seconds: int) -> None:
    """Two renders of 135 s and one of 60 s take as long as the places allow."""
    assert summarize(plan_of(campaign(BODY)), {"apiframe": places}).seconds[0] == seconds
