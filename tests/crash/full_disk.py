"""A disk that fills up: nothing more is submitted, what happened is kept as well as it can be, and nothing is lost."""

import errno
import os
from itertools import count
from pathlib import Path

import pytest

from kbatch import storage
from tests.campaign_rig import AIMLAPI, Rig, use_backend
from tests.crash.scenario import AIMLAPI_CLIP, Scenario, begin
from tests.crash.tally import Tally

_BODY = f"""
run: {{concurrency: 1}}
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: shot, prompt: "take {{{{ n }}}}", matrix: {{n: [n1, n2]}}}}
  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: o, params: {{image_url: a.png}}}}
"""
_CEILINGS = {"apiframe": 8, "aimlapi": AIMLAPI_CLIP}
_JOBS = 12
_MANY = (
    'defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: s, prompt: "{{ n }}", matrix: {n: ['
    + ", ".join(f"n{number}" for number in range(_JOBS))
    + "]}}\n"
)
"""So many that the first clip's trouble comes before the last submit, however busy the machine is."""


class FullDisk:
    """Takes `left` more journal lines, the last of them torn, then none."""

    def __init__(self, patch: pytest.MonkeyPatch, left: int) -> None:
        self.left = left
        self.refused = 0
        self._append = storage.Appender.append

        def append(sink: storage.Appender, data: bytes) -> None:
            self.append(sink, data)

        patch.setattr(storage.Appender, "append", append)

    def append(self, sink: storage.Appender, data: bytes) -> None:
        """Append what there is room for."""
        for line in data.splitlines(keepends=True):
            if self.left == 0:
                self.refused += 1
                if self.refused == 1:
                    self._append(sink, line[: len(line) // 2])
                raise no_space(sink.path)
            self.left -= 1
            self._append(sink, line)


def no_space(path: Path) -> OSError:
    """Return what a full disk raises."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def full_disk(rig: Rig) -> Tally:
    """Fill the disk under the journal, under the job id, under the clips and under a download."""
    return under_the_journal(rig) + under_a_job_id(rig) + under_the_clips(rig) + under_a_download(rig)


def under_the_journal(rig: Rig) -> Tally:
    """Refuse every line of the journal from the first on, then from the second and so on, each time with room again."""
    total = Tally()
    for number in count():
        use_backend(rig.monkeypatch, ("asyncio", "trio")[number % 2])
        scenario = begin(rig, f"line-{number}", _BODY, _CEILINGS)
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(patch, number)
            said = scenario.run()
        if not disk.refused:
            scenario.expect(number > 15, f"there were only {number} lines")
            return total + scenario.tally()
        scenario.expect(said.code == 1 and "No space left" in said.err, f"exit {said.code}: {said.err[-160:]}")
        again = scenario.run()
        unknown = scenario.unknown()
        # An intention may be on the disk though the line behind it was refused: then AI/ML's job is held, unsent.
        scenario.expect(set(unknown) <= {"other"}, f"unknown: {unknown}")
        scenario.expect(again.code == (4 if unknown else 0), f"exit {again.code}: {again.err[-160:]}")
        scenario.expect(len(rig.charges()) == 3 - len(unknown), f"{len(rig.charges())} charges")
        total += scenario.tally()
    raise AssertionError


def under_a_job_id(rig: Rig) -> Tally:
    """Refuse a job id in journal and lockfile: it stands in the message, and `reconcile --adopt` brings it back."""
    scenario = begin(rig, "id", _BODY, _CEILINGS, faults=[{"fault": "row-never"}])
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(patch, 2)
        write = storage.write_atomic

        def refuse(path: Path, data: bytes) -> None:
            if "lock.json" in path.name:
                raise no_space(path)
            write(path, data)

        patch.setattr(storage, "write_atomic", refuse)
        said = scenario.finish("--only", "other", code=1)
    (charge,) = rig.charges()
    scenario.expect(f"was accepted as job {charge['job_id']}" in said.err, f"the job id is not said: {said.err}")
    scenario.finish("--only", "other", code=4)
    adopted = rig.kbatch("reconcile", "--adopt", f"other={charge['job_id']}")
    scenario.expect(adopted.code == 0, f"reconcile: exit {adopted.code}")
    return scenario.tally()


def under_the_clips(rig: Rig) -> Tally:
    """Let a file be where the folder of the clips should be: before a run, and since the run has looked."""
    scenario = begin(rig, "folder", _MANY, {"apiframe": 4 * _JOBS})
    (rig.folder / "renders").write_bytes(b"a file where a folder should be")
    scenario.expect(rig.run().code == 3 and not rig.charges(), "bought for a folder that is none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kbatch.cli.commands.run.check_writable", lambda _plan, _ground: ())
        _owe(scenario)
    (rig.folder / "renders").unlink()
    return _collect(scenario)


def under_a_download(rig: Rig) -> Tally:
    """Leave no room for a clip."""
    scenario = begin(rig, "download", _MANY, {"apiframe": 4 * _JOBS})
    with pytest.MonkeyPatch.context() as patch:

        def full(part: storage.PartFile, data: bytes) -> None:
            raise no_space(part.path)

        patch.setattr(storage.PartFile, "write", full)
        _owe(scenario)
    return _collect(scenario)


def _owe(scenario: Scenario) -> None:
    """What finds no room is owed, and nothing more is bought that would find none either."""
    owed = scenario.finish("-j", "1", code=1).json["counts"]["owed"]
    scenario.expect(owed == len(scenario.rig.charges()) < _JOBS, f"{owed} owed, {len(scenario.rig.charges())} charged")
    scenario.expect(scenario.tally().lost == 0, "what is owed is not in the lockfile")


def _collect(scenario: Scenario) -> Tally:
    scenario.finish()
    scenario.expect(len(scenario.rig.charges()) == _JOBS, f"{len(scenario.rig.charges())} charges, not {_JOBS}")
    scenario.expect(not scenario.unknown(), "unknown")
    return scenario.tally()
