"""A saved plan as Markdown and HTML: every number is that of the plan and its lockfile, and a false file is no page."""

import json
import re
from html import unescape
from typing import Any

import jsonschema
import pytest

from kbatch.planner.approval.plan_digest import seal_of
from kbatch.storage import packaged
from tests.campaign_rig import Rig

BODY = """
budget: {max_credits: {apiframe: 500}}
shots:
  - id: hero
    model: kling-2.6
    prompt: "a ridge <b>above</b> {{ city }}"
    labels: {market: eu}
    matrix: {city: [oslo, rome]}
    params: {duration: 5, generate_audio: false}
  - {id: card, model: kling-2.1, prompt: "a card"}
  - {id: late, model: kling-2.1, prompt: "later", params: {start_image: "{{ last_frame('card') }}"}}
"""


def saved(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Buy the card, save the plan of the rest, and return the file's content."""
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    rig.write(BODY)
    assert rig.kbatch("run", "--yes", "--only", "card").code == 0
    assert rig.kbatch("plan", "--out", str(rig.folder / "plan.json")).code == 0
    return dict(json.loads((rig.folder / "plan.json").read_text(encoding="utf-8")))


def show(rig: Rig, form: str) -> str:
    """Return the saved plan in a form."""
    said = rig.kbatch("plan", "--format", form, manifest="plan.json")
    assert said.code == 0, said.err
    return said.out


def numbers(rig: Rig, document: dict[str, Any]) -> dict[str, int]:
    """Return the figures of the page, computed from the plan's jobs and the lockfile's receipts alone."""
    bought = [job for job in document["jobs"] if job["action"] == "render"]
    spent = sum(receipt["credits"]["reported"] for receipt in rig.lockfile()["renders"].values())
    cost = sum(job["credits"] for job in bought)
    return {"clips": len(bought), "expected": cost, "spent": spent, "left": 500 - spent - cost}


def test_the_markdown_has_the_plans_numbers_author_and_labels(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headline, totals with the budget, reasons, and every job with its prompt and labels; nothing of it is markup."""
    document = saved(rig, monkeypatch)
    text, is_ = show(rig, "markdown"), numbers(rig, document)
    assert f"**Buys {is_['clips']} clips for {is_['expected']} credits of apiframe.**" in text
    row = f"| `apiframe` | {is_['expected']} | {is_['expected']} | {is_['spent']} | 500 | {is_['left']} |"
    assert row in text
    assert "by: `ann`" in text
    assert f"made: `{document['made_at']}`" in text
    for job in document["jobs"]:
        assert re.search(
            rf"^\| {job['action']} \| `{re.escape(job['address'])}` \|.*\| {job['credits']} \|", text, re.M
        )
    assert "`market=eu`" in text
    assert "| `a ridge <b>above</b> oslo` |" in text
    assert text.index("`hero[city=oslo]`") < text.index("| reuse |")
    assert "kbatch approve " in text
    assert document["digest"] in text


def test_the_page_has_the_plans_numbers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same figures as in the file, each job with its parameters, and text that is text."""
    document = saved(rig, monkeypatch)
    page, is_ = show(rig, "html"), numbers(rig, document)
    assert f"<h1>Buys {is_['clips']} clips for {is_['expected']} credits of apiframe</h1>" in page
    assert f'<dd>{is_["left"]} <span class="dim">of 500</span></dd>' in page
    assert re.findall(r'data-credits="(\d+)"', page).count("15") == 2
    assert sum(map(int, re.findall(r'data-credits="(\d+)"', page))) == is_["expected"]
    assert "a ridge <b>" not in page
    assert "a ridge <b>above</b> oslo" in unescape(page)
    for words in ("ann", document["made_at"], document["digest"], "kbatch approve"):
        assert words in page


def test_a_saved_plan_has_labels_and_budget_in_its_form(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema knows them, the seal covers them, and the text shows them."""
    document = saved(rig, monkeypatch)
    jsonschema.validate(document, json.loads(packaged("plan.schema.json")), cls=jsonschema.Draft202012Validator)
    assert document["budget"] == {"apiframe": {"limit": 500, "spent": numbers(rig, document)["spent"]}}
    text = show(rig, "text")
    assert "market=eu" in text
    assert "by ann" in text
    (rig.folder / "plan.json").write_text(json.dumps({**document, "budget": {"apiframe": {"limit": 9, "spent": 0}}}))
    assert rig.kbatch("plan", manifest="plan.json").code == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"budget": {"apiframe": {"limit": "many", "spent": 0}}}, id="limit-no-number"),
        pytest.param({"author": "ann"}, id="author-no-mapping"),
        pytest.param({"budget": [1]}, id="budget-no-mapping"),
    ],
)
@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_a_sealed_file_of_another_form_is_an_error(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], form: str
) -> None:
    """The seal is a plain hash, which any author can make; such a file is refused in words and shows nothing."""
    document = {**saved(rig, monkeypatch), **change}
    del document["seal"]
    (rig.folder / "plan.json").write_text(json.dumps({**document, "seal": seal_of(document)}))
    said = rig.kbatch("plan", "--format", form, manifest="plan.json")
    assert (said.code, said.out) == (2, "")
    assert "is not as a saved plan should be" in said.err
