"""Killed at random moments, again and again, by a world that misbehaves at random: the bill still adds up.

`KBATCH_KILLS=500 pytest tests/crash/test_random_moments.py` does it that many times; a seed that fails names itself.
"""

import os
import random

from tests.mortal import At, When, die
from tests.rehearsal import AIMLAPI, AIMLAPI_PRICE, Rig, doubles, use_backend

KILLS = int(os.environ.get("KBATCH_KILLS", "50"))
BODY = f"""
{AIMLAPI_PRICE}
budget: {{max_credits: {{apiframe: 16, aimlapi: {2 * 5 * 262_500}}}}}
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
CEILING = {"apiframe": 16, "aimlapi": 2 * 5 * 262_500}
MISFORTUNES = (
    "lost-answer", "500-after-accept", "non-json-after-accept", "cut", "502", "503", "fail", "cut-download",
    "truncated", "poll-404", "poll-524", "poll-cut", "expired-url", "slow",
)  # fmt: skip
NUMBERS = {At.LINE: 40, At.ANSWER: 6, At.PIECE: 6, At.MOVE: 6, At.REPLACE: 5}


def test_random_kills(rig: Rig) -> None:
    """Over many seeds: no key is charged twice, nothing passes the ceiling, every paid clip is here or unknown."""
    kills = seed = 0
    while kills < KILLS:
        seed += 1
        kills += _campaign(rig, seed)
    assert kills >= KILLS


def _campaign(rig: Rig, seed: int) -> int:
    """Run one campaign to its end through kills and faults; return how many kills it took."""
    dice = random.Random(seed)
    faults = [{"fault": name, "probability": dice.choice((0.1, 0.3))} for name in dice.sample(MISFORTUNES, 4)]
    rig.fresh(f"seed-{seed}", *faults, seed=seed, latency_s=0.0, retry_after_s=0, slow_s=0.01)
    use_backend(rig.monkeypatch, dice.choice(("asyncio", "trio")))
    rig.picture("a.png")
    rig.write(BODY)
    kills = 0
    for _ in range(dice.randrange(1, 5)):
        at = dice.choice(list(At))
        kills += die(rig, at, dice.choice(list(When)), dice.randrange(1, NUMBERS[at]))
        _check_money(rig, seed)
    rig.faults()
    codes = [rig.run().code, rig.run().code]  # the second one buys what has failed by a fault of before
    assert codes[-1] in (0, 4), f"seed {seed}: exit {codes}"
    _check_end(rig, seed)
    return kills


def _check_money(rig: Rig, seed: int) -> None:
    for provider, ceiling in CEILING.items():
        totals = rig.bill()["totals"][provider]
        assert totals["charged"] - totals["refunded"] <= ceiling, f"seed {seed}: over the ceiling"
    assert doubles(rig.charges()) == 0, f"seed {seed}: charged twice"


def _check_end(rig: Rig, seed: int) -> None:
    _check_money(rig, seed)
    states = rig.states()
    unknown = [name for name, state in states.items() if state == "unknown"]
    assert set(states.values()) <= {"done", "unknown"}, f"seed {seed}: {states}"
    assert all(name.startswith("other") for name in unknown), f"seed {seed}: {unknown}"
    paid = {line["job_id"] for line in rig.charges() if not line["refunded"]}
    known = {rig.receipt(name)["job_id"] for name in states} - {None}
    assert known <= paid, f"seed {seed}: a receipt without a charge"
    assert len(paid - known) <= len(unknown), f"seed {seed}: a paid clip is lost"
    clips = rig.clips()
    for name, state in states.items():
        if state == "done":
            output = rig.receipt(name)["output"]
            assert clips[output["path"]] == output["sha256"], f"seed {seed}: {name}"
