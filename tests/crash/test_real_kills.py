"""True processes, truly killed by `kill -9` in the middle of what a run does, then the same command again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mortal import At, When
from tests.rehearsal import AIMLAPI, AIMLAPI_PRICE, Rig, doubles, environment

BODY = f"""
{AIMLAPI_PRICE}
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
SCRIPT = """
import os, signal, sys
from kbatch.cli import main
from tests import mortal
class Gone(mortal.Killed):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)
mortal.Killed = Gone
mortal.Death(mortal.At(sys.argv[1]), mortal.When(sys.argv[2]), int(sys.argv[3]))
main(["run", sys.argv[4], "--yes"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_dozen_real_kills(rig: Rig) -> None:
    """Each process dies by SIGKILL at its moment; then each campaign is finished: nothing is paid twice or lost."""
    folders = [_campaign(rig, number) for number in range(len(MOMENTS))]
    running = [_start(rig, folder, moment) for folder, moment in zip(folders, MOMENTS, strict=True)]
    for process, moment in zip(running, MOMENTS, strict=True):
        _, said = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, (moment, said)
    for folder, moment in zip(folders, MOMENTS, strict=True):
        rig.folder = folder
        holders = list((folder / ".kbatch").glob("*.holder.json"))
        assert len(holders) == 1, "a killed process leaves its name, and the system frees its lock"
        said = rig.run()
        states = rig.states()
        assert said.code == (4 if "unknown" in states.values() else 0), (moment, said.err)
        assert (states["one"], states["two"]) == ("done", "done"), moment
        assert states["other"] in ("done", "unknown")
    charges = rig.charges()
    assert doubles(charges) == 0
    assert len([line for line in charges if line["provider"] == "apiframe"]) == 2 * len(MOMENTS)
    assert len([line for line in charges if line["provider"] == "aimlapi"]) <= len(MOMENTS)


def _campaign(rig: Rig, number: int) -> Path:
    rig.folder = rig.root / f"kill-{number}"
    rig.folder.mkdir()
    rig.picture("a.png")
    rig.write(BODY.replace("NAME", f"kill {number}"))
    return rig.folder


def _start(rig: Rig, folder: Path, moment: tuple[At, When, int]) -> "subprocess.Popen[str]":
    at, when, number = moment
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, at.value, when.value, str(number), str(folder / rig.name)],
        env=environment(rig.stage),
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
