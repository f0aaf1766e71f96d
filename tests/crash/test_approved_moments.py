"""Killed around the consumption of an approval: at every line of the journal and every replaced file, paid once."""

from itertools import count

import pytest

from tests.campaign_rig import Rig, use_backend
from tests.crash.scenario import begin
from tests.crash_points import At, When, die
from tests.end_to_end.approval_rehearsal import approve
from tests.end_to_end.test_approvals_in_clones import clone

_BODY = """
defaults: {model: kling-2.5-turbo-pro}
shots: [{id: job, prompt: a job}]
"""
_PRICE = 4


@pytest.mark.parametrize(("at", "least"), [(At.LINE, 6), (At.REPLACE, 3)], ids=["line", "file"])
def test_an_approval_survives_every_kill_and_is_used_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, at: At, least: int
) -> None:
    """The same command goes on with the rest, and a clone of what is left buys nothing more."""
    for number in count(1):
        use_backend(monkeypatch, ("asyncio", "trio")[number % 2])
        scenario = begin(rig, f"{at.name}-{number}", _BODY, {"apiframe": _PRICE})
        approve(rig)
        command = ("run", "--approved", "--format", "json")
        struck = die(rig, at, (When.BEFORE, When.AFTER)[number % 2], number, command=command)
        ended = rig.kbatch(*command)
        assert ended.code == 0, ended.err
        scenario.expect(len(rig.clips()) == 1, "clips are missing")
        assert scenario.tally().sound, scenario.tally()
        clone(rig, f"clone-{number}")
        assert rig.kbatch("run", "--approved", "--replace", "job*").code == 3
        assert sum(line["credits"] for line in rig.charges()) == _PRICE
        if not struck:
            assert number > least
            return
