"""The proof of money safety as one command: runs kbatch into every kill and fault there is, and counts by the bill.

The seeds fix which moments and which faults; the order in which answers arrive is the machine's, so the sums may differ
by a few from run to run. The five last columns may not.
"""

import argparse
import io
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.campaign_rig import Rig, Stage, standing
from tests.crash.ceilings import ceilings
from tests.crash.every_fault import every_fault
from tests.crash.every_moment import every_moment
from tests.crash.full_disk import full_disk
from tests.crash.lost_state import lost_state
from tests.crash.power_cuts import power_cuts
from tests.crash.random_moments import random_moments
from tests.crash.real_kills import real_kills
from tests.crash.replacements import replacements
from tests.crash.report import as_json, as_table
from tests.crash.scenario import hurry
from tests.crash.strangers import strangers
from tests.crash.tally import Tally

_EXAMPLES = """\
examples:
  python -m tests.crash                              the whole proof, two minutes or so
  python -m tests.crash --kills 2000 random-moments  one family, for longer
  python -m tests.crash --json proof.json            the numbers for a program as well

Exit code 1 when a charge was double or made without consent, a clip lost, a ceiling passed, something written outside
the folder, or something did not end as documented.
"""
_FAMILIES: Mapping[str, Callable[[Rig], Tally]] = {
    "every-moment": every_moment,
    "random-moments": partial(random_moments, kills=200),
    **({} if sys.platform == "win32" else {"kill-9": real_kills}),
    "power-cuts": power_cuts,
    "full-disk": full_disk,
    "lost-state": lost_state,
    "replacements": replacements,
    "ceilings": ceilings,
    "every-fault": every_fault,
    "strangers-and-liars": strangers,
}


class Printed(NamedTuple):
    """What was printed since it was last asked."""

    out: str
    err: str


class Capture:
    """Takes what is printed in this process, as pytest's `capsys` does."""

    def __init__(self) -> None:
        self.streams = io.StringIO(), io.StringIO()

    def readouterr(self) -> Printed:
        """Return what was printed since the last time."""
        printed = Printed(*(stream.getvalue() for stream in self.streams))
        for stream in self.streams:
            stream.seek(0)
            stream.truncate()
        return printed


def main(words: Sequence[str] | None = None) -> int:
    """Run the families, print the table, and return the exit code."""
    asked = _arguments(words)
    families = dict(_FAMILIES)
    if "random-moments" in families:
        families["random-moments"] = partial(random_moments, kills=asked.kills)
    tallies = {}
    with standing() as stage:
        for name in asked.family or families:
            sys.stderr.write(f"{name} … ")
            sys.stderr.flush()
            began = time.monotonic()
            tallies[name] = _run(stage, families[name])
            sys.stderr.write(f"{time.monotonic() - began:.0f} s\n")
    sys.stdout.write(as_table(tallies))
    if asked.json is not None:
        asked.json.write_text(as_json(tallies), encoding="utf-8")
    return 0 if all(tally.sound for tally in tallies.values()) else 1


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash",
        description="Run kbatch into every kill and fault, and count by the simulator's bill.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("family", nargs="*", help=f"of {', '.join(_FAMILIES)} (all)")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="random kills (200)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    asked = parser.parse_args(words)
    for name in asked.family:
        if name not in _FAMILIES:
            parser.error(f"there is no family `{name}`, only {', '.join(_FAMILIES)}")
    return asked


def _run(stage: Stage, family: Callable[[Rig], Tally]) -> Tally:
    """Run one family in a folder of its own; one that breaks off has that as its surprise."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, _captured(patch) as capture:
        hurry(patch)
        try:
            return family(Rig(Path(folder), stage, patch, capture))
        except (Exception, pytest.fail.Exception):
            return Tally(surprises=(f"broke off: {traceback.format_exc()}",))


@contextmanager
def _captured(patch: pytest.MonkeyPatch) -> Iterator[Capture]:
    capture = Capture()
    with patch.context() as inner:
        inner.setattr(sys, "stdout", capture.streams[0])
        inner.setattr(sys, "stderr", capture.streams[1])
        yield capture


if __name__ == "__main__":
    raise SystemExit(main())
