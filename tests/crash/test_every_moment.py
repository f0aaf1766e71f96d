"""Kill everywhere: whatever moment a run is killed at, resuming charges no job twice and loses no paid clip.

Every kind of moment is walked through to its last one, on both providers; asyncio and trio take turns.
"""

import pytest

from tests.mortal import At, When, die
from tests.rehearsal import AIMLAPI, AIMLAPI_PRICE, Rig, doubles, use_backend

APIFRAME = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse, params: {start_image: a.png}}
  - {id: two, prompt: a harbour}
  - {id: twin, prompt: a harbour}
"""
OTHER = f"""
{AIMLAPI_PRICE}
defaults: {{model: {AIMLAPI}, params: {{image_url: a.png}}}}
shots:
  - {{id: one, prompt: a lighthouse}}
  - {{id: two, prompt: a harbour}}
"""
BODIES = {"apiframe": APIFRAME, "aimlapi": OTHER}
JOBS = 2
BOTH = tuple(BODIES)
EVERY = [
    (At.LINE, When.BEFORE, 12, BOTH),
    (At.LINE, When.HALF, 12, ("apiframe",)),
    (At.LINE, When.AFTER, 12, BOTH),
    (At.ANSWER, When.AFTER, 2, BOTH),
    (At.PIECE, When.HALF, 2, BOTH),
    (At.PIECE, When.AFTER, 2, BOTH),
    (At.MOVE, When.BEFORE, 2, BOTH),
    (At.MOVE, When.AFTER, 2, BOTH),
    (At.REPLACE, When.BEFORE, 4, ("aimlapi",)),
    (At.REPLACE, When.HALF, 4, BOTH),
    (At.REPLACE, When.AFTER, 4, ("apiframe",)),
]
MOMENTS = [
    pytest.param(at, when, least, provider, id=f"{provider}-{when.value}-{at.value.replace(' ', '-')}")
    for at, when, least, providers in EVERY
    for provider in providers
]


@pytest.mark.parametrize(("at", "when", "least", "provider"), MOMENTS)
def test_a_run_that_is_killed_is_finished_by_the_same_command(
    rig: Rig, at: At, when: When, least: int, provider: str
) -> None:
    """Killed at each moment in turn: every job is charged at most once, every paid clip delivered, the rest unknown."""
    kills = 0
    while True:
        rig.fresh(f"kill-{kills}", latency_s=0.0)
        use_backend(rig.monkeypatch, ("asyncio", "trio")[kills % 2])
        rig.picture("a.png")
        rig.write(BODIES[provider], provider=provider)
        if not die(rig, at, when, kills + 1):
            break
        kills += 1
        _check(rig, provider, f"{at.value} {kills}")
    assert kills >= least


def _check(rig: Rig, provider: str, moment: str) -> None:
    said = rig.run()
    paid = [line for line in rig.charges() if not line["refunded"]]
    assert len(paid) <= JOBS, moment
    assert doubles(paid) == 0, moment
    states = rig.states()
    delivered = {name for name, state in states.items() if state == "done"}
    unknown = {name for name, state in states.items() if state == "unknown"}
    assert delivered | unknown == set(states), (moment, states)
    ids = {rig.receipt(name)["job_id"] for name in delivered}
    if provider == "apiframe":
        assert said.code == 0, (moment, said.err)
        assert ids == {line["job_id"] for line in paid}, moment
        assert set(rig.clips()) == {f"renders/{name}.mp4" for name in ("one", "two", "twin")}
    else:
        assert said.code == (4 if unknown else 0), (moment, said.err)
        assert len(paid) - len(ids) <= len(unknown) <= 1, moment
    assert all(rig.clips()[f"renders/{name}.mp4"] == rig.receipt(name)["output"]["sha256"] for name in delivered)
    assert not [name for name in rig.leftovers() if name.endswith(".part")], moment
    assert rig.kbatch("plan", "--check").code == 0, (moment, "nothing is left to buy")
