"""The power goes: only what an fsync has brought to the disk is there afterwards, and it is enough.

Here after every third line of the journal; `python -m tests.crash power-cuts` does it after each.
"""

import pytest

from tests.campaign_rig import Rig
from tests.crash.power_cuts import KINDS, each
from tests.crash_points import At, When


@pytest.mark.parametrize(("at", "when", "least"), KINDS, ids=[at.name.lower() for at, _, _ in KINDS])
def test_what_was_not_synced_was_not_needed(rig: Rig, at: At, when: When, least: int) -> None:
    """Without the bytes that no fsync had brought to the disk nothing is paid twice, and no paid clip is lost."""
    step = 3 if at is At.LINE else 1
    tally = each(rig, at, when, least, step=step)
    assert tally.sound, tally
    assert tally.kills >= least // step
