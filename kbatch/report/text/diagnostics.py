"""Problems as text, JSON: `FILE:LINE:COL: error[code]: MESSAGE` with the source line, a caret and a hint."""

import unicodedata
from collections.abc import Iterable
from typing import Any

from kbatch.errors import Problem
from kbatch.report.data.format import harmless

_WIDEST = 120


def as_text(problem: Problem) -> str:
    """Return one problem as a person reads it.

    >>> print(as_text(Problem(code="no-such-job", message="nothing", hint="look")))
    error[no-such-job]: nothing
       hint: look
    """
    head = f"{problem.severity.value}[{problem.code}]: {harmless(problem.message)}"
    lines = [head]
    mark = problem.mark
    if mark is not None:
        lines = [f"{harmless(mark.file)}:{mark.line}:{mark.column}: {head}"]
        if mark.source.strip():
            lines += _excerpt(mark.source, mark.line, mark.column, mark.width)
    jobs = problem.jobs
    if jobs is not None and jobs.of > 1:
        lines.append(f"   in {jobs.hit:,} of {jobs.of:,} jobs, first `{harmless(jobs.first)}`")
    if problem.hint:
        lines.append(f"   hint: {harmless(problem.hint)}")
    return "\n".join(lines)


def _excerpt(source: str, line: int, column: int, width: int) -> list[str]:
    """Return the source line with a caret line; a long line is cut around the mark."""
    start = max(0, column - 1 - _WIDEST // 2) if len(source) > _WIDEST else 0
    cut = source[start : start + _WIDEST]
    before = cut[: column - 1 - start]
    marked = cut[column - 1 - start : column - 1 - start + width]
    lead = "…" if start else ""
    gutter = f"{line:4} | "
    pad = " " * (len(gutter) - 2) + "| "
    return [
        f"{gutter}{lead}{harmless(cut)}{'…' if len(source) > start + _WIDEST else ''}",
        f"{pad}{' ' * (_columns(lead) + _columns(before))}{'^' * max(1, _columns(marked))}",
    ]


def _columns(text: str) -> int:
    """Return how many terminal columns a text takes: wide letters take two, marks none."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    marks = sum(unicodedata.combining(char) != 0 for char in text)
    return len(text) + wide - marks


def as_json(problems: Iterable[Problem]) -> dict[str, Any]:
    """Return problems in the form of `check --format json`."""
    return {"problems": [_json(problem) for problem in problems]}


def _json(problem: Problem) -> dict[str, Any]:
    mark, jobs = problem.mark, problem.jobs
    return {
        "code": problem.code,
        "severity": problem.severity.value,
        "message": problem.message,
        "file": mark.file if mark else None,
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
        "hint": problem.hint,
        "jobs": None if jobs is None else {"hit": jobs.hit, "of": jobs.of, "first": jobs.first},
    }
