"""True processes, truly killed by `kill -9` in the middle of what a run does, then the same command again."""

import sys

import pytest

from tests.campaign_rig import Rig
from tests.crash.real_kills import MOMENTS, real_kills


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_dozen_real_kills(rig: Rig) -> None:
    """Each process dies by SIGKILL at its moment; then each campaign is finished: nothing is paid twice or lost."""
    tally = real_kills(rig)
    assert tally.sound, tally
    assert tally.kills == len(MOMENTS)
    assert 2 * len(MOMENTS) <= tally.charges <= 3 * len(MOMENTS)
