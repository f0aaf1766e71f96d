"""Kill everywhere: whatever moment a run is killed at, resuming charges no job twice and loses no paid clip."""

import pytest

from tests.campaign_rig import Rig
from tests.crash.every_moment import MOMENTS, each
from tests.crash.tally import Tally
from tests.crash_points import At, When

IDS = [f"{provider}-{when.value}-{at.value.replace(' ', '-')}" for provider, at, when, _ in MOMENTS]


@pytest.mark.parametrize(("provider", "at", "when", "least"), MOMENTS, ids=IDS)
def test_a_run_that_is_killed_is_finished_by_the_same_command(
    rig: Rig, provider: str, at: At, when: When, least: int
) -> None:
    """Killed at each moment in turn: every job is charged at most once, every paid clip delivered, the rest unknown."""
    tally = each(rig, provider, at, when, least)
    assert tally.sound, tally
    assert tally.kills >= least
    assert tally.unknown <= (0 if provider == "apiframe" else tally.kills)
    assert tally != Tally()
