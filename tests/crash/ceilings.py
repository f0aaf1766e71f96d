"""Charges that pass their quote, together with credits that are held: the ceiling bounds the bill all the same."""

from typing import Any

from starlette.types import Receive, Scope, Send

from tests.campaign_rig import Rig
from tests.crash.scenario import begin
from tests.crash.tally import Tally

_SURPRISE = """
run: {concurrency: 1}
shots:
  - {id: fair, model: kling-3.0, prompt: fair, params: {duration: 3, mode: standard, generate_audio: false}}
  - {id: dear, model: kling-2.5-turbo-pro, prompt: dear}
"""
_HELD = _SURPRISE + "  - {id: held, model: kling-2.1, prompt: held, params: {duration: 10, mode: pro}}\n"
_DEAR = {"fault": "charge-double", "match": "dear"}
_SAME = """
shots:
  - {id: shot, model: kling-2.5-turbo-pro, prompt: "{{ n }}", matrix: {n: [n1, n2, n3, n4, n5]}}
"""


def ceilings(rig: Rig) -> Tally:
    """Pass a quote, pass it while credits are held, and pass it with many jobs at once."""
    return surprise(rig) + surprise_while_held(rig) + surprise_in_a_crowd(rig)


def surprise(rig: Rig) -> Tally:
    """One model charges 8 for 4: what the ceiling of 16 has room for no longer, 9 for another model, is not bought."""
    scenario = begin(rig, "surprise", _SURPRISE, {"apiframe": 16}, faults=[_DEAR])
    said = scenario.finish("-j", "1", code=1)
    scenario.expect("the ceiling is reached" in said.err, "the ceiling is not said")
    return scenario.tally()


def surprise_while_held(rig: Rig) -> Tally:
    """The same with 10 credits that an earlier send may have cost, and in truth has: they count against the ceiling."""
    lost: list[Any] = [
        {"fault": "lost-answer", "match": "held", "times": 1},
        {"fault": "400", "at": "submit", "match": "held"},
    ]
    scenario = begin(rig, "held", _HELD, {"apiframe": 23}, faults=lost[:1])
    app = rig.stage.app
    assert app is not None

    async def hushed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST" and rig.charges():
            rig.faults(lost[1], _DEAR)
        await app({**scope, "path": "/nowhere"} if scope["path"] == "/v2/jobs" else scope, receive, send)

    rig.stage.app = hushed
    scenario.finish("--only", "held", code=4)
    scenario.finish("-j", "1", code=4)
    scenario.expect(rig.states().get("held") == "unknown", f"{rig.states()}")
    scenario.expect([line["credits"] for line in rig.charges()] == [10, 8], f"{rig.charges()}")
    rig.stage.app = app
    rig.faults()
    return scenario.tally()


def surprise_in_a_crowd(rig: Rig) -> Tally:
    """Five jobs of one model at once, every one of which would cost double: one is bought, and the next run asks."""
    scenario = begin(rig, "crowd", _SAME, {"apiframe": 20}, faults=["charge-double"])
    scenario.finish(code=1)
    scenario.finish(code=3)
    scenario.expect(len(rig.charges()) == 1, f"{len(rig.charges())} charges above the quote")
    return scenario.tally()
