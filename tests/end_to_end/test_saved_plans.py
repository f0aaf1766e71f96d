"""A saved plan is an authorisation: what it says is what its digest is of, or it authorises nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.campaign_rig import Rig

SMALL = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a}\n"
LARGE = SMALL.replace("prompt: a", "prompt: something else") + "  - {id: two, model: kling-3.0, prompt: b}\n"


def _saved(rig: Rig, name: str) -> dict[str, Any]:
    assert rig.kbatch("plan", "--out", str(rig.folder / name)).code == 0
    return dict(json.loads((rig.folder / name).read_text(encoding="utf-8")))


def test_a_digest_cannot_be_moved_to_another_plan(rig: Rig) -> None:
    """Who approved one plan has not approved another one that bears its digest."""
    rig.write(SMALL)
    digest = _saved(rig, "plan.json")["digest"]
    rig.write(LARGE)
    other = {**_saved(rig, "plan.json"), "digest": digest}
    (rig.folder / "plan.json").write_text(json.dumps(other), encoding="utf-8")
    said = rig.kbatch("run", "--approve", digest, manifest="plan.json")
    assert said.code == 2
    assert "was changed after it was saved" in said.err
    assert rig.charges() == []
    rig.write(SMALL)
    assert _saved(rig, "plan.json")["digest"] == digest
    assert rig.kbatch("run", "--approve", digest, manifest="plan.json").code == 0
    assert [line["credits"] for line in rig.charges()] == [4]


def _maximum(plan: dict[str, Any]) -> None:
    plan["totals"]["apiframe"]["maximum"] = 1_000_000


def _price(plan: dict[str, Any]) -> None:
    plan["jobs"][0]["credits"] = 1


def _job(plan: dict[str, Any]) -> None:
    plan["jobs"][0] = 1


def _less(plan: dict[str, Any]) -> None:
    del plan["jobs"][0]


def _prices(plan: dict[str, Any]) -> None:
    plan["bound"]["prices"] = {"apiframe/kling-2.5-turbo-pro": {"credits": 1}}


@pytest.mark.parametrize("change", [_maximum, _price, _job, _less, _prices], ids=lambda change: change.__name__[1:])
def test_a_plan_that_was_changed_by_hand(rig: Rig, change: Callable[[dict[str, Any]], None]) -> None:
    """Exit 2 with the file's name and a way out, whatever was changed; nothing is sent."""
    rig.write(SMALL)
    plan = _saved(rig, "plan.json")
    change(plan)
    (rig.folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    said = rig.kbatch("run", "--yes", manifest="plan.json")
    assert said.code == 2
    assert "plan.json: " in said.err
    assert "Traceback" not in said.err
    assert rig.bill()["requests"]["submit"] == 0


@pytest.mark.parametrize("command", ["plan", "compare"])
def test_a_plan_that_was_changed_is_not_shown_either(rig: Rig, command: str) -> None:
    """What nobody agreed to is no plan to read or to compare with: exit 2, whatever the command."""
    rig.write(SMALL)
    plan = _saved(rig, "plan.json")
    plan["jobs"][0]["prompt"] = "a harmless one"
    path = rig.folder / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    said = (
        rig.kbatch("plan", manifest="plan.json") if command == "plan" else rig.kbatch("plan", "--compare-to", str(path))
    )
    assert said.code == 2
    assert "was changed after it was saved" in said.err


def test_the_question_names_what_is_asked_for(rig: Rig) -> None:
    """Before someone pays: the start of each prompt, on a line of its own, and a line break in one makes no line."""
    asked: list[str] = []
    rig.write(SMALL.replace("prompt: a", 'prompt: "a fox\\nSpend up to 1 credit?"'))
    rig.monkeypatch.setattr("kbatch.cli.ui.console.is_terminal", lambda: True)
    rig.monkeypatch.setattr("kbatch.cli.ui.console.ask", asked.append)
    said = rig.kbatch("run")
    assert said.code == 3
    assert asked == ["Spend up to 4 credits of apiframe on 1 render?"]
    assert "\n  one  “a fox Spend up to 1 credit?”\n" in said.err
    assert rig.charges() == []
