"""`report`, `plan --format`, `run --junit` and what they tell GitHub Actions, as commands that someone types."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest
from report_plans import HEAD

from kbatch.cli.main import main

BODY = """\
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false, aspect_ratio: 1:1}}
budget: {max_credits: {apiframe: 100}}
shots:
  - {id: hero, prompt: a ridge, takes: 2}
  - {id: card, prompt: a card}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kbatch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs one command in a folder with a manifest: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "APIFRAME_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "kbatch.yaml").write_text(HEAD + BODY, encoding="utf-8")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kbatch: Run) -> Path:
    """Make this process a step of a workflow; return its summary file."""
    path = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def verdicts(path: Path) -> dict[str, str]:
    """Return how each case of a JUnit file ended."""
    cases = Tree.fromstring(path.read_text(encoding="utf-8")).iter("testcase")
    return {
        case.attrib["name"]: next((child.tag for child in case if child.tag != "properties"), "passed")
        for case in cases
    }


def test_a_rehearsal_is_reported_in_every_form(kbatch: Run, tmp_path: Path) -> None:
    """One run, then every report of it: clips beside the page, lines, cases and rows for each job."""
    code, _, _ = kbatch("run", "--simulate", "--yes", "--only", "hero", "--junit", "run.xml")
    assert code == 0
    assert verdicts(tmp_path / "run.xml") == {"hero": "passed", "hero@2": "passed"}
    (tmp_path / "out").mkdir()
    written = ("--html", "out/report.html", "--csv", "out/r.csv", "--junit", "out/r.xml", "--markdown", "-")
    code, markdown, _ = kbatch("report", "--simulate", *written)
    assert code == 0
    assert "**2 of 3 clips delivered.** 1 not bought." in markdown
    assert verdicts(tmp_path / "out" / "r.xml") == {"hero": "passed", "hero@2": "passed", "card": "skipped"}
    with (tmp_path / "out" / "r.csv").open(newline="", encoding="utf-8") as file:
        assert [line["spent_credits"] for line in csv.DictReader(file)] == ["15", "15", "0"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'<video[^>]* src="([^"]+)"', page)
    assert len(sources) == 2
    assert all((tmp_path / "out" / source).resolve().is_file() for source in sources)
    assert page.count("data:image/jpeg;base64,") == 2
    assert "what is left of the budget are the simulator's; nothing real was bought" in page
    assert "credits and budget are the simulator's; nothing real was bought" in markdown


def test_rows_are_plain_json(kbatch: Run) -> None:
    """`--format json` prints the rows themselves, and needs no file."""
    code, out, _ = kbatch("report", "--format", "json")
    assert code == 0
    assert [(job["address"], job["state"], job["planned"]) for job in json.loads(out)["jobs"]] == [
        ("hero", "not-bought", 15), ("hero@2", "not-bought", 15), ("card", "not-bought", 15),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param((), "say what to write", id="nothing-asked-for"),
        pytest.param(("--csv", "-", "--markdown", "-"), "only one report can go to stdout", id="stdout-twice"),
        pytest.param(("--csv", "-", "--format", "json"), "only one report can go to stdout", id="stdout-and-json"),
        pytest.param(("--html", "kbatch.yaml/x.html"), "kbatch.yaml/x.html", id="a-place-that-cannot-be-written"),
    ],
)
def test_a_wrong_call_is_a_usage_error(kbatch: Run, words: tuple[str, ...], said: str) -> None:
    """Exit 2, and what was wrong."""
    code, _, err = kbatch("report", *words)
    assert code == 2
    assert said in err


@pytest.mark.parametrize("form", ["markdown", "github"])
def test_a_plan_is_a_comment(kbatch: Run, form: str) -> None:
    """The Markdown has the marker, and its command approves the very plan when it is typed."""
    code, out, _ = kbatch("plan", "kbatch.yaml", "--only", "hero", "--simulate", "--format", form)
    assert code == 0
    assert out.startswith("<!-- kbatch:plan kbatch.yaml -->\n")
    (command,) = re.findall(r"^kbatch (run .*)$", out, re.MULTILINE)
    assert command.split()[:5] == ["run", "kbatch.yaml", "--only", "hero", "--simulate"]
    code, _, err = kbatch(*command.split())
    assert code == 0, err


def test_a_plan_is_a_page(kbatch: Run) -> None:
    """`plan --format html` prints one page with every job."""
    code, out, _ = kbatch("plan", "--format", "html")
    assert code == 0
    assert out.startswith("<!doctype html>")
    assert out.count("data-take ") == 3


def test_a_plan_over_its_budget_says_so_in_every_form(kbatch: Run, tmp_path: Path) -> None:
    """The page and the comment carry the objection and do not invite agreement, and the exit code is 3."""
    (tmp_path / "kbatch.yaml").write_text(HEAD + BODY.replace("100", "20"), encoding="utf-8")
    for form in ("markdown", "html"):
        code, out, _ = kbatch("plan", "--format", form)
        assert code == 3
        assert "the plan&#39;s maximum is 45" in out or "the plan's maximum is 45" in out
        assert "--approve" not in out


# JUnit, however a run ends


def test_a_refused_run_leaves_a_red_file(kbatch: Run, tmp_path: Path) -> None:
    """Nothing was agreed to: every purchase is an error that says so."""
    code, _, _ = kbatch("run", "--junit", "run.xml", "--simulate")
    assert code == 3
    assert verdicts(tmp_path / "run.xml") == {"hero": "error", "hero@2": "error", "card": "error"}
    assert "the plan has no consent" in (tmp_path / "run.xml").read_text(encoding="utf-8")


def test_a_broken_manifest_leaves_a_red_file(kbatch: Run, tmp_path: Path) -> None:
    """No job is known, so the one case is the manifest, with every problem."""
    (tmp_path / "kbatch.yaml").write_text(HEAD + "shotz: []\n", encoding="utf-8")
    code, _, _ = kbatch("run", "--junit", "run.xml", "--simulate", "--yes")
    assert code == 2
    assert verdicts(tmp_path / "run.xml") == {"kbatch.yaml": "error"}
    assert "shotz" in (tmp_path / "run.xml").read_text(encoding="utf-8")


def test_a_failed_job_is_red(kbatch: Run, tmp_path: Path) -> None:
    """A job that the provider failed is a failure, the others pass, and the run's exit code is 1."""
    (tmp_path / "faults.yaml").write_text("- {fault: fail, match: card}\n", encoding="utf-8")
    code, _, _ = kbatch("run", "--junit", "run.xml", "--simulate", "--yes", "--faults", "faults.yaml")
    assert code == 1
    assert verdicts(tmp_path / "run.xml") == {"hero": "passed", "hero@2": "passed", "card": "failure"}


def test_a_place_that_cannot_be_written_stops_before_anything_is_sent(kbatch: Run, tmp_path: Path) -> None:
    """An impossible JUnit path is a usage error, and no lockfile comes into being."""
    code, _, err = kbatch("run", "--junit", "kbatch.yaml/x.xml", "--simulate", "--yes")
    assert code == 2
    assert "kbatch.yaml/x.xml" in err
    assert not (tmp_path / "kbatch.sim.lock.json").exists()


# GitHub Actions


def test_a_plan_joins_the_summary(kbatch: Run, actions: Path) -> None:
    """Whatever is printed, the step's summary gets the plan's Markdown."""
    code, out, _ = kbatch("plan", "--format", "json")
    assert code == 0
    assert json.loads(out)["counts"]["render"] == 3
    assert "Plan for `kbatch.yaml`" in actions.read_text(encoding="utf-8")


def test_a_run_joins_the_summary_and_its_failures_are_annotated(kbatch: Run, actions: Path, tmp_path: Path) -> None:
    """The summary has the run's Markdown; a failed job is an error at its shot's line, on stderr."""
    (tmp_path / "faults.yaml").write_text("- {fault: fail, match: card}\n", encoding="utf-8")
    code, _, err = kbatch("run", "--simulate", "--yes", "--faults", "faults.yaml", "--only", "card")
    assert code == 1
    assert "Run of `kbatch.yaml`: finished, not all as asked" in actions.read_text(encoding="utf-8")
    assert re.search(
        r"^::error file=kbatch.yaml,line=8,col=5,endColumn=\d+,title=failed::card: failed: ", err, re.MULTILINE
    )


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_problems_are_annotated(kbatch: Run, actions: Path, tmp_path: Path, command: str) -> None:
    """A mistake in the manifest shows at its line in the pull request, and stdout stays what it is."""
    (tmp_path / "kbatch.yaml").write_text(HEAD + BODY.replace("prompt: a card", "promt: a card"), encoding="utf-8")
    code, out, err = kbatch(command, "kbatch.yaml")
    assert code == 2
    assert re.search(
        r"^::error file=kbatch\.yaml,line=8,col=\d+,endColumn=\d+,title=unknown-field::", err, re.MULTILINE
    )
    assert "::error" not in out


def test_a_refusal_is_annotated(kbatch: Run, actions: Path) -> None:
    """A ceiling that the plan passes is an error annotation with its code."""
    code, _, err = kbatch("plan", "--max-credits", "20")
    assert code == 3
    assert re.search(r"^::error title=over-ceiling::", err, re.MULTILINE)
    assert "**Stop:**" in actions.read_text(encoding="utf-8")
