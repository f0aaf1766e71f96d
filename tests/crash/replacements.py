"""A replacement that is killed in the middle: the same command finishes it, and buys nothing twice."""

from itertools import count

from tests.campaign_rig import Rig, use_backend
from tests.crash.scenario import Scenario, begin
from tests.crash.tally import Tally
from tests.crash_points import At, When

_TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour}
"""
_TWICE = {"a lighthouse": 2, "a harbour": 2}
_ALL = ("--replace", "*")

# The ceilings leave room for what must not be bought, so that it is the replacement that is tested, not the ceiling.


def replacements(rig: Rig) -> Tally:
    """Replace all, killed after any line of the journal, and finish with the same command; then on a first purchase."""
    total = Tally()
    for number in count(1):
        use_backend(rig.monkeypatch, ("asyncio", "trio")[number % 2])
        scenario = begin(rig, f"at-{number}", _TWO, {"apiframe": 32}, bought=_TWICE)
        scenario.finish()
        if not scenario.die(At.LINE, When.AFTER, number, *_ALL):
            return total + scenario.tally() + _first_purchase(rig)
        scenario.finish(*_ALL)
        _expect(scenario, 4)
        total += scenario.tally()
    raise AssertionError


def _first_purchase(rig: Rig) -> Tally:
    """What this very run has bought first is finished after a crash, not replaced."""
    scenario = begin(rig, "first", _TWO, {"apiframe": 16})
    scenario.expect(scenario.die(At.LINE, When.AFTER, 12, *_ALL), "was not killed")
    scenario.finish(*_ALL)
    _expect(scenario, 2)
    return scenario.tally()


def _expect(scenario: Scenario, charges: int) -> None:
    scenario.expect(len(scenario.rig.charges()) == charges, f"{len(scenario.rig.charges())} charges, not {charges}")
    scenario.expect(not scenario.unknown(), "unknown")
