"""Killed at random moments, again and again, by a world that misbehaves at random: the bill still adds up.

`python -m tests.crash --kills 500 random-moments` does it that many times; a seed that fails names itself.
"""

from tests.campaign_rig import Rig
from tests.crash.random_moments import random_moments

KILLS = 25


def test_random_kills(rig: Rig) -> None:
    """Over many seeds: no key is charged twice, nothing passes the ceiling, every paid clip is here or unknown."""
    tally = random_moments(rig, KILLS)
    assert tally.sound, tally
    assert tally.kills >= KILLS
    assert tally.charges > KILLS
