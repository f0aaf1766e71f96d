"""Forged state, links, swapped answers, plans presented again and other people's keys: nothing is lost or overspent."""

from collections.abc import Callable

import pytest

from tests.campaign_rig import Rig
from tests.crash.strangers import MEETINGS
from tests.crash.tally import Tally


@pytest.mark.parametrize("meet", [pytest.param(meet, id=name) for name, meet in MEETINGS.items()])
def test_no_stranger_and_no_liar_is_believed(rig: Rig, meet: Callable[[Rig], Tally]) -> None:
    """By the bill, the disk and what lies outside: no double charge, nothing lost, no purchase without consent."""
    tally = meet(rig)
    assert tally.sound, tally
    assert tally.runs
