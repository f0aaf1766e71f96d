"""The power goes: what dies is the process, and with it all that was written and not brought to the disk by an fsync.

A file that holds money (journal, lockfile, clip) is cut back to the size that it had when it was last synced.
"""

import os
import stat
from itertools import count
from pathlib import Path

import pytest

from tests.campaign_rig import AIMLAPI, Rig, use_backend
from tests.crash.scenario import AIMLAPI_CLIP, begin
from tests.crash.tally import Tally
from tests.crash_points import At, When

_BODY = f"""
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: one, prompt: a lighthouse, params: {{start_image: a.png}}}}
  - {{id: two, prompt: a harbour}}
  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: o, params: {{image_url: a.png}}}}
"""
_CEILINGS = {"apiframe": 8, "aimlapi": AIMLAPI_CLIP}
_MONEY = (".jsonl", ".json", ".mp4", ".part")
KINDS = [(At.LINE, When.AFTER, 18), (At.REPLACE, When.AFTER, 5), (At.MOVE, When.AFTER, 3)]
"""What cuts are counted by, when they come, and how many there are at least."""


class Disk:
    """Knows of each file how much of it would survive."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self._folder = folder
        self._sizes = {path.stat().st_ino: path.stat().st_size for path in self._holding_money()}
        self._fsync = os.fsync
        self.synced = 0
        patch.setattr(os, "fsync", self._sync)

    def _sync(self, handle: int) -> None:
        self._fsync(handle)
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode):
            self._sizes[found.st_ino] = found.st_size
            self.synced += 1

    def _holding_money(self) -> list[Path]:
        return [path for path in self._folder.rglob("*") if path.suffix in _MONEY and path.is_file()]

    def forget(self) -> None:
        """Lose what was not synced."""
        for path in self._holding_money():
            os.truncate(path, min(self._sizes.get(path.stat().st_ino, 0), path.stat().st_size))


def power_cuts(rig: Rig) -> Tally:
    """Cut the power after every journal line, every replaced file and every moved clip, and finish each campaign."""
    return sum((each(rig, at, when, least) for at, when, least in KINDS), Tally())


def each(rig: Rig, at: At, when: When, least: int, *, step: int = 1) -> Tally:
    """Cut the power at the first moment of a kind, and at every `step`-th from there to the last."""
    total = Tally()
    for number in count(1, step):
        use_backend(rig.monkeypatch, ("asyncio", "trio")[number % 2])
        scenario = begin(rig, f"power-{at.name.lower()}-{number}", _BODY, _CEILINGS)
        with rig.monkeypatch.context() as patch:
            disk = Disk(patch, rig.folder)
            struck = scenario.die(at, when, number)
        if not struck:
            scenario.expect(number > least and disk.synced > 0, f"there were only {number - 1} moments")
            return total + scenario.tally()
        disk.forget()
        said = scenario.run()
        unknown = scenario.unknown()
        scenario.expect(set(unknown) <= {"other"}, f"unknown: {unknown}")
        scenario.expect(said.code == (4 if unknown else 0), f"exit {said.code}: {said.err[-160:]}")
        total += scenario.tally()
    raise AssertionError
