"""`run.py`: a deadline or a cancelled job stops kbatch with everything saved, and the same job goes on with it."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from workflow_job import ACTION

from tests.campaign_rig import Stage, environment, standing
from tests.git_repository import Repository

MANIFEST = """kbatch: 1
name: spring
provider: apiframe
defaults: {model: kling-2.5-turbo-pro}
budget: {max_credits: 20}
shots:
  - {id: one, prompt: a}
  - {id: two, prompt: b}
"""
WAITS = "import signal, time; signal.signal(signal.SIGTERM, signal.{how}); time.sleep(600)"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Serve the provider in this process."""
    with standing() as running:
        yield running


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the script as a module; the handlers of this process's signals are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    found = importlib.util.spec_from_file_location("kbatch_run_script", ACTION / "run.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    yield module
    for number, handler in handlers.items():
        signal.signal(number, handler)


def words(folder: Path, *more: str) -> list[str]:
    """Return the script's command line, as the action has it."""
    (folder / "spring.yaml").write_text(MANIFEST, encoding="utf-8")
    given = ("--reports", str(folder / "reports"), "--args=--yes", *more)
    return [sys.executable, str(ACTION / "run.py"), str(folder / "spring.yaml"), *given]


def test_a_cancelled_job_saves_what_it_bought_and_goes_on_with_it(tmp_path: Path, stage: Stage) -> None:
    """The signal arrives with the first acceptance: exit 130, its receipt is recorded; again, each is bought once."""
    world = stage.open(latency_s=1)
    app, process = stage.app, []
    assert app is not None

    async def stopping(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if process and world.bill.charges:
            os.kill(process.pop().pid, signal.SIGINT)

    stage.app = stopping
    command = words(tmp_path, "--deadline", "300")
    running = subprocess.Popen(command, env=environment(stage), stderr=subprocess.PIPE, text=True)
    process.append(running)
    said = running.communicate()[1]
    assert running.returncode == 130, said
    receipts: Any = json.loads((tmp_path / "spring.lock.json").read_text())["renders"].values()
    assert {receipt["job_id"] for receipt in receipts if receipt.get("job_id")}
    done = subprocess.run(command, env=environment(stage), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(world.bill.charges) == 2
    assert {path.name for path in tmp_path.rglob("*.mp4")} == {"one.mp4", "two.mp4"}
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {"run.xml", "pull.xml", "events.jsonl"}


def test_a_killed_run_has_its_purchases_recorded_from_the_journal(tmp_path: Path, stage: Stage) -> None:
    """`kill -9` with the first charge, long before a lockfile is written: `receipts.py push` brings them to main."""
    world = stage.open(latency_s=600)
    app, process = stage.app, []
    assert app is not None

    async def killing(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if process and world.bill.charges:
            process.pop().kill()

    stage.app = killing
    remote, work = tmp_path / "remote.git", Repository(tmp_path / "work")
    work.git("init", "-q", "--bare", "--initial-branch=main", str(remote))
    manifest = words(work.folder, "--deadline", "1")[2]
    work.commit()
    work.git("remote", "add", "origin", remote.as_uri())
    work.git("push", "-q", "origin", "main")
    command = [sys.executable, "-m", "kbatch", "run", manifest, "--yes"]
    running = subprocess.Popen(command, env=environment(stage), stderr=subprocess.DEVNULL)
    process.append(running)
    assert running.wait() == -signal.SIGKILL
    assert not (work.folder / "spring.lock.json").exists()
    script = [sys.executable, str(ACTION / "receipts.py"), "push", "--manifest", manifest, "--branch", "main"]
    done = subprocess.run(script, env=environment(stage), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    recorded = json.loads(work.git("show", "origin/main:spring.lock.json").stdout)["renders"]
    assert len(recorded) >= len(world.bill.charges) >= 1


def test_a_deadline_that_is_over_begins_nothing(tmp_path: Path, stage: Stage) -> None:
    """Without time left nothing is bought."""
    world = stage.open()
    command = words(tmp_path, "--deadline", "0")
    done = subprocess.run(command, env=environment(stage), capture_output=True, check=False)
    assert (done.returncode, len(world.bill.charges)) == (130, 0)


@pytest.mark.parametrize("how", ["SIG_DFL", "SIG_IGN"], ids=["stops", "does-not-stop"])
def test_at_the_deadline_a_command_is_stopped_and_the_next_not_begun(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """A command gets SIGTERM, one that ignores it is killed; both count as interrupted, and it is said."""
    monkeypatch.setattr(script, "KBATCH", (sys.executable, "-c", WAITS.format(how=how)))
    deadline = script.Deadline(0.3)
    assert deadline.run(["run"]) == 130
    assert "the deadline is over" in capsys.readouterr().err
    assert deadline.run(["pull"]) == 130


@pytest.mark.parametrize(
    ("codes", "worst"),
    [((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((4, 1), 4), ((1, 5), 5), ((130, 0), 130), ((70, 130), 70), ((3, 0), 3)],
)
def test_the_larger_concern_counts(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, codes: tuple[int, int], worst: int
) -> None:
    """Of both commands' exit codes the job has the one that kbatch's own order puts first."""
    monkeypatch.setattr(script.Deadline, "run", lambda _self, given: codes[given[0] == "pull"])
    monkeypatch.setattr(sys, "argv", ["run.py", "a.yaml", "--deadline", "1", "--reports", str(tmp_path)])
    assert script.main() == worst
