"""Output for GitHub Actions: only there, whole rows within 1 MiB, files by the workspace's names."""

import os
from pathlib import Path

import pytest
from report_samples import report, row

from kbatch.cli.ui.github_actions import add_summary, annotations, from_root
from kbatch.errors import Mark, Problem
from kbatch.report.markdown import run_markdown
from kbatch.report.markdown.markdown import SUMMARY_LIMIT

PROBLEM = Problem(code="unknown-field", message="no", mark=Mark(file="sub/a.yaml", line=3, column=5))


@pytest.fixture
def summary(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a step with a summary file."""
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}


def test_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    """Without `GITHUB_ACTIONS=true` there is no annotation, and a file of that name is left alone."""
    path = tmp_path / "summary.md"
    assert add_summary(lambda _: "words", {"GITHUB_STEP_SUMMARY": str(path)}) is None
    assert not path.exists()
    assert list(annotations([PROBLEM], {"GITHUB_ACTIONS": "false"})) == []


def test_a_summary_is_appended(summary: dict[str, str]) -> None:
    """What an earlier command of the step wrote stays."""
    path = Path(summary["GITHUB_STEP_SUMMARY"])
    for words in ("first", "second"):
        assert add_summary(lambda _, said=words: said, summary) is None
    assert path.read_text(encoding="utf-8").split() == ["first", "second"]


@pytest.mark.parametrize("there", [0, 500_000, SUMMARY_LIMIT - 3_000])
def test_a_summary_never_passes_the_limit(summary: dict[str, str], there: int) -> None:
    """GitHub drops a summary above 1 MiB: 10,000 jobs are cut by whole rows, with a note, to what is left."""
    path = Path(summary["GITHUB_STEP_SUMMARY"])
    path.write_bytes(b"x" * there)
    long = report(tuple(row(f"shot[n={number}]", prompt="日本" * 80) for number in range(4_000)))
    assert add_summary(lambda limit: run_markdown.as_markdown(long, limit), summary) is None
    text = path.read_text(encoding="utf-8")
    assert there < path.stat().st_size <= SUMMARY_LIMIT
    assert "more job" in text or "cut to the size" in text


@pytest.mark.parametrize("there", [SUMMARY_LIMIT, SUMMARY_LIMIT + 5])
def test_a_full_summary_is_left_as_it_is(summary: dict[str, str], there: int) -> None:
    """Nothing is added above the limit, and it is said."""
    path = Path(summary["GITHUB_STEP_SUMMARY"])
    path.write_bytes(b"x" * there)
    assert "full" in (add_summary(lambda _: "words", summary) or "")
    assert path.stat().st_size == there


def test_a_summary_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A run is not lost because of its summary."""
    said = add_summary(lambda _: "words", {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert said is not None
    assert "cannot be written" in said


def test_annotations_name_files_from_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs in a sub-folder names its files as the repository does."""
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    (line,) = annotations([PROBLEM], environment)
    assert line.startswith("::error file=deep/sub/a.yaml,line=3,col=5,")
    (placed,) = from_root([Problem(code="x", message="no place")], Path("k.yaml"), environment)
    assert placed.mark is not None
    assert Path(placed.mark.file) == Path("deep", "k.yaml")
    (outside,) = from_root([PROBLEM], environment={"GITHUB_WORKSPACE": str(tmp_path / "other")})
    assert outside.mark is not None
    assert outside.mark.file == os.path.join("sub", "a.yaml")  # noqa: PTH118 - as the system writes it
