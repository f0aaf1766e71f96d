"""`kbatch mcp`: what an agent may ask, and that no argument of its leaves the folder or becomes an option."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator

from kbatch.cli.agent import own_command
from kbatch.cli.agent.own_command import run_kbatch
from kbatch.cli.agent.tools import READING, RunPolicy, running, words_of
from kbatch.errors import Refused
from kbatch.storage import files_below
from tests.cli.conftest import Run
from tests.mcp_client import client

MANIFEST = """kbatch: 1
name: c
provider: apiframe
budget: {max_credits: 100}
shots:
  - {id: hero, model: kling-2.6, params: {generate_audio: true}, prompt: a ridge}
"""
TOOLS = {tool.name: tool for tool in READING}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a manifest, beside files that are none of an agent's business."""
    root = tmp_path / "root"
    (root / ".hidden").mkdir(parents=True)
    (tmp_path / "secret.yaml").write_text(MANIFEST.replace("a ridge", "never shown"), encoding="utf-8")
    (root / ".hidden" / "c.yaml").write_text(MANIFEST, encoding="utf-8")
    (root / "c.yaml").write_text(MANIFEST, encoding="utf-8")
    (root / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    return root


def test_an_agent_reads_plans_and_explains_and_nothing_is_written(root: Path) -> None:
    """Each tool answers over stdio; without a policy none that spends is listed, and the folder is as it was."""
    before = {path: path.read_bytes() for path in files_below(root)}

    async def ask() -> Mapping[str, str]:
        async with client(root) as session:
            listed = (await session.list_tools()).tools
            assert [tool.name for tool in listed] == ["check", "plan", "explain", "status", "spend", "fit"]
            assert all(tool.annotations.read_only_hint for tool in listed)
            bought = await session.call_tool("run", {"manifest": "c.yaml"})
            assert bought.is_error
            said: dict[str, str] = {}

            async def call(name: str, **arguments: Any) -> None:
                answer = await session.call_tool(name, arguments)
                assert not answer.is_error, answer.content[0].text
                said[name] = answer.content[0].text

            async with anyio.create_task_group() as tasks:
                for name in ("check", "plan", "status"):
                    tasks.start_soon(lambda name=name: call(name, manifest="c.yaml"))
                tasks.start_soon(lambda: call("explain", manifest="c.yaml", address="hero"))
                tasks.start_soon(lambda: call("fit", manifest="c.yaml", max_credits=["20"]))
                tasks.start_soon(lambda: call("spend", by=["month"]))
            return said

    said = anyio.run(ask)
    assert json.loads(said["check"]) == {"problems": []}
    assert "25" in said["plan"]
    assert json.loads(said["explain"])["request"]["prompt"] == "a ridge"
    assert json.loads(said["fit"])["fits"]
    assert {path: path.read_bytes() for path in files_below(root)} == before


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        pytest.param("plan", {"manifest": "../secret.yaml"}, id="a-file-above"),
        pytest.param("plan", {"manifest": "/etc/hosts.yaml"}, id="an-absolute-path"),
        pytest.param("plan", {"manifest": "link.yaml"}, id="a-link-that-leaves"),
        pytest.param("plan", {"manifest": ".hidden/c.yaml"}, id="a-hidden-folder"),
        pytest.param("plan", {"manifest": "c.yaml\x00"}, id="a-nul"),
        pytest.param("plan", {"manifest": "--help.yaml"}, id="an-option-for-a-path"),
        pytest.param("plan", {"manifest": "nobody.yaml"}, id="no-such-file"),
        pytest.param("plan", {}, id="no-manifest"),
        pytest.param("plan", {"manifest": ["c.yaml"]}, id="a-list"),
        pytest.param("plan", {"manifest": "c.yaml", "out": "plan.json"}, id="an-output"),
        pytest.param("plan", {"manifest": "c.yaml", "trust_prices": True}, id="trusted-prices"),
        pytest.param("plan", {"manifest": "c.yaml", "max_credits": ["1"]}, id="a-ceiling"),
        pytest.param("plan", {"manifest": "c.yaml", "models": "cards"}, id="cards"),
        pytest.param("plan", {"manifest": "c.yaml", "lockfile": "x.lock.json"}, id="another-lockfile"),
        pytest.param("plan", {"manifest": "c.yaml", "profile": "../x"}, id="a-path-for-a-profile"),
        pytest.param("fit", {"manifest": "c.yaml", "max_credits": ["-1"]}, id="a-negative-limit"),
        pytest.param("fit", {"manifest": "c.yaml", "max_credits": ["1"], "write_profile": "x"}, id="a-written-profile"),
        pytest.param("spend", {"paths": [".."]}, id="a-folder-above"),
        pytest.param("spend", {"by": ["month --format html"]}, id="words-in-a-key"),
        pytest.param("plan", {"manifest": "c.yaml", "only": ["x"] * 51}, id="too-many"),
        pytest.param("plan", {"manifest": "c.yaml", "only": ["x" * 501]}, id="too-long"),
    ],
)
def test_what_an_agent_may_not_say(root: Path, tool: str, arguments: Mapping[str, Any]) -> None:
    """It is refused before any command is started."""
    with pytest.raises(Refused):
        words_of(TOOLS[tool], arguments, root)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("plan", {"manifest": "c.yaml", "only": ["--yes", "-j9"], "labels": ["--out=x"], "profile": "--yes"}),
        ("explain", {"manifest": "c.yaml", "address": "--models=cards"}),
        ("spend", {"paths": ["."], "by": ["month"], "since": "2026-11-01"}),
    ],
)
def test_no_value_becomes_an_option(root: Path, tool: str, arguments: Mapping[str, Any]) -> None:
    """A value is part of the word of its own flag, or comes after `--`."""
    words = words_of(TOOLS[tool], {**arguments}, root)
    ours = {"--format", "--only", "--label", "--profile", "--by", "--since"}
    assert {word.partition("=")[0] for word in words[1 : words.index("--")]} <= ours


@pytest.mark.parametrize("tool", READING, ids=lambda tool: tool.name)
def test_the_schemas_are_schemas_and_closed(tool: Any) -> None:
    """A client is told exactly what a tool takes."""
    Draft202012Validator.check_schema(tool.schema)
    assert tool.schema["additionalProperties"] is False


def test_commands_that_read_have_no_key(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` shows which keys are there: a command that an agent starts sees none."""
    monkeypatch.setenv("APIFRAME_API_KEY", "afk_never-shown-0000")
    monkeypatch.setenv("APIFRAME_API_KEY_BOB", "afk_never-shown-0001")
    assert not {name for name in own_command._without_keys(os.environ) if "API_KEY" in name}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_long_answers_are_cut(root: Path, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    """An answer has an end, and the process is read to its own."""
    monkeypatch.setattr(own_command, "MOST_OUTPUT", 100)

    async def ask() -> own_command.Ended:
        return await run_kbatch(["plan", "--format=json", "--", str(root / "c.yaml")], spends=False)

    ended = anyio.run(ask, backend=backend)
    assert (len(ended.out), ended.cut, ended.code) == (100, True, 0)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, root: Path, run: Run) -> None:
    """Without the SDK the command says what brings it, exit 2."""
    monkeypatch.setattr("kbatch.cli.commands.mcp.find_spec", lambda _name: None)
    ended = run("mcp", str(root))
    assert ended.code == 2
    assert "kbatch-render[mcp]" in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    "args", [("--allow-run",), ("--allow-run", "--approval-policy", "x"), ("--approved-from", "git:main")]
)
def test_no_run_is_offered_without_a_proof(root: Path, run: Run, args: tuple[str, ...]) -> None:
    """An approval that this user's own commands can make is none for an agent."""
    assert run("mcp", str(root), *args).code == 2


def test_a_run_takes_its_policy_from_the_person_alone(root: Path) -> None:
    """The agent names a manifest and a profile; who may approve stands in the words before."""
    tool = running(RunPolicy(allowed_signers="signers", approval_policy="policy"))
    words = words_of(tool, {"manifest": "c.yaml", "profile": "--yes"}, root)
    assert words[:5] == [
        "run",
        "--approved",
        "--require-signed",
        "--allowed-signers=signers",
        "--approval-policy=policy",
    ]
    assert "--profile=--yes" in words
    for more in ({"only": ["x"]}, {"allowed_signers": "mine"}, {"yes": True}, {"manifest": "plan.json"}):
        with pytest.raises(Refused):
            words_of(tool, {"manifest": "c.yaml", **more}, root)
