"""Killed at random moments, again and again, by a world that misbehaves at random."""

import random

from tests.campaign_rig import AIMLAPI, Rig, use_backend
from tests.crash.scenario import AIMLAPI_CLIP, Scenario, begin
from tests.crash.tally import Tally
from tests.crash_points import At, When

_BODY = f"""
run: {{concurrency: 3}}
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: shot, prompt: "take {{{{ n }}}}", matrix: {{n: [n1, n2, n3]}}}}
  - {{id: twin, prompt: take n1}}
  - {{id: pictured, prompt: in colour, params: {{start_image: a.png}}}}
  - id: other
    provider: aimlapi
    model: {AIMLAPI}
    prompt: "o {{{{ n }}}}"
    params: {{image_url: a.png}}
    matrix: {{n: [n1, n2]}}
"""
_CEILINGS = {"apiframe": 16, "aimlapi": 2 * AIMLAPI_CLIP}
_LOST_ANSWERS = ("lost-answer", "500-after-accept", "non-json-after-accept", "cut", "502")
_MISFORTUNES = (
    "503",
    "429",
    "fail",
    "cut-download",
    "truncated",
    "poll-404",
    "poll-524",
    "poll-cut",
    "expired-url",
    "slow",
)
_NUMBERS = {At.LINE: 40, At.ANSWER: 6, At.PIECE: 6, At.MOVE: 6, At.REPLACE: 5}


def random_moments(rig: Rig, kills: int) -> Tally:
    """Run campaigns, one by each seed from 1 on, until so many kills have struck."""
    total = Tally()
    seed = 0
    while total.kills < kills:
        seed += 1
        total += _campaign(rig, seed)
    return total


def _campaign(rig: Rig, seed: int) -> Tally:
    """Run one campaign to its end through kills and faults."""
    dice = random.Random(seed)
    names = (dice.choice(_LOST_ANSWERS), *dice.sample(_MISFORTUNES, 3))
    faults = [{"fault": name, "probability": dice.choice((0.1, 0.3, 0.5))} for name in names]
    use_backend(rig.monkeypatch, dice.choice(("asyncio", "trio")))
    scenario = begin(rig, f"seed-{seed}", _BODY, _CEILINGS, faults=faults, seed=seed)
    for _ in range(dice.randrange(1, 5)):
        at = dice.choice(list(At))
        scenario.die(at, dice.choice(list(When)), dice.randrange(1, _NUMBERS[at]))
    rig.faults()
    scenario.run()
    _finish(scenario)
    return scenario.tally()


def _finish(scenario: Scenario) -> None:
    said = scenario.run()  # the second run without faults: it buys what the first one found to have failed
    unknown = scenario.unknown()
    scenario.expect(said.code == (4 if unknown else 0), f"exit {said.code}: {said.err[-160:]}")
    scenario.expect(all(name.startswith("other") for name in unknown), f"unknown: {unknown}")
