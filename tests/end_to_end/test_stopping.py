"""Stopping a run in a process of its own: softly on a terminal, at once elsewhere; the same command goes on."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from kbatch import storage
from tests.campaign_rig import Rig, doubles, environment

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


def test_a_stop_before_the_first_byte(both: Rig) -> None:
    """A stop that comes while the intention is written down: it is not carried out, and nothing is held for it."""
    keep = storage.Appender.append

    def append(sink: storage.Appender, data: bytes) -> None:
        keep(sink, data)
        if b'"kind":"intended"' in data:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)

    both.write(BODY)
    with both.monkeypatch.context() as patch:
        patch.setattr(storage.Appender, "append", append)
        assert both.run().code == 130
    assert both.bill()["requests"]["submit"] == 0
    assert both.kbatch("status", "--format", "json").json["held"] == {}
    assert both.run().code == 0
    assert len(both.charges()) == 4
    assert {receipt["attempt"] for receipt in both.lockfile()["renders"].values()} == {1}


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


def test_a_stop_while_a_host_is_looked_up(rig: Rig) -> None:
    """The system's resolver cannot be cut short; a run that is to stop does not wait for it."""
    rig.write(BODY)
    asked = rig.folder / "asked"
    slow = (
        "import pathlib, socket, sys, time\n"
        f"def slow(*_args, **_named): pathlib.Path({str(asked)!r}).touch(); time.sleep(60)\n"
        "socket.getaddrinfo = slow\n"
        "from kbatch.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", slow, "run", "--yes", str(rig.folder / rig.name)]
    environ = {**environment(rig.stage), "KBATCH_APIFRAME_URL": "https://api.example.test"}
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environ, cwd=ROOT, **silent) as running:
        until(asked.exists)
        running.send_signal(signal.SIGTERM)
        try:
            assert running.wait(timeout=5) == 130
        finally:
            running.kill()


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


@pytest.mark.parametrize(("host", "code"), [("elsewhere", 3), (socket.gethostname(), 0)], ids=["elsewhere", "here"])
def test_a_holder_that_lives_no_more(rig: Rig, host: str, code: int) -> None:
    """Here the system's lock tells that it is gone; on another host nobody can: it is left alone until told."""
    rig.write(BODY)
    card = rig.folder / ".kbatch" / "campaign.lock.holder.json"
    card.parent.mkdir()
    card.write_text(json.dumps({"pid": 4711, "host": host, "since": "2026-11-20T10:00:00Z"}))
    said = rig.run()
    assert said.code == code
    if code:
        assert "pid 4711 on elsewhere since 2026-11-20T10:00:00Z" in said.err
        assert "--break-lock" in said.err
        assert rig.charges() == []
        assert rig.run("--break-lock").code == 0
    assert len(rig.charges()) == 4
    assert not card.exists()


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
