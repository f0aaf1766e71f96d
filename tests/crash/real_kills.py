"""True processes, truly killed by `kill -9` in the middle of what a run does, then the same command again."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.crash.tally import Tally
from tests.crash.trial import AIMLAPI_CLIP, Trial, begin
from tests.mortal import At, When
from tests.rehearsal import AIMLAPI, Rig, environment

_BODY = f"""
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: one, prompt: "NAME one"}}
  - {{id: two, prompt: "NAME two", params: {{start_image: a.png}}}}
  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: "NAME three", params: {{image_url: a.png}}}}
"""
MOMENTS = [
    *((At.LINE, when, number) for when in (When.BEFORE, When.AFTER) for number in (2, 3, 6, 11)),
    (At.LINE, When.HALF, 7), (At.PIECE, When.HALF, 2), (At.MOVE, When.AFTER, 1), (At.REPLACE, When.HALF, 3),
]  # fmt: skip
_ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = """
import os, signal, sys
from kbatch.cli import main
from tests import mortal
class Gone(mortal.Killed):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)
mortal.Killed = Gone
mortal.Death(mortal.At(sys.argv[1]), mortal.When(sys.argv[2]), int(sys.argv[3]))
main(["run", sys.argv[4], "--yes", "--trust-prices"])
"""


def real_kills(rig: Rig) -> Tally:
    """Kill a process at each moment, all at once, then finish each campaign; all share one bill."""
    ceilings = {"apiframe": 8, "aimlapi": AIMLAPI_CLIP}
    trial = begin(rig, "kill", _BODY, ceilings, latency_s=0.02)
    trial.meter.allow({provider: credits * len(MOMENTS) for provider, credits in ceilings.items()})
    folders = [_campaign(rig, number) for number in range(len(MOMENTS))]
    todo = list(zip(folders, MOMENTS, strict=True))
    for process in [_start(rig, folder, moment) for folder, moment in todo]:
        _, said = process.communicate(timeout=60)
        trial.expect(process.returncode == -signal.SIGKILL, f"a process was not killed: {said}")
        trial.kills += process.returncode == -signal.SIGKILL
        trial.runs += 1
    for folder, moment in todo:
        _finish(trial, folder, moment)
    tally = trial.tally(*folders)
    trial.expect(tally.charges <= 3 * len(MOMENTS), f"{tally.charges} charges")
    return replace(tally, surprises=tuple(trial.surprises))


def _finish(trial: Trial, folder: Path, moment: tuple[At, When, int]) -> None:
    trial.rig.folder = folder
    holders = list((folder / ".kbatch").glob("*.holder.json"))
    trial.expect(len(holders) == 1, "a killed process leaves its name, and the system frees its lock")
    said = trial.run()
    unknown = trial.unknown()
    trial.expect(set(unknown) <= {"other"}, f"{moment}: unknown: {unknown}")
    trial.expect(said.code == (4 if unknown else 0), f"{moment}: exit {said.code}: {said.err[-160:]}")


def _campaign(rig: Rig, number: int) -> Path:
    manifest = (rig.root / "kill" / rig.name).read_text()
    rig.folder = rig.root / f"kill-{number}"
    rig.folder.mkdir()
    rig.picture("a.png")
    (rig.folder / rig.name).write_text(manifest.replace("NAME", f"kill {number}"))
    return rig.folder


def _start(rig: Rig, folder: Path, moment: tuple[At, When, int]) -> "subprocess.Popen[str]":
    at, when, number = moment
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, at.value, when.value, str(number), str(folder / rig.name)],
        env=environment(rig.stage),
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
