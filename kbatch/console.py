"""Prints and asks, alone: data to stdout, talk to stderr, live progress on a terminal, plain lines elsewhere.

Nothing here is read as markup, and text from elsewhere is made harmless first.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as BarProgress
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kbatch import github
from kbatch.plan.plan import Plan
from kbatch.plan.summary import Summary
from kbatch.problems import Problem
from kbatch.report import diagnostics, plan_text
from kbatch.report.plan_text import Line
from kbatch.report.words import amount, count, harmless, one_line, span
from kbatch.run.happenings import Happening, Moment

_STYLES = {
    "render": "bold green",
    "reuse": "dim",
    "poll": "cyan",
    "download": "cyan",
    "unknown": "bold magenta",
    "blocked": "yellow",
    "title": "bold",
    "money": "bold",
    "warning": "yellow",
    "error": "bold red",
    "dim": "dim",
}
_MOMENT_STYLES = {
    Moment.DONE: "green",
    Moment.FAILED: "bold red",
    Moment.REFUSED: "bold red",
    Moment.UNKNOWN: "bold magenta",
    Moment.BLOCKED: "yellow",
    Moment.OWED: "yellow",
    Moment.SKIPPED: "yellow",
    Moment.DELIVERED_WRONG: "bold red",
}
_QUIET = frozenset((Moment.RENDERING, Moment.SUBMITTING, Moment.DOWNLOADING))
_QUIET_LIVE = _QUIET | {Moment.ACCEPTED, Moment.RENDERED}


def is_terminal() -> bool:
    """Whether someone can be asked: stdin and stderr both are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class _Console(Console):
    """A console whose reader may leave: what is said then is lost, and what is done goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def make_console(*, stderr: bool) -> Console:
    """Return a rich console that treats text as text; `NO_COLOR` and pipes give plain output."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS") or 100)
    return _Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def say(text: str) -> None:
    """Print one line of talk."""
    make_console(stderr=True).print(Text(harmless(text)), soft_wrap=True)


def show_problems(problems: Iterable[Problem]) -> None:
    """Print problems as talk, and under GitHub Actions as annotations."""
    problems = tuple(problems)
    console = make_console(stderr=True)
    for problem in problems:
        console.print(Text(diagnostics.as_text(problem)), soft_wrap=True)
    for line in github.annotations(problems):
        console.print(Text(line), soft_wrap=True)


def show_plan(plan: Plan, summary: Summary, *, stderr: bool) -> None:
    """Print the plan for a person: every job with its reason, then what it costs and how long it takes."""
    console = make_console(stderr=stderr)
    for line in plan_text.lines(plan, summary, width=console.width):
        console.print(_styled(line), soft_wrap=True)


def show_lines(lines: Callable[[int], Iterable[Line]], *, stderr: bool) -> None:
    """Print lines that are made for a width, each of them of pieces with a style."""
    console = make_console(stderr=stderr)
    for line in lines(console.width):
        console.print(_styled(line), soft_wrap=True)


def _styled(line: Line) -> Text:
    text = Text()
    for words, style in line:
        text.append(harmless(words), style=_STYLES.get(style, ""))
    return text


def ask(question: str) -> bool:
    """Ask on the terminal; only `y` and `yes` agree, the empty answer is No."""
    console = make_console(stderr=True)
    console.print(Text(f"{question} [y/N] ", style="bold"), end="")
    answer = sys.stdin.readline()
    return answer.strip().lower() in ("y", "yes")


class Progress:
    """Shows a run as it goes on; give its `tell` to the runner. Live on a terminal, one line per event elsewhere."""

    def __init__(self, plan: Plan, summary: Summary) -> None:
        self._console = make_console(stderr=True)
        self._plan = plan
        self._summary = summary
        self._total = sum(entry.action.value != "reuse" for entry in plan.entries)
        self._began = datetime.now()
        self._state: dict[str, Happening] = {}
        self._committed: dict[str, int] = {}
        self._counts = {"done": 0, "failed": 0, "other": 0}
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # A terminal that is gone by now takes nothing any more, and how the run ended is not its matter.
        with suppress(OSError, ValueError):
            if self._live:
                self._live.update(Text(""), refresh=True)
                self._live.__exit__(kind, error, at)

    def tell(self, happening: Happening) -> None:
        """Take note of what happened and show it."""
        self._count(happening)
        if happening.moment not in (_QUIET_LIVE if self._live else _QUIET):
            self._console.print(self._line(happening), soft_wrap=True)
        if self._live:
            self._live.update(self._picture(), refresh=True)

    def _count(self, happening: Happening) -> None:
        address, moment = happening.address, happening.moment
        if moment is Moment.ACCEPTED and happening.provider and happening.credits:
            known = self._committed.get(happening.provider, 0)
            self._committed[happening.provider] = known + happening.credits
        if address is None:
            return
        if moment is Moment.DONE:
            self._counts["done"] += 1
        elif moment in (Moment.FAILED, Moment.REFUSED):
            self._counts["failed"] += 1
        elif moment in _MOMENT_STYLES and moment is not Moment.UNKNOWN:
            self._counts["other"] += 1
        if moment in _MOMENT_STYLES:
            self._state.pop(address, None)
        else:
            self._state[address] = happening

    def _line(self, happening: Happening) -> Text:
        text = Text(f"{datetime.now():%H:%M:%S} ", style="dim")
        text.append(f"{happening.moment.value:<15} ", style=_MOMENT_STYLES.get(happening.moment, ""))
        if happening.address:
            text.append(harmless(happening.address) + " ")
        if happening.credits is not None:
            text.append(f"{happening.credits:,} credits ", style="bold")
        text.append(one_line(happening.text, 300))
        if self._live is None and happening.moment is not Moment.NOTE:
            text.append(f" [{self._tally()}]", style="dim")
        return text

    def _tally(self) -> str:
        counts = self._counts
        left = max(0, self._total - sum(counts.values()))
        committed = ", ".join(f"{name} {credits:,}" for name, credits in self._committed.items()) or "0"
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        return f"{counts['done']} done{failed}, {left} left, committed {committed}, remaining {self._remaining()}"

    def _remaining(self) -> str:
        parts = []
        for name, total in self._plan.totals.items():
            if total.known:
                parts.append(f"{name} {max(0, total.known - self._committed.get(name, 0)):,}")
        return ", ".join(parts) or "0"

    def _picture(self) -> Group:
        grid = Table.grid(padding=(0, 1))
        running = [happening for happening in self._state.values() if happening.address]
        for happening in running[:8]:
            progress = f"{happening.progress} %" if happening.progress is not None else ""
            grid.add_row(
                Text(f"  {happening.moment.value:<12}", style="cyan"), Text(harmless(happening.address or "")), progress
            )
        if len(running) > 8:
            grid.add_row(Text("  …", style="dim"), Text(f"and {len(running) - 8:,} more", style="dim"), "")
        ended = sum(self._counts.values())
        bar = ProgressBar(total=max(1, self._total), completed=ended, width=24)
        foot = Table.grid(padding=(0, 1))
        foot.add_row(Text(" "), bar, Text(f"{ended:,} of {self._total:,}, {self._end(ended)}"))
        return Group(grid, foot, Text(f"  {self._tally()}", style="dim"))

    def _end(self, ended: int) -> str:
        """Return when the run is expected to end: from its own pace once a job has ended, before that from the plan."""
        if not ended:
            return f"expected {span(*self._summary.seconds)}"
        elapsed = (datetime.now() - self._began).total_seconds()
        left = int(elapsed / ended * (self._total - ended))
        return f"about {span(left, left)} left"


class Steps:
    """Shows work of known length: a bar on a terminal; elsewhere a line every ten steps and at the end."""

    def __init__(self, total: int, title: str) -> None:
        self._console = make_console(stderr=True)
        self._total = total
        self._title = harmless(title)
        self._done = 0
        title_column = TextColumn("{task.description}", markup=False)
        columns = (title_column, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = BarProgress(*columns, console=self._console, transient=True) if self._console.is_terminal else None
        self._task = self._bar.add_task(self._title, total=total) if self._bar else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def done(self, name: str) -> None:
        """Count a step."""
        self._done += 1
        if self._bar and self._task is not None:
            self._bar.update(self._task, advance=1, description=f"{self._title} {one_line(name, 60)}")
        elif self._done % 10 == 0 or self._done == self._total:
            say(f"{self._title}: {self._done:,} of {self._total:,}")


def show_counts(words: Mapping[str, int], said: str) -> None:
    """Print counts on one line of talk, zeros left out."""
    shown = (
        ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in words.items() if number) or "nothing to do"
    )
    say(f"{said}: {shown}")


__all__ = [
    "Progress",
    "Steps",
    "amount",
    "ask",
    "count",
    "is_terminal",
    "make_console",
    "say",
    "show_counts",
    "show_lines",
    "show_plan",
    "show_problems",
]
