"""Problems as GitHub Actions annotations: workflow commands on stdout that show at their lines in a pull request.

A step shows at most 10 errors and 10 warnings; what is over is counted in a notice, which has a limit of its own. Texts
are escaped as `@actions/core` does it, so that nothing a manifest holds can begin a command of its own.
"""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from kbatch.errors import Problem, Severity
from kbatch.report.data.format import count, printable

MOST_SHOWN = 10
"""Annotations of one kind that GitHub shows for a step (docs.github.com, limits of annotations)."""


def lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield one command a problem, errors first; marks name their files from the repository's root.

    >>> print(*lines([Problem(code="no-such-job", message="100 % wrong", hint="look")]))
    ::error title=no-such-job::100 %25 wrong%0Ahint: look
    """
    found = list(problems)
    hidden = []
    for severity in (Severity.ERROR, Severity.WARNING):
        these = [problem for problem in found if problem.severity is severity]
        yield from (_command(problem) for problem in these[:MOST_SHOWN])
        if len(these) > MOST_SHOWN:
            hidden.append(count(len(these) - MOST_SHOWN, f"more {severity.value}"))
    if hidden:
        words = f"{' and '.join(hidden)}: GitHub shows {MOST_SHOWN} of each, `kbatch check` prints all"
        yield f"::notice title=kbatch::{_data(words)}"


def _command(problem: Problem) -> str:
    mark = problem.mark
    properties = {"title": problem.code}
    if mark is not None:
        place = {"file": PurePath(mark.file).as_posix(), "line": str(mark.line), "col": str(mark.column)}
        properties = {**place, "endColumn": str(mark.column + mark.width), **properties}
    said = [problem.message]
    if problem.jobs is not None and problem.jobs.of > 1:
        said.append(f"in {problem.jobs.hit:,} of {problem.jobs.of:,} jobs, first {problem.jobs.first}")
    if problem.hint:
        said.append(f"hint: {problem.hint}")
    head = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{problem.severity.value} {head}::{_data(chr(10).join(said))}"


def _data(text: str) -> str:
    """Escape a command's message: `%`, CR and LF."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    """Escape a command's property: as a message, and `:` and `,` too."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
