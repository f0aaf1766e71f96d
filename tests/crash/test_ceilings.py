"""Charges that pass their quote, together with credits that are held: the ceiling bounds the bill all the same."""

from collections.abc import Callable

import pytest

from tests.campaign_rig import Rig
from tests.crash.ceilings import surprise, surprise_in_a_crowd, surprise_while_held
from tests.crash.tally import Tally


@pytest.mark.parametrize("spend", [surprise, surprise_while_held, surprise_in_a_crowd])
def test_a_surprise_does_not_pass_the_ceiling(rig: Rig, spend: Callable[[Rig], Tally]) -> None:
    """What a provider charges above the quote, and what an unknown send holds, leaves that much less to be bought."""
    tally = spend(rig)
    assert tally.sound, tally
    assert tally.charges
