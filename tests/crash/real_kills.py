"""True processes, truly killed by `kill -9` in the middle of what a run does, then the same command again."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.campaign_rig import AIMLAPI, Rig, environment
from tests.crash.scenario import AIMLAPI_CLIP, Scenario, begin
from tests.crash.tally import Tally
from tests.crash_points import At, When

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
from tests import crash_points
class Gone(crash_points.Killed):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)
crash_points.Killed = Gone
crash_points.Death(crash_points.At(sys.argv[1]), crash_points.When(sys.argv[2]), int(sys.argv[3]))
main(["run", sys.argv[4], "--yes", "--trust-prices"])
"""


def real_kills(rig: Rig) -> Tally:
    """Kill a process at each moment, all at once, then finish each campaign; all share one bill."""
    ceilings = {"apiframe": 8, "aimlapi": AIMLAPI_CLIP}
    scenario = begin(rig, "kill", _BODY, ceilings, latency_s=0.02)
    scenario.meter.allow({provider: credits * len(MOMENTS) for provider, credits in ceilings.items()})
    folders = [_campaign(rig, number) for number in range(len(MOMENTS))]
    todo = list(zip(folders, MOMENTS, strict=True))
    for process in [_start(rig, folder, moment) for folder, moment in todo]:
        _, said = process.communicate(timeout=60)
        scenario.expect(process.returncode == -signal.SIGKILL, f"a process was not killed: {said}")
        scenario.kills += process.returncode == -signal.SIGKILL
        scenario.runs += 1
    for folder, moment in todo:
        _finish(scenario, folder, moment)
    tally = scenario.tally(*folders)
    scenario.expect(tally.charges <= 3 * len(MOMENTS), f"{tally.charges} charges")
    return replace(tally, surprises=tuple(scenario.surprises))


def _finish(scenario: Scenario, folder: Path, moment: tuple[At, When, int]) -> None:
    scenario.rig.folder = folder
    holders = list((folder / ".kbatch").glob("*.holder.json"))
    scenario.expect(len(holders) == 1, "a killed process leaves its name, and the system frees its lock")
    said = scenario.run()
    unknown = scenario.unknown()
    scenario.expect(set(unknown) <= {"other"}, f"{moment}: unknown: {unknown}")
    scenario.expect(said.code == (4 if unknown else 0), f"{moment}: exit {said.code}: {said.err[-160:]}")


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
