"""A replacement that is killed in the middle: the same command finishes it, and buys nothing twice."""

from itertools import count

from tests.crash.tally import Tally
from tests.crash.trial import Trial, begin
from tests.mortal import At, When
from tests.rehearsal import Rig, use_backend

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
        trial = begin(rig, f"at-{number}", _TWO, {"apiframe": 32}, bought=_TWICE)
        trial.finish()
        if not trial.die(At.LINE, When.AFTER, number, *_ALL):
            return total + trial.tally() + _first_purchase(rig)
        trial.finish(*_ALL)
        _expect(trial, 4)
        total += trial.tally()
    raise AssertionError


def _first_purchase(rig: Rig) -> Tally:
    """What this very run has bought first is finished after a crash, not replaced."""
    trial = begin(rig, "first", _TWO, {"apiframe": 16})
    trial.expect(trial.die(At.LINE, When.AFTER, 12, *_ALL), "was not killed")
    trial.finish(*_ALL)
    _expect(trial, 2)
    return trial.tally()


def _expect(trial: Trial, charges: int) -> None:
    trial.expect(len(trial.rig.charges()) == charges, f"{len(trial.rig.charges())} charges, not {charges}")
    trial.expect(not trial.unknown(), "unknown")
