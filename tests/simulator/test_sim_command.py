"""`kbatch simulate`: its first line, its signals, its options and its help."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from click.testing import CliRunner

from kbatch.cli.commands.simulate import command
from kbatch.errors import Invalid
from kbatch.simulator.faults.selection import CATALOGUE

RUN = "from kbatch.cli.commands.simulate import command; command()"
KEY = {"x-api-key": "k"}


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command in a process of its own; yields it and its URL."""
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, read_url(process.stdout)
        finally:
            process.kill()


def read_url(stdout: IO[str]) -> str:
    """Return the URL in the first line."""
    found = json.loads(stdout.readline())
    assert found.keys() == {"url"}
    return str(found["url"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """Exit 0 and silence, whether a client hangs on an open connection or not; the bill is on the disk."""
    bill, faults = tmp_path / "bill.json", tmp_path / "faults.yaml"
    faults.write_text("- {fault: hang-answer, match: stuck}\n")
    options = ("--no-clips", "--latency", "0", "--bill", str(bill), "--faults", str(faults), "--credits", "apiframe=7")
    with running(*options) as (process, url), httpx.Client(base_url=url) as http:
        assert http.get("/v2/me", headers=KEY).json()["team"]["credits"] == 7
        assert http.get("/v2/billing", headers={"authorization": "Bearer k"}).json()["current_balance"] == 1000
        body = {"prompt": "stuck", "model": "kling-2.1"}
        with pytest.raises(httpx.ReadTimeout):
            http.post("/v2/videos/generate", headers=KEY, json=body, timeout=0.3)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=10)
        assert (process.returncode, stdout, stderr) == (0, "", "")
    assert [line["credits"] for line in json.loads(bill.read_text())["charges"]] == [5]


def test_the_options_make_a_small_world_of_people() -> None:
    """Keys with names, a team's own credits, and one call a minute for each user."""
    names = ("--key", "afk_ann=red/ann/ci", "--key", "afk_ben=red/admin-ben")
    limits = ("--credits", "apiframe/red=9", "--rate", "1", "--rate-scope", "user")
    with running("--no-clips", *names, *limits) as (_, url), httpx.Client(base_url=url) as http:
        ann, ben = (http.get("/v2/me", headers={"x-api-key": key}).json() for key in ("afk_ann", "afk_ben"))
        assert (ann["team"], ann["team"]["credits"]) == (ben["team"], 9)
        assert (ann["user"]["role"], ben["user"]["role"], ann["apiKey"]["name"]) == ("MEMBER", "ADMIN", "ci")
        late = http.get("/v2/me", headers={"x-api-key": "afk_ann"})
        assert (late.status_code, 0 < int(late.headers["retry-after"]) <= 60) == (429, True)


def test_the_help_lists_every_fault_with_its_line() -> None:
    """The catalogue is the epilogue, one line a fault, with examples above it."""
    shown = CliRunner().invoke(command, ["--help"]).output
    lines = [line.split(None, 1) for line in shown.splitlines()]
    for name, text in CATALOGUE.items():
        assert [name, text] in lines
    for option in ("--port", "--latency", "--seed", "--faults", "--bill", "--no-clips", "--credits"):
        assert option in shown
    assert "kbatch simulate --port 8085" in shown


def test_the_help_needs_no_server() -> None:
    """Neither the server nor PyAV is imported to show it."""
    code = (
        "import sys; sys.modules['uvicorn'] = sys.modules['starlette'] = sys.modules['av'] = None\n"
        "from kbatch.cli.commands.simulate import command; command(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "lost-answer" in done.stdout) == (0, True)


@pytest.mark.parametrize(("module", "hint"), [("uvicorn", "`sim`"), ("starlette", "`sim`"), ("av", "--no-clips")])
def test_a_missing_extra_is_told_at_once(module: str, hint: str) -> None:
    """Before anything is served, with what to install."""
    code = (
        f"import sys; sys.modules['{module}'] = None\n"
        "from kbatch.cli.commands.simulate import command\n"
        "from kbatch.errors import Refused\n"
        "try:\n    command([], standalone_mode=False)\n"
        "except Refused as refused:\n    print(refused.code, refused.message, refused.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"no-simulator the simulator needs {module}")
    assert hint in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port", "70000"], "--port"),
        (["--latency", "-1"], "--latency"),
        (["--credits", "many"], "--credits"),
        (["--credits", "other=5"], "--credits"),
        (["--credits", "other/red=5"], "--credits"),
        (["--key", "afk_1=red"], "--key"),
        (["--key", "=red/ann"], "--key"),
        (["--rate", "0"], "--rate"),
        (["--faults", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_options_are_exit_2(arguments: list[str], text: str) -> None:
    """Each is told by its name before anything is served."""
    done = CliRunner().invoke(command, arguments)
    assert (done.exit_code, text in done.output) == (2, True)


def test_a_bad_faults_file_is_told_with_its_place(tmp_path: Path) -> None:
    """As problems with file and line, for the program's own way of showing them."""
    path = tmp_path / "faults.yaml"
    path.write_text("- {fault: fial}\n")
    done = CliRunner().invoke(command, ["--faults", str(path)])
    assert isinstance(done.exception, Invalid)
    [problem] = done.exception.problems
    assert problem.mark is not None
    assert (problem.mark.file, problem.mark.line) == (str(path), 1)
    path.write_bytes(b"\xff")
    assert isinstance(CliRunner().invoke(command, ["--faults", str(path)]).exception, Invalid)


def test_a_bill_that_cannot_be_written_is_exit_2(tmp_path: Path) -> None:
    """It is tried before anything is served."""
    (tmp_path / "file").touch()
    done = CliRunner().invoke(command, ["--bill", str(tmp_path / "file" / "bill.json")])
    assert (done.exit_code, "cannot serve" in done.output) == (2, True)


def test_a_port_in_use_is_exit_2() -> None:
    """In words, not as a traceback."""
    with running("--no-clips") as (_, url):
        done = CliRunner().invoke(command, ["--no-clips", "--port", url.rpartition(":")[2]])
    assert done.exit_code == 2
    assert "cannot serve" in done.output
