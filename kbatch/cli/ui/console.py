"""Console output and questions: data goes to stdout, messages go to stderr.

Nothing here is read as markup, and text from elsewhere is made harmless first.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import click

from kbatch.cli.ui import github_actions
from kbatch.errors import Problem
from kbatch.planner.plan import Plan
from kbatch.planner.summary import Summary
from kbatch.report.data.format import amount, count, harmless, harmless_json
from kbatch.report.machine import json_stream
from kbatch.report.text import diagnostics, plan_text
from kbatch.report.text.wrapping import Line, wrap

_STYLES: Mapping[str, Mapping[str, Any]] = {
    "render": {"fg": "green", "bold": True},
    "reuse": {"dim": True},
    "poll": {"fg": "cyan"},
    "download": {"fg": "cyan"},
    "unknown": {"fg": "magenta", "bold": True},
    "blocked": {"fg": "yellow"},
    "title": {"bold": True},
    "money": {"bold": True},
    "warning": {"fg": "yellow"},
    "error": {"fg": "red", "bold": True},
    "good": {"fg": "green"},
    "dim": {"dim": True},
}
_PIPE_WIDTH = 100


def is_terminal() -> bool:
    """Whether the user can be asked: stdin and stderr both are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def width_of(*, stderr: bool) -> int:
    """Return how many columns a stream shows: the terminal's, elsewhere `COLUMNS`, else 100."""
    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return shutil.get_terminal_size().columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() and int(columns) else _PIPE_WIDTH


def is_plain(*, stderr: bool) -> bool:
    """Whether a stream gets no colours: no terminal, a terminal without colours, or `NO_COLOR`."""
    stream = sys.stderr if stderr else sys.stdout
    return not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def write_line(text: str, *, stderr: bool) -> None:
    """Print a line; when the reader has closed the stream, the line is lost and the command continues."""
    with suppress(BrokenPipeError):
        click.echo(text, err=stderr)


def say(text: str) -> None:
    """Print one message on stderr, wrapped between words to the terminal's width."""
    if not sys.stderr.isatty():
        write_line(harmless(text), stderr=True)
        return
    for row in wrap([(harmless(text), "")], width_of(stderr=True)):
        write_line("".join(words for words, _ in row), stderr=True)


def show_problems(problems: Iterable[Problem]) -> None:
    """Print problems on stderr, and under GitHub Actions as annotations; of many alike only the first few."""
    problems = tuple(problems)
    for problem in _first_of_each(problems):
        write_line(diagnostics.as_text(problem), stderr=True)
    for code, number in _left_out(problems).items():
        say(f"… and {number:,} more of {code}; `kbatch check` shows all")
    for line in github_actions.annotations(problems):
        write_line(line, stderr=True)


def _first_of_each(problems: Iterable[Problem]) -> Iterable[Problem]:
    seen: dict[str, int] = {}
    for problem in problems:
        seen[problem.code] = seen.get(problem.code, 0) + 1
        if problem.fatal or seen[problem.code] <= _MOST_ALIKE:
            yield problem


def _left_out(problems: Iterable[Problem]) -> dict[str, int]:
    seen: dict[str, int] = {}
    for problem in problems:
        if not problem.fatal:
            seen[problem.code] = seen.get(problem.code, 0) + 1
    return {code: number - _MOST_ALIKE for code, number in seen.items() if number > _MOST_ALIKE}


_MOST_ALIKE = 10


def show_json(document: Mapping[str, Any]) -> None:
    """Print a result as JSON, indented by two, its keys in their order; an iterator in it is written as it comes."""
    with suppress(BrokenPipeError):
        for piece in json_stream.pieces(document):
            click.echo(harmless_json(piece), nl=False)


def show_plan(plan: Plan, summary: Summary, *, stderr: bool, every: bool = False, command: str = "") -> None:
    """Print the plan for a person: its jobs with their reasons, then what it costs and how long it takes.

    `every` shows all jobs, `command` is what agrees to exactly this plan.
    """
    show_lines(lambda width: plan_text.lines(plan, summary, width=width, every=every, command=command), stderr=stderr)


def show_lines(lines: Callable[[int], Iterable[Line]], *, stderr: bool) -> None:
    """Print lines that are made for a width, each of them of pieces with a style."""
    plain, width, narrow = is_plain(stderr=stderr), width_of(stderr=stderr), is_narrow(stderr=stderr)
    for line in lines(width):
        for row in wrap(line, width) if narrow else (line,):
            write_line(styled(row, plain=plain), stderr=stderr)


def is_narrow(*, stderr: bool) -> bool:
    """Whether a stream has columns to keep to: a terminal's, or those that `COLUMNS` says; a log has none."""
    stream = sys.stderr if stderr else sys.stdout
    return stream.isatty() or bool(os.environ.get("COLUMNS"))


def styled(line: Line, *, plain: bool) -> str:
    return "".join(_piece(words, style, plain=plain) for words, style in line)


def _piece(words: str, style: str, *, plain: bool) -> str:
    words = harmless(words)
    return words if plain or style not in _STYLES else click.style(words, **_STYLES[style])


def ask(question: str) -> bool:
    """Ask on the terminal; only `y` and `yes` agree, the empty answer is No."""
    with suppress(BrokenPipeError):
        click.echo(_piece(f"{question} [y/N] ", "title", plain=is_plain(stderr=True)), nl=False, err=True)
    answer = sys.stdin.readline()
    return answer.strip().lower() in ("y", "yes")


def ask_text(question: str, default: str | None = None) -> str:
    """Ask for a line on the terminal; the empty answer is the default, and the end of the input is an interruption."""
    shown = f"{question} [{default}]: " if default else f"{question}: "
    with suppress(BrokenPipeError):
        click.echo(_piece(shown, "title", plain=is_plain(stderr=True)), nl=False, err=True)
    answer = sys.stdin.readline()
    if not answer:
        raise click.Abort
    return answer.strip() or default or ""


def show_counts(words: Mapping[str, int], said: str) -> None:
    """Print counts on one line of talk, zeros left out."""
    shown = (
        ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in words.items() if number) or "nothing to do"
    )
    say(f"{said}: {shown}")


__all__ = [
    "amount",
    "ask",
    "ask_text",
    "count",
    "is_terminal",
    "say",
    "show_counts",
    "show_json",
    "show_lines",
    "show_plan",
    "show_problems",
    "width_of",
]
