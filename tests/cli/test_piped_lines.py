"""Output of a run in a pipe: a line per event, with the sums where they are new."""

import re
from pathlib import Path

import pytest

from kbatch.cli.ui.progress import Progress
from kbatch.pipeline.load import load
from kbatch.planner.actions import ActionOptions, RecordedState
from kbatch.planner.decisions import decide
from kbatch.planner.plan import Basis, Plan, build_plan
from kbatch.planner.summary import summarize
from kbatch.runner.progress_events import EventKind, ProgressEvent


def plan_of(folder: Path, jobs: int) -> Plan:
    """Return a plan of so many jobs at four credits each."""
    path = folder / "c.yaml"
    shot = f"{{id: s, prompt: 'a {{{{ n }}}}', matrix: {{n: [{', '.join(map(str, range(jobs)))}]}}}}"
    head = "kbatch: 1\nname: c\nprovider: apiframe\ndefaults: {model: kling-2.5-turbo-pro}\n"
    path.write_text(f"{head}shots: [{shot}]\n", encoding="utf-8")
    loaded = load(path)
    entries = decide(loaded.jobs, RecordedState(), ActionOptions())
    known = frozenset(job.fingerprint for job in loaded.jobs)
    return build_plan(Basis(manifest="c.yaml", settings=loaded.settings, known=known, inputs={}, notes=()), entries, {})


def said_of(plan: Plan, events: list[tuple[float, EventKind, int]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that a pipe gets for these moments of jobs, each at its second, without the time of day."""
    now = [0.0]
    with Progress(plan, summarize(plan, {}), clock=lambda: now[0]) as progress:
        for at_s, moment, number in events:
            now[0] = at_s
            credits = 4 if moment in (EventKind.SUBMITTING, EventKind.ACCEPTED) else None
            progress.tell(ProgressEvent(moment=moment, address=f"s[n={number}]", credits=credits, provider="apiframe"))
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line).rstrip() for line in capsys.readouterr().err.splitlines()]


def test_the_sums_stand_at_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of three jobs each end has them, and what only begins has not."""
    moments = (EventKind.SUBMITTING, EventKind.ACCEPTED)
    events = [(0.0, moment, number) for number in range(3) for moment in moments]
    events += [(5.0, EventKind.DONE, 0), (6.0, EventKind.FAILED, 1), (7.0, EventKind.DONE, 2)]
    assert said_of(plan_of(tmp_path, 3), events, capsys) == [
        "accepted        s[n=0] 4 credits",
        "accepted        s[n=1] 4 credits",
        "accepted        s[n=2] 4 credits",
        "done            s[n=0]  [1 done, 2 left, committed apiframe 12, remaining apiframe 0]",
        "failed          s[n=1]  [1 done, 1 failed, 1 left, committed apiframe 12, remaining apiframe 0]",
        "done            s[n=2]  [2 done, 1 failed, 0 left, committed apiframe 12, remaining apiframe 0]",
    ]


def test_of_many_jobs_the_sums_stand_twenty_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 210 ends every tenth has them, and the last one."""
    events = [(1.0, EventKind.DONE, number) for number in range(210)]
    lines = said_of(plan_of(tmp_path, 210), events, capsys)
    assert len(lines) == 210
    assert [number for number, line in enumerate(lines, 1) if "left, committed" in line] == [*range(10, 211, 10)]


def test_where_few_end_the_sums_come_by_the_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After half a minute without them the next line has them, and then none for another half minute."""
    events = [(at_s, EventKind.ACCEPTED, number) for number, at_s in enumerate((1.0, 29.0, 31.0, 60.0, 61.0, 62.0))]
    lines = said_of(plan_of(tmp_path, 6), events, capsys)
    assert ["left, committed" in line for line in lines] == [False, False, True, False, True, False]
