"""The benchmarks themselves: what they measure is counted right and told in full; nothing here is timed."""

import json

import pytest

from tests.benchmarks import polling, schedule
from tests.benchmarks.__main__ import NAMES
from tests.benchmarks.measure import PYTHON, Row, Sample, as_json, median, run, table

ONE = Sample(wall_s=2.0, cpu_s=1.0, peak_mb=10.0, found=3)


def test_a_command_is_measured_and_its_output_counted() -> None:
    """Wall time, CPU and memory are those of the command, and what it printed is counted by the line."""
    sample = run((PYTHON, "-c", "print('a job'); print('a job, a job')"), count=b"a job")
    assert sample.found == 3
    assert sample.cpu_s > 0
    assert sample.peak_mb > 1


def test_a_command_that_fails_is_no_measurement() -> None:
    """Its last words are in the error."""
    with pytest.raises(RuntimeError, match="exit 3"):
        run((PYTHON, "-c", "raise SystemExit(3)"))


def test_an_aim_is_met_or_missed_and_both_are_told() -> None:
    """A table and JSON say of each row what was measured, what it is held against and how that went."""
    rows = [
        Row(figure="f", work="w", kbatch=ONE, floor=median([ONE, ONE]), ratio=1.0, aim=2),
        Row(figure="g", work="w", kbatch=ONE, ratio=3.0, aim=2),
        Row(figure="h", work="w", kbatch=ONE),
    ]
    assert [row.met for row in rows] == [True, False, None]
    shown = table(rows)
    assert shown.count("met") == 1
    assert shown.count("**missed**") == 1
    assert [row["met"] for row in json.loads(as_json(rows))] == [True, False, None]


def test_polls_and_order_hold_their_aims() -> None:
    """Counted in virtual time, these figures are the same everywhere: none of them is missed."""
    measured = [*polling.rows(), *schedule.rows()]
    assert [row.work for row in measured if row.met is False] == []
    assert all(row.ratio is not None and row.ratio < 1.1 for row in measured if row.figure == "order of work")


def test_every_script_is_run_by_the_command() -> None:
    """Each script that measures has a name that `python -m tests.benchmarks` knows."""
    from pathlib import Path

    scripts = {
        path.stem for path in Path(__file__).parent.glob("*.py") if "def rows(" in path.read_text(encoding="utf-8")
    }
    assert scripts - {"test_figures"} == set(NAMES)
