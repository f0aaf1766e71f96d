"""The README tells the truth: its files check, its commands run, its diagram and tables are those of the code."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from kbatch.cli.main import COMMANDS
from kbatch.errors import ExitCode
from kbatch.receipts.lifecycle import diagram
from tests.simulated_server import Server, serving

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = README.partition("## Guide")[2].partition("## Reference")[0]
FILES = re.findall(r"```yaml file=(\S+)\n(.*?)```", GUIDE, re.DOTALL)
COMMAND_LINES = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [
    (name.lower(), tuple(int(part) for part in floor.split(".") if part))
    for wish in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for name, _, floor in [wish.partition(">=")]
]
"""Each declared library with the numbers of its lowest version."""
EXPECTED = {"kbatch run cities.yaml --simulate --faults faults.yaml --only 'hero[city=lisbon*' --yes": {0, 1}}
"""Exit codes other than 0: what a rehearsal of faults ends with depends on the faults."""


def pins(name: str) -> dict[str, tuple[int, ...]]:
    """Return what a list of `.ci/` pins: each library with the numbers of its version."""
    text = (ROOT / ".ci" / name).read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)==(\d+(?:\.\d+)*)", text, re.MULTILINE)
    return {library: tuple(int(part) for part in version.split(".")) for library, version in found}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve both providers for the guide's real runs."""
    with serving(latency_s=0.05, clips=True) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the guide writes."""
    folder = tmp_path_factory.mktemp("guide")
    for name, text in FILES:
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_every_command_of_the_guide_runs(server: Server, folder: Path) -> None:
    """The guide's commands run one after another in one folder, as a reader would type them."""
    bin_folder = Path(sys.executable).parent
    environment = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "APIFRAME_API_KEY": "any",
        "AIMLAPI_API_KEY": "any",
        "GITHUB_ACTOR": "ann",
        "KBATCH_APIFRAME_URL": server.url,
        "KBATCH_AIMLAPI_URL": server.url,
        "KBATCH_POLL_SCALE": "0.002",
        "PYTHONPATH": str(ROOT),
    }
    for line in COMMAND_LINES:
        assert line.startswith("kbatch "), line
        done = subprocess.run(
            line,
            shell=True,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode in EXPECTED.get(line, {0}), f"{line}\n{done.stdout}\n{done.stderr}"
    assert server.charged("apiframe") == 180  # 120 for all once, 45 and 15 for what the two approved plans bought again


def test_the_guide_has_commands_and_files() -> None:
    """The patterns above find what they are meant to find."""
    assert len(COMMAND_LINES) >= 18
    names = ["first.yaml", "cities.yaml", "lantern.yaml", "faults.yaml", "budgets.yaml", "shared.yaml"]
    assert [name for name, _ in FILES] == names


def test_ci_runs_the_readmes_test_command() -> None:
    """`.ci/run` installs and tests as the README's second command does."""
    second = ".venv/bin/pip install -c .ci/constraints.txt -e '.[test]' && .venv/bin/pytest"
    assert f"```sh\n{second}\n```" in README
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert ".venv/bin/pip install --quiet -c .ci/constraints.txt -e '.[test]'" in script
    assert re.search(r"^step \.venv/bin/pytest\b", script, re.MULTILINE)


def test_both_commands_install_what_was_tested() -> None:
    """Each `pip install` of the README's own set-up is held by the constraints, which pin all that is declared."""
    commands = [line for line in README.splitlines() if line.startswith(("python3 -m venv", ".venv/bin/pip"))]
    assert len(commands) == 2
    assert all("pip install -c .ci/constraints.txt -e" in command for command in commands)
    assert {name for name, _ in DECLARED} <= set(pins("constraints.txt"))


def test_the_lowest_versions_are_the_floors_declared() -> None:
    """`.ci/lowest.txt` holds each declared floor, or the first release above it that goes with the others."""
    lowest = pins("lowest.txt")
    for name, floor in DECLARED:
        assert floor, f"{name} has no floor"
        assert lowest[name][: len(floor)] >= floor, name
    core = DECLARED[: len(PROJECT["dependencies"])]
    assert [(name, lowest[name][: len(floor)]) for name, floor in core] == core


def test_the_diagram_is_generated_from_the_table() -> None:
    """The README shows the lifecycle exactly as the code has it."""
    assert f"```mermaid\n{diagram()}```" in README


def test_every_command_and_exit_code_is_documented() -> None:
    """The README's tables name every command and every exit code, and no other."""
    table = README.partition("### Commands")[2].partition("### Exit codes")[0]
    assert set(re.findall(r"^\| `kbatch ([\w-]+)", table, re.MULTILINE)) == set(COMMANDS)
    codes = README.partition("### Exit codes")[2].partition("### Environment")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", codes, re.MULTILINE)} == {int(code) for code in ExitCode}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_help_has_examples(name: str) -> None:
    """`kbatch COMMAND -h` ends with examples that begin with `kbatch`."""
    done = subprocess.run(
        [sys.executable, "-m", "kbatch", name, "-h"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Examples:" in done.stdout
    assert f"kbatch {name}" in done.stdout.partition("Examples:")[2]
