"""What a lockfile, a manifest or a file's name says becomes no line of its own, no command of a log and no escape.

The commands are those of GitHub's runner (trimmed lines that begin with `::`, and `##[` anywhere) and of Azure's.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kbatch.report.data.format import harmless, harmless_json, harmless_lines
from tests.campaign_rig import Rig

NASTY = "\n::error::forged\r::warning title=x::forged\u2028  ::add-mask::forged\n##[error]a ##vso[x]\x1b[2J\x9b\u202e"
BODY = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: old, prompt: old}
  - {id: new, prompt: "new\\n::error::forged\\r\\u2028::error::forged ##[error]forged"}
"""
EVERYTHING = [
    *(["plan", "--format", form] for form in ("text", "html", "markdown", "json")),
    *(["report", flag, "-"] for flag in ("--html", "--junit", "--markdown", "--csv")),
    *(["report", "--format", "json"], ["status"], ["status", "--format", "json"], ["verify"], ["check"], ["doctor"]),
    *(["verify", "--format", "json"], ["explain", "new"], ["explain", "old", "--format", "json"], ["reconcile"]),
    *(["pull"], ["accept", "old"], ["run", "--yes"], ["plan", "--only", NASTY], ["plan", "--profile", NASTY]),
]


def _forged(text: str) -> list[str]:
    """Return the lines that a log would take for a command, and the control characters."""
    lines = re.split(r"\r\n|[\n\r\v\f\x85\u2028\u2029]", text)
    ours = ("::error title=", "::error file=", "::warning title=", "::warning file=", "::notice title=kbatch")
    others = [line for line in lines if not line.startswith(ours)]  # a command is read once, and not within
    found = [line for line in others if line.strip().startswith("::") or re.search(r"##\w*\[", line)]
    return found + [letter for letter in text if letter in "\x1b\x9b\u202e\u2028\ud83d\x00"]


def _spoiled(value: Any) -> Any:
    """Return a receipt in which every text that may be anything is nasty."""
    spoiled = {**value, "model": f"m{NASTY}", "variant": f"v{NASTY}", "account": f"a{NASTY}"}
    spoiled["request"] = {**value["request"], "prompt": f"p{NASTY}", f"n{NASTY}": NASTY}
    spoiled["error"] = {"at": "delivery", "reason": f"r{NASTY}", "message": f"m{NASTY}\ud83d"}
    nasty = {"labels": {f"k{NASTY}": NASTY}, "axes": {f"a{NASTY}": NASTY}, "profile": NASTY, "commit": NASTY}
    spoiled["purchase"] = {"address": f"d{NASTY}", "campaign": NASTY, "run": NASTY, "actor": NASTY, **nasty}
    spoiled["job_id"] = f"j{NASTY}"
    spoiled["output"] = {**value["output"], "path": f"renders/o{NASTY}.mp4"}
    return {**spoiled, "state": "delivered-wrong"}


@pytest.mark.parametrize("orphan", [False, True], ids=["of-a-job", "of-no-job"])
def test_no_line_of_a_strangers_own(rig: Rig, monkeypatch: pytest.MonkeyPatch, orphan: bool) -> None:
    """Whatever command prints them, in whatever form, the stranger's words stay within kbatch's own lines."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(rig.folder / "summary.md"))
    rig.write(BODY)
    assert rig.run("--only", "old").code == 0
    lockfile = rig.lockfile()
    renders = {key: _spoiled(one) for key, one in lockfile["renders"].items()}
    if orphan:
        renders = {f"f{NASTY}": one for one in renders.values()}
        lockfile["jobs"][f"old[{NASTY}]"] = {**lockfile["jobs"].pop("old"), "fingerprint": next(iter(renders))}
    lockfile["renders"] = renders
    (rig.folder / "campaign.lock.json").write_text(json.dumps(lockfile), encoding="utf-8")
    for words in EVERYTHING:
        said = rig.kbatch(*words)
        assert said.code != 70, said.err[-3000:]
        for text in (said.out, said.err):
            assert _forged(text) == [], words


def test_no_line_of_a_files_own_name(tmp_path: Path, rig: Rig) -> None:
    """A manifest whose name has line breaks, as `check *.yaml` may meet one, is named on one line."""
    name = "a\n::error::forged ##[error]x.yaml"
    (rig.folder / name).write_text("kbatch: 1\nname: [\n", encoding="utf-8")
    for command in ("check", "plan", "status", "run"):
        said = rig.kbatch(command, manifest=name)
        assert said.code == 2
        assert _forged(said.out + said.err) == [], command


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\r\nc\td", "a b c d"),
        ("::error::x", ": :error::x"),
        ("x ##[group]y ##vso[z]", "x # #[group]y # #vso[z]"),
        ("a::b ## heading #1", "a::b ## heading #1"),
        ("\x1b[31m\u202e\ud83d", "\ufffd[31m\ufffd\ufffd"),
        ("café 灯", "café 灯"),
    ],
)
def test_harmless(text: str, line: str) -> None:
    """Line breaks are spaces, commands are taken apart, what acts is U+FFFD, and the rest is as it was."""
    assert harmless(text) == line
    assert harmless_lines(line) == line
    assert json.loads(harmless_json(json.dumps(text))) == text
