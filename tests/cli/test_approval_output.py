"""What `kbatch approve` and `run --approved` print, word for word."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Golden, Run

MANIFEST = """kbatch: 1
name: c
provider: apiframe
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: hero, prompt: "one {{ city }}", matrix: {city: [oslo, rome]}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Path:
    """Return the working folder, with a manifest and its saved plan."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "c.yaml").write_text(MANIFEST, encoding="utf-8")
    assert run("plan", "c.yaml", "--out", "plan.json").code == 0
    return tmp_path


def timeless(ended: Ended) -> Ended:
    """Return what was printed with its times erased."""
    times = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    return replace(ended, out=times.sub("<time>", ended.out), err=times.sub("<time>", ended.err))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_approval_is_said(form: str, run: Run, golden: Golden) -> None:
    """The plan and the record on stderr, the digest or JSON on stdout."""
    words = ("--max-credits", "20", "--note", "as agreed on Monday", "--format", form)
    golden(f"approve-{form}", timeless(run("approve", "plan.json", *words)))


def test_a_refusal_says_what_differs(folder: Path, run: Run, golden: Golden) -> None:
    """The plan is shown and not carried out; the message names the approval, the job and what to do."""
    assert run("approve", "plan.json").code == 0
    (folder / "c.yaml").write_text(MANIFEST.replace("one", "two"), encoding="utf-8")
    ended = run("run", "c.yaml", "--approved")
    shown, refused, words = ended.err.partition("refused[")
    assert shown.startswith("Plan for c.yaml")
    golden("run-approved-differs", replace(ended, err=refused + words))
