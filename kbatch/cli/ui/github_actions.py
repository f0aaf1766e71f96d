"""Output for GitHub Actions: problems as annotations, plans and runs in the step's summary.

It does so only when `GITHUB_ACTIONS` is `true`. Annotations are workflow commands, which the runner reads from stderr
as well as from stdout, so that a command's result on stdout stays what it is. The summary is a file, at most 1 MiB a
step.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from kbatch.errors import Mark, Problem
from kbatch.report.machine import github_annotations
from kbatch.report.markdown.markdown import SUMMARY_LIMIT
from kbatch.storage import Appender, size_of

_LEAST = 2048
"""Bytes below which a summary says nothing worth having."""


def active(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a step of a GitHub Actions workflow."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotations(problems: Iterable[Problem], environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield the lines by which problems show in a pull request, none outside GitHub Actions."""
    if active(environment):
        yield from github_annotations.lines(from_root(problems, environment=environment))


def from_root(
    problems: Iterable[Problem], manifest: Path | None = None, environment: Mapping[str, str] = os.environ
) -> list[Problem]:
    """Name files from the workspace's root, where GitHub looks for them, else from the working folder.

    A problem without a place gets the manifest's first line, if there is a manifest.
    """
    here = Path.cwd()
    workspace = Path(environment.get("GITHUB_WORKSPACE") or here)
    root = workspace if here.is_relative_to(workspace) else here
    named = []
    for problem in problems:
        mark = problem.mark or (Mark(file=str(manifest), line=1, column=1) if manifest else None)
        if mark is not None:
            absolute = Path(os.path.abspath(mark.file))  # noqa: PTH100 - links stay as they were written
            file = absolute.relative_to(root) if absolute.is_relative_to(root) else absolute
            mark = replace(mark, file=str(file))
        named.append(replace(problem, mark=mark))
    return named


def add_summary(render: Callable[[int], str], environment: Mapping[str, str] = os.environ) -> str | None:
    """Append Markdown to the step's summary and return an error message, if any; `render` gets the bytes left."""
    name = environment.get("GITHUB_STEP_SUMMARY")
    if not active(environment) or not name:
        return None
    path = Path(name)
    try:
        room = SUMMARY_LIMIT - (size_of(path) or 0) - 2
        if room < _LEAST:
            return f"the step's summary is full: {name}"
        file = Appender(path)
        try:
            file.append(b"\n" + render(room).encode("utf-8", errors="replace") + b"\n")
        finally:
            file.close()
    except OSError as error:
        return f"the step's summary cannot be written: {error.strerror}: {name}"
    return None
