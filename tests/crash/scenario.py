"""One campaign and what befalls it: a manifest, a world, a ceiling that is exactly its price, and an account of it.

A scenario does not stop at what is wrong: it notes it, so that the report can count it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kbatch.runner import open_sessions
from tests import crash_points
from tests.campaign_rig import AIMLAPI, AIMLAPI_PRICE, Rig, Said
from tests.crash.tally import Meter, Tally, count
from tests.crash_points import At, When

AIMLAPI_CLIP = 5 * 262_500
"""What a clip of five seconds costs on the AI/ML API at the price that the trials agree on, in its credits."""

Fault = Mapping[str, Any] | str


@dataclass(slots=True, kw_only=True)
class Scenario:
    """A campaign, how often it was run and killed, and what was not as documented; `bought` is by prompt."""

    rig: Rig
    name: str
    meter: Meter
    bought: Mapping[str, int] = field(default_factory=dict)
    kills: int = 0
    runs: int = 0
    outside: int = 0
    unasked: int = 0
    surprises: list[str] = field(default_factory=list)

    def run(self, *args: str) -> Said:
        """Run the manifest."""
        self.runs += 1
        return self.rig.run(*args)

    def die(self, at: At, when: When, number: int, *args: str) -> bool:
        """Run the manifest and kill the run; False when it came to its end before."""
        self.runs += 1
        struck = crash_points.die(self.rig, at, when, number, *args)
        self.kills += struck
        return struck

    def finish(self, *args: str, code: int = 0) -> Said:
        """Run the manifest, to this exit code."""
        said = self.run(*args)
        self.expect(said.code == code, f"exit {said.code}, not {code}: {said.err[-160:]}")
        return said

    def expect(self, true: bool, words: str) -> None:
        """Note what is not so."""
        if not true:
            self.surprises.append(f"{self.name}: {' '.join(words.split())}")

    def unknown(self) -> list[str]:
        """Return the addresses of sends that nobody knows the outcome of; all else must be done."""
        if not self.rig.has_lockfile():
            self.expect(False, "there is no lockfile")
            return []
        states = self.rig.states()
        self.expect(set(states.values()) <= {"done", "unknown"}, f"{states}")
        self.expect(not [name for name in self.rig.leftovers() if name.endswith(".part")], "a partial clip was left")
        here = self.rig.clips()
        for name in [name for name, state in states.items() if state == "done"]:
            output = self.rig.receipt(name)["output"]
            self.expect(here.get(output["path"]) == output["sha256"], f"the clip of {name} is not where it is said")
        return [name for name, state in states.items() if state == "unknown"]

    def tally(self, *folders: Path) -> Tally:
        """Count what it came to."""
        found = count(self.rig.world, folders or (self.rig.folder,), bought=self.bought)
        return replace(
            found,
            kills=self.kills,
            runs=self.runs,
            overshoots=self.meter.overshoots,
            outside=self.outside,
            unasked=self.unasked,
            surprises=tuple(self.surprises),
        )


def begin(
    rig: Rig,
    name: str,
    body: str,
    ceilings: Mapping[str, int],
    *,
    faults: Iterable[Fault] = (),
    bought: Mapping[str, int] | None = None,
    **settings: Any,
) -> Scenario:
    """Begin a scenario in a folder and a world of its own; `ceilings` are the manifest's budget."""
    rig.fresh(name, *faults, **{"latency_s": 0.0, "retry_after_s": 0, "slow_s": 0.01, **settings})
    rig.picture("a.png")
    limits = ", ".join(f"{provider}: {credits}" for provider, credits in ceilings.items())
    budget = f"budget: {{max_credits: {{{limits}}}}}\n"
    rig.write(budget + (AIMLAPI_PRICE if AIMLAPI in body else "") + body, provider=next(iter(ceilings)))
    return Scenario(rig=rig, name=name, meter=Meter(rig.world.bill, ceilings), bought=bought or {})


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make kbatch's own waits in this process shorter still than a rehearsal's."""
    monkeypatch.setattr(open_sessions, "poll_scale", lambda _text, *, loopback: 0.0001 if loopback else 1.0)
