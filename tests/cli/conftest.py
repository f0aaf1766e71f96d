"""Runs commands in this process and compares what they say with a file beside the tests."""

import difflib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kbatch import __version__
from kbatch.cli.main import main

HERE = Path(__file__).parent
ERASED = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r'"[0-9a-f]{32}:(\d+)"'), r'"<digest>:\1"'),
    (re.compile(rf'"version": "{re.escape(__version__)}"'), '"version": "<version>"'),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a command came to: its exit code and both streams."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]
Golden = Callable[[str, Ended], None]


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fresh copy of `campaign/`, which is the working folder of the test."""
    folder = tmp_path / "campaign"
    shutil.copytree(HERE / "campaign", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `kbatch` with these words."""

    def call(*words: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        captured = capsys.readouterr()
        return Ended(code=int(ended.value.code or 0), out=captured.out, err=captured.err)

    return call


@pytest.fixture
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    """Return a function that holds an ended command against `golden/NAME.txt`, or writes it with `--update-golden`."""

    def compare(name: str, ended: Ended) -> None:
        text = f"exit {ended.code}\n--- stdout\n{ended.out}--- stderr\n{ended.err}".replace(str(tmp_path), "<folder>")
        for pattern, word in ERASED:
            text = pattern.sub(word, text)
        path = HERE / "golden" / f"{name}.txt"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        assert path.is_file(), f"{path} is missing: `pytest --update-golden` writes it, then read it"
        expected = path.read_text(encoding="utf-8")
        difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), "golden", "now", lineterm="")
        assert text == expected, "\n".join(difference)

    return compare
