"""Stopping a run in a process of its own: softly on a terminal, at once elsewhere; the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.rehearsal import Rig, doubles, environment

ROOT = Path(__file__).resolve().parents[2]
BODY = """
run: {concurrency: 2}
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: shot, prompt: "take {{ n }}", matrix: {n: [n1, n2, n3, n4]}}
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such signals, no such terminals")


class Running:
    """`kbatch run` in a process of its own, on a terminal or not."""

    def __init__(self, rig: Rig, *, terminal: bool = False) -> None:
        self._ours, theirs = os.openpty() if terminal else (None, subprocess.DEVNULL)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kbatch", "run", "--yes", str(rig.folder / rig.name)],
            env={**environment(rig.stage), "TERM": "dumb"},
            cwd=ROOT,
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        if terminal:
            os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        if self._ours is not None:
            os.close(self._ours)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Return the exit code, which has to come within five seconds."""
        return self.process.wait(timeout=5)


def until(true: Callable[[], bool]) -> None:
    """Wait for what another process is about to do."""
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_without_a_terminal_a_run_stops_at_once(rig: Rig, number: signal.Signals) -> None:
    """Within five seconds, exit 130: what was bought is recorded, nothing more submitted, the same command finishes."""
    rig.open(latency_s=60.0)
    rig.write(BODY)
    with Running(rig) as running:
        until(lambda: len(rig.world.jobs) == 2)
        running.send(number)
        assert running.end() == 130
    assert len(rig.charges()) == 2
    assert list(rig.states().values()) == ["submitted", "submitted"]
    _end_all(rig)
    assert rig.run().code == 0
    assert len(rig.charges()) == 4
    assert rig.bill()["requests"]["submit"] == 4


def test_ctrl_c_on_a_terminal_collects_what_runs(rig: Rig) -> None:
    """The first Ctrl-C submits nothing more and waits for what runs: exit 130, and the next run buys the rest."""
    rig.open(latency_s=60.0)
    rig.write(BODY)
    with Running(rig, terminal=True) as running:
        until(lambda: len(rig.world.jobs) == 2)
        running.send(signal.SIGINT)
        time.sleep(0.3)
        assert running.process.poll() is None, "it waits for what runs"
        _end_all(rig)
        assert running.end() == 130
    assert sorted(rig.states().values()) == ["done", "done"]
    assert len(rig.charges()) == 2
    assert rig.run().code == 0
    assert len(rig.charges()) == 4


def test_the_second_ctrl_c_stops_at_once(rig: Rig) -> None:
    """Two of them end a run whose jobs go on, with all ids saved."""
    rig.open(latency_s=60.0)
    rig.write(BODY)
    with Running(rig, terminal=True) as running:
        until(lambda: len(rig.world.jobs) == 2)
        running.send(signal.SIGINT)
        time.sleep(0.2)
        running.send(signal.SIGINT)
        assert running.end() == 130
    assert list(rig.states().values()) == ["submitted", "submitted"]


def test_a_stop_while_an_answer_is_awaited(rig: Rig) -> None:
    """The answer has a moment to come, then the send is unknown; the same key settles it without a second charge."""
    rig.open({"fault": "hang-answer", "match": "n1"}, hang_s=60.0)
    rig.write(BODY.replace("[n1, n2, n3, n4]", "[n1]"))
    with Running(rig) as running:
        until(lambda: len(rig.world.jobs) == 1)
        running.send(signal.SIGTERM)
        assert running.end() == 130
    assert rig.states() == {"shot[n=n1]": "unknown"}
    rig.faults()
    assert rig.run().code == 0
    assert len(rig.charges()) == 1
    assert doubles(rig.charges()) == 0


def test_a_stop_while_a_refusal_is_waited_out(rig: Rig) -> None:
    """A long Retry-After does not hold up a soft stop: what is not sent yet is not sent."""
    rig.open("429", retry_after_s=600)
    rig.write(BODY)
    with Running(rig, terminal=True) as running:
        until(lambda: rig.bill()["requests"]["submit"] >= 1)
        time.sleep(0.2)
        running.send(signal.SIGINT)
        assert running.end() == 130
    assert rig.charges() == []


def test_a_stop_while_the_balance_is_asked(rig: Rig) -> None:
    """Before anything is sent a signal ends the run with 130, and leaves no receipt."""
    rig.write(BODY)
    app, asked = rig.stage.app, []

    async def silent(scope, receive, send):
        if scope["path"] != "/v2/me":
            return await app(scope, receive, send)
        asked.append(scope)
        while (await receive())["type"] != "http.disconnect":
            pass

    rig.stage.app = silent
    with Running(rig) as running:
        until(lambda: bool(asked))
        running.send(signal.SIGTERM)
        assert running.end() == 130
    assert rig.bill()["requests"]["submit"] == 0
    assert not list(rig.folder.glob("*.lock.json"))


def test_two_runs_at_once(rig: Rig) -> None:
    """The second is refused with the holder's pid, host and start; when the holder is gone its lock is free."""
    rig.open(latency_s=60.0)
    rig.write(BODY)
    with Running(rig) as running:
        until(lambda: len(rig.world.jobs) == 2)
        for command in ("run", "pull", "reconcile"):
            said = rig.run() if command == "run" else rig.kbatch(command)
            assert said.code == 3
            assert f"pid {running.process.pid} on " in said.err
            assert " since 2" in said.err
        assert rig.kbatch("status").code == 0
        running.process.kill()
        running.process.wait()
    _end_all(rig)
    assert rig.run().code == 0
    assert len(rig.charges()) == 4


def test_a_run_whose_reader_has_left(rig: Rig) -> None:
    """With stderr a pipe that nobody reads any more, the run goes on to its end and says how it ended."""
    rig.write(BODY)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "kbatch", "run", "--yes", str(rig.folder / rig.name)]
    code = subprocess.call(command, env=environment(rig.stage), cwd=ROOT, stderr=writing, stdout=subprocess.DEVNULL)
    os.close(writing)
    assert code == 0
    assert list(rig.states().values()) == ["done"] * 4


def _end_all(rig: Rig) -> None:
    """Let every job end now, and those that come end at once."""
    object.__setattr__(rig.world.terms, "latency_s", 0.0)
    for name, job in rig.world.jobs.items():
        object.__setattr__(job, "ends_at", job.created_at)
        assert rig.world.jobs[name] is job
