"""Runs a job of a workflow on this machine, its composite action included, as a runner of GitHub Actions would.

Steps run in order under bash, with `env`, `if`, inputs with their defaults, and outputs; after a failure only those
with `always()` run. Actions of others (checkout, setup-python, upload-artifact) and the installation are left out.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import kbatch

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / ".github" / "actions" / "kbatch"
OURS = "kbatch-render/kbatch/.github/actions/kbatch@"


def bare_environment(folder: Path) -> dict[str, str]:
    """Return an environment without keys, whose `python` and `kbatch` are these."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(kbatch.__file__).parents[1]),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "KBATCH_POLL_SCALE": "0.002",
        "LANG": "C.UTF-8",
    }


@dataclass
class Job:
    """One job on a fresh runner: a checkout, a temporary folder of its own, and what it said."""

    checkout: Path
    temporary: Path
    github: Mapping[str, Any]
    environment: Mapping[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    code: int = 0
    uploaded: list[str] = field(default_factory=list)

    def run(self, job: Mapping[str, Any]) -> "Job":
        """Run the steps of a job as a workflow's YAML has them."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        known = {"github": self.github, "inputs": self.inputs, "secrets": self.secrets}
        if "if" in job:
            assert self._value(str(job["if"]), known), "the job's condition does not hold"
        self._steps(job["steps"], known, {})
        return self

    def _steps(self, steps: list[Any], known: Mapping[str, Any], surroundings: Mapping[str, str]) -> None:
        outputs: dict[str, Any] = {}
        known = {**known, "steps": outputs, "runner": {"temp": str(self.temporary)}}
        for step in steps:
            condition = str(step.get("if", "success()"))
            if (self.code and "always()" not in condition) or not self._value(condition, known):
                continue
            environment = {**surroundings, **self._texts(step.get("env", {}), known)}
            given = self._texts(step.get("with", {}), known)
            if str(step.get("uses", "")).startswith(OURS):
                self._composite(given, known, environment)
            elif "uses" in step:
                self.uploaded += [given["path"]] if "upload-artifact" in step["uses"] else []
            elif step.get("name") != "install":
                outputs[step.get("id", "")] = {"outputs": self._bash(step["run"], environment)}

    def _composite(self, given: Mapping[str, str], known: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        action = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
        assert set(given) <= set(action["inputs"]), "an input that the action does not have"
        defaults = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
        inputs = {**self._texts(defaults, known), **given}
        self._steps(action["runs"]["steps"], {"github": self.github, "inputs": inputs}, environment)

    def _bash(self, script: str, environment: Mapping[str, str]) -> dict[str, str]:
        output = self.temporary / "output"
        output.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.checkout,
            env={
                **self.environment,
                **environment,
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(ACTION),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self.temporary / "summary.md"),
                "GITHUB_WORKSPACE": str(self.checkout),
                "RUNNER_TEMP": str(self.temporary),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += done.stdout + done.stderr
        self.code = self.code or done.returncode
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    def _texts(self, values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, str]:
        def shown(value: Any) -> str:
            return str(value).lower() if isinstance(value, bool) else str(value or "")

        def filled(text: str) -> str:
            return re.sub(r"\$\{\{(.*?)\}\}", lambda found: shown(self._value(found[1], known)), text)

        return {name: filled(str(value)) for name, value in values.items()}

    def _value(self, expression: str, known: Mapping[str, Any]) -> Any:
        def found(name: str) -> Any:
            value: Any = known
            for part in name.split("."):
                value = value.get(part, "") if isinstance(value, Mapping) else ""
            return value

        text = re.sub(r"(?<!['\w.])[a-z_]+(?:\.[\w-]+)+", lambda name: f"found({name[0]!r})", expression)
        text = text.replace("&&", " and ").replace("||", " or ")
        return eval(text.strip(), {"found": found, "always": lambda: True, "success": lambda: True})


def clone(remote: Path, folder: Path, environment: Mapping[str, str], *, commit: str = "") -> Path:
    """Return a fresh checkout as actions/checkout makes it: one commit deep, `origin` set."""
    shutil.rmtree(folder, ignore_errors=True)
    for words in (
        ("init", "--quiet", "--initial-branch=main", str(folder)),
        ("-C", str(folder), "remote", "add", "origin", remote.as_uri()),
        ("-C", str(folder), "fetch", "--quiet", "--no-tags", "--depth=1", "origin", commit or "main"),
        ("-C", str(folder), "checkout", "--quiet", "-B", "main", "FETCH_HEAD"),
    ):
        subprocess.run(["git", *words], env=dict(environment), check=True, capture_output=True)
    return folder
