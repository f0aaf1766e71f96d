"""A replacement that is killed in the middle: the same command finishes it, and buys nothing twice."""

from tests.campaign_rig import Rig
from tests.crash.replacements import replacements
from tests.crash.scenario import begin

ONE = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a lighthouse}\n"


def test_a_crash_in_the_middle_of_a_replacement(rig: Rig) -> None:
    """Killed after any line of the journal, the same command finishes what was begun: each job is bought again once."""
    tally = replacements(rig)
    assert tally.sound, tally
    assert tally.kills >= 15


def test_the_next_time_is_another_time(rig: Rig) -> None:
    """A replacement that was finished is not taken for one that was begun: asked for again, it buys again."""
    scenario = begin(rig, "again", ONE, {"apiframe": 12}, bought={"a lighthouse": 3})
    scenario.finish()
    scenario.finish("--replace", "*")
    scenario.finish("--replace", "one")
    tally = scenario.tally()
    assert tally.sound, tally
    assert tally.charges == 3
