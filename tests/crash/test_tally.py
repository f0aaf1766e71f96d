"""The judge is judged: what was bought twice, lost or overspent by hand is counted, and nothing else is."""

import json
from collections.abc import Callable
from urllib.request import Request, urlopen

import pytest

from tests.campaign_rig import AIMLAPI, Rig
from tests.crash.lost_state import Clock
from tests.crash.scenario import AIMLAPI_CLIP, Scenario, begin
from tests.crash.tally import Tally

BODY = f"""
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: one, prompt: a lighthouse}}
  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: o, params: {{image_url: a.png}}}}
"""
CEILINGS = {"apiframe": 4, "aimlapi": AIMLAPI_CLIP}


def bought(rig: Rig, *faults: str) -> Scenario:
    """Return a scenario whose campaign was run once, on this world."""
    scenario = begin(rig, "judged", BODY, CEILINGS, faults=[{"fault": name, "times": 1} for name in faults])
    scenario.run()
    return scenario


def buy_by_hand(rig: Rig, prompt: str) -> None:
    """Buy a clip on Apiframe that kbatch knows nothing of."""
    body = json.dumps({"model": "kling-2.5-turbo-pro", "prompt": prompt, "klingParams": {"duration": 5}}).encode()
    with urlopen(Request(f"{rig.stage.url}/v2/videos/generate", data=body, headers={"X-API-Key": "mine"})):
        pass


def rewrite(rig: Rig, old: str, new: str) -> None:
    """Replace words in the lockfile."""
    path = rig.folder / "campaign.lock.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_good_run_is_sound(rig: Rig) -> None:
    """Two jobs, two charges, two clips: nothing to complain about."""
    tally = bought(rig).tally()
    assert tally == Tally(runs=1, jobs=2, charges=2)
    assert tally.sound


def test_a_second_purchase_is_a_double_a_loss_and_an_overshoot(rig: Rig) -> None:
    """The same request bought by hand: paid twice, its clip is nowhere, and the ceiling is passed."""
    scenario = bought(rig)
    buy_by_hand(rig, "a lighthouse")
    tally = scenario.tally()
    assert (tally.charges, tally.doubles, tally.lost, tally.overshoots) == (3, 1, 1, 1)
    assert not tally.safe
    scenario.bought = {"a lighthouse": 2}
    assert scenario.tally().doubles == 0


def test_another_purchase_is_no_double(rig: Rig) -> None:
    """Another prompt bought by hand is a loss and an overshoot, and no double."""
    scenario = bought(rig)
    buy_by_hand(rig, "a harbour")
    tally = scenario.tally()
    assert (tally.doubles, tally.lost, tally.overshoots) == (0, 1, 1)


LOSSES: dict[str, tuple[Callable[[Rig], object], int]] = {
    "deleted": (lambda rig: (rig.folder / "renders/one.mp4").unlink(), 1),
    "cut-short": (lambda rig: (rig.folder / "renders/one.mp4").write_bytes(b"half"), 1),
    "both": (lambda rig: [path.unlink() for path in rig.folder.rglob("*.mp4")], 2),
    "moved": (lambda rig: (rig.folder / "renders/one.mp4").rename(rig.folder / "elsewhere.mp4"), 0),
}


@pytest.mark.parametrize(("lose", "lost"), LOSSES.values(), ids=LOSSES)
def test_a_clip_is_here_when_its_bytes_are(rig: Rig, lose: Callable[[Rig], object], lost: int) -> None:
    """Wherever it lies, and whatever the lockfile says of it."""
    scenario = bought(rig)
    lose(rig)
    assert scenario.tally().lost == lost


def test_what_is_owed_is_not_lost_until_nobody_knows_of_it(rig: Rig) -> None:
    """A clip that cannot be fetched is owed by its job id, in the lockfile or in the journal alone."""
    scenario = bought(rig, "redirect-private")
    assert "rendered" in rig.states().values()
    assert scenario.tally().lost == 0
    (rig.folder / "campaign.lock.json").unlink()
    for path in (rig.folder / ".kbatch" / "history").glob("*.jsonl"):
        path.rename(rig.folder / ".kbatch" / "campaign.journal.jsonl")
    assert scenario.tally().lost == 0
    (rig.folder / ".kbatch" / "campaign.journal.jsonl").unlink()
    assert scenario.tally().lost == 1


def test_what_is_unknown_is_held_once(rig: Rig) -> None:
    """A lost answer is covered by its unknown receipt, for one charge and for no other; called failed it is lost."""
    scenario = begin(
        rig, "judged", BODY, CEILINGS, faults=[{"fault": "lost-answer", "provider": "aimlapi"}, {"fault": "row-never"}]
    )
    scenario.run()
    tally = scenario.tally()
    assert (tally.unknown, tally.lost, tally.sound) == (1, 0, True)
    rewrite(rig, '"unknown"', '"failed"')
    tally = scenario.tally()
    assert (tally.unknown, tally.lost) == (0, 1)


def test_a_ceiling_that_was_passed_for_a_moment_is_passed(rig: Rig) -> None:
    """What is refunded later was too much while it was paid."""
    clock = Clock()
    scenario = begin(rig, "judged", BODY, CEILINGS, faults=["fail"], latency_s=60.0, clock=clock)
    buy_by_hand(rig, "one")
    buy_by_hand(rig, "two")
    clock.ahead_s = 3600.0
    with urlopen(f"{rig.stage.url}/__bill"):
        pass
    tally = scenario.tally()
    assert (tally.charges, tally.refunds, tally.doubles, tally.lost, tally.overshoots) == (2, 2, 0, 0, 1)


def test_tallies_add_up() -> None:
    """Sums of numbers, and all surprises; one surprise is enough to be unsound, though safe."""
    total = Tally(kills=1, charges=2, surprises=("a",)) + Tally(kills=2, lost=1, surprises=("b",))
    assert total == Tally(kills=3, charges=2, lost=1, surprises=("a", "b"))
    assert not total.safe
    assert Tally(surprises=("a",)).safe
    assert not Tally(surprises=("a",)).sound
