"""Streams in trouble, closed or with nobody at their other end: what is bought stands, and so does the exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign_rig import Rig, environment
from tests.end_to_end.test_stopping import BODY, until

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "kbatch"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such terminals, no such pipes")


def _shell(rig: Rig, redirections: str, *args: str) -> int:
    """Run the manifest in a shell with these redirections, and return its exit code."""
    words = " ".join((*COMMAND, "run", "--yes", f"'{rig.folder / rig.name}'", *args))
    return subprocess.call(["/bin/sh", "-c", f"{words} {redirections}"], env=environment(rig.stage), cwd=ROOT)


@pytest.mark.parametrize(
    "redirections",
    ["<&- >/dev/null 2>&1", ">/dev/null 2>&-", ">&- 2>/dev/null", "<&- >&- 2>&-"],
    ids=["stdin", "stderr", "stdout", "all"],
)
def test_closed_streams(rig: Rig, redirections: str) -> None:
    """A run without standard streams, as some schedulers start one, is a run like any other."""
    rig.write(BODY)
    assert _shell(rig, redirections) == 0
    assert list(rig.states().values()) == ["done"] * 4


@pytest.mark.parametrize(("fault", "code"), [("lost-answer", 0), ("short-clip", 1)])
def test_a_reader_of_the_result_who_has_left(rig: Rig, fault: str, code: int) -> None:
    """With stdout a pipe that nobody reads any more, the exit code still says how the run ended."""
    rig.open({"fault": fault, "times": 1})
    rig.write(BODY)
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "run", "--yes", "--format", "json", str(rig.folder / rig.name)]
    ended = subprocess.call(command, env=environment(rig.stage), cwd=ROOT, stdout=writing, stderr=subprocess.DEVNULL)
    os.close(writing)
    assert ended == code
    assert len(rig.charges()) == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_result_that_does_not_get_to_its_file(rig: Rig) -> None:
    """A full disk under stdout is exit 1: the clips are here, and the result that was asked for is not."""
    rig.write(BODY)
    assert _shell(rig, ">/dev/full 2>/dev/null", "--format", "json") == 1
    assert list(rig.states().values()) == ["done"] * 4


def test_a_terminal_that_is_gone(rig: Rig) -> None:
    """Where no signal tells of it, every word on stderr fails from now on: the run goes on to its end, exit 0."""
    rig.open(latency_s=0.5)
    rig.write(BODY)
    ours, theirs = os.openpty()
    command = [*COMMAND, "run", "--yes", str(rig.folder / rig.name)]
    with subprocess.Popen(
        command, env=environment(rig.stage), cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
    ) as running:
        os.close(theirs)
        until(lambda: len(rig.world.jobs) == 2)
        os.close(ours)
        assert running.wait(timeout=20) == 0
    assert list(rig.states().values()) == ["done"] * 4


def test_a_terminal_that_hangs_up(rig: Rig) -> None:
    """Closing the window is SIGHUP and a dead stderr at once: within five seconds exit 130, and every id is saved."""
    rig.open(latency_s=60.0)
    rig.write(BODY)
    # A process of its own takes the terminal: to fork this one, which has threads, would be unsafe.
    taking = (
        "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "os.execv(sys.executable, [sys.executable, '-m', 'kbatch', *sys.argv[1:]])"
    )
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", taking, "run", "--yes", str(rig.folder / rig.name)]
    with subprocess.Popen(
        command, env=environment(rig.stage), cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
    ) as running:
        os.close(theirs)
        until(lambda: len(rig.world.jobs) == 2)
        os.close(ours)
        assert running.wait(timeout=5) == 130
    assert list(rig.states().values()) == ["submitted", "submitted"]
    assert rig.bill()["requests"]["submit"] == 2


def test_what_a_library_says_on_a_closed_stderr(rig: Rig) -> None:
    """No file that a run opens takes the place of a closed stream: else a library's words would stand in it."""
    rig.write(BODY)
    noisy = (
        "import os, sys, kbatch.storage as files; keep = files.Appender.append\n"
        "def append(sink, data): os.write(2, b'a library says\\n'); keep(sink, data)\n"
        "files.Appender.append = append\n"
        "from kbatch.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", noisy, "run", "--yes", str(rig.folder / rig.name)]
    closing = "import os, sys; os.close(0); os.close(1); os.close(2); os.execv(sys.argv[1], sys.argv[1:])"
    code = subprocess.call([sys.executable, "-c", closing, *command], env=environment(rig.stage), cwd=ROOT)
    assert code == 0
    for path in (rig.folder / ".kbatch").rglob("*.jsonl"):
        assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_refusal_that_nobody_hears(rig: Rig) -> None:
    """A refusal keeps its exit code 3 when stderr takes nothing any more."""
    rig.write(BODY + "budget: {max_credits: 1}\n")
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "run", "--yes", str(rig.folder / rig.name)]
    assert subprocess.call(command, env=environment(rig.stage), cwd=ROOT, stderr=writing) == 3
    os.close(writing)
    assert rig.bill()["requests"]["submit"] == 0
