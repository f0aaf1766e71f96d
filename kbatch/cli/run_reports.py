"""Reports of a run: its JUnit file, and under GitHub Actions its summary and annotations.

They are written however the run ends. The JUnit file is first written before anything is sent, with every purchase as
not started: a killed run leaves a failing report, and an unwritable path stops the run before it spends.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from kbatch.cli.documents import check_outputs, is_whole, write_output
from kbatch.cli.protected_paths import ProtectedPaths
from kbatch.cli.ui import console, github_actions
from kbatch.cli.ui.streams import unheard
from kbatch.errors import Bug, ExitCode, Invalid, KbatchError, Mark, Problem
from kbatch.pipeline.load import LoadedManifest
from kbatch.pipeline.load_state import load_state
from kbatch.planner.plan import Plan
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.report.data.accounts import Report, jobs_of, make_report, not_run, of_run
from kbatch.report.data.rows import RowState, paths_of
from kbatch.report.machine import junit
from kbatch.report.markdown import run_markdown
from kbatch.report.text import diagnostics
from kbatch.runner.outcome import Outcome
from kbatch.storage import read_if_there, size_of

_CUT_OFF = "the run did not come to its end; the same command resumes"
_WRONG = frozenset((RowState.FAILED, RowState.DELIVERED_WRONG, RowState.UNKNOWN, RowState.RENDERED, RowState.BLOCKED))


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlannedRun:
    """A plan that is run, with its manifest and lockfile."""

    loaded: LoadedManifest
    plan: Plan
    lockfile_path: Path
    before: Lockfile


@dataclass(slots=True)
class RunReports:
    """Watches one run: tell it the plan and the outcome, and it writes at the end; `failed` when it could not."""

    manifest: Path
    junit: str | None
    failed: bool = False
    _scene: _PlannedRun | None = field(default=None, init=False)
    _outcome: Outcome | None = field(default=None, init=False)

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with at least: 1 when its report could not be written."""
        return ExitCode.NOT_AS_ASKED if self.failed else ExitCode.OK

    def planned(self, loaded: LoadedManifest, plan: Plan, lockfile_path: Path, before: Lockfile) -> None:
        """Take note of the plan, before anything is sent; a usage error when the JUnit file cannot be written."""
        self._scene = _PlannedRun(loaded=loaded, plan=plan, lockfile_path=lockfile_path, before=before)
        if self.junit and is_whole(self.junit):
            write_output(self.junit, junit.render(not_run(_report(self._scene, before), _CUT_OFF)))

    def ended(self, outcome: Outcome) -> None:
        """Take note of what the run came to."""
        self._outcome = outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.junit or github_actions.active():
            report = self._report(error)
            self._write(report)
            marks = self._marks()
            failed = github_actions.add_summary(lambda limit: run_markdown.as_markdown(report, limit))
            with unheard():
                for line in github_actions.annotations(_problems(report, marks)):
                    click.echo(line, err=True)
                if failed:
                    console.say(failed)

    def check_junit(self, taken: ProtectedPaths) -> None:
        """Refuse a JUnit file that would destroy something; none is written where it is refused."""
        try:
            check_outputs({"--junit": self.junit}, taken)
        except Invalid:
            self.junit = None
            raise

    def _marks(self) -> dict[str, Mark]:
        """Return where each job's shot begins, by address."""
        if self._scene is None:
            return {}
        document = self._scene.loaded.document
        jobs = [entry.job for entry in self._scene.plan.entries]
        shots = {job.draft.shot: job.draft.origins["shot"].path for job in jobs}
        begins = {shot: document.mark(path) for shot, path in shots.items()}
        return {job.address: begins[job.draft.shot] for job in jobs}

    def _report(self, error: BaseException | None) -> Report:
        why = _words(error)
        if self._scene is None:
            name, now = self.manifest.as_posix(), _now()
            return Report(title=self.manifest.stem, name=name, profile=None, made_at=now, rows=(), stopped=why)
        try:
            lockfile = load_state(self._scene.loaded, self._scene.lockfile_path).lockfile
        except KbatchError:
            lockfile = self._scene.before
        report = _report(self._scene, lockfile)
        return of_run(report, self._outcome) if self._outcome else not_run(report, why)

    def _write(self, report: Report) -> None:
        if self.junit and (self._scene is not None or _is_ours(self.junit)):
            try:
                write_output(self.junit, junit.render(report))
            except click.FileError as error:
                self.failed = True
                with unheard():
                    console.say(error.format_message())


def _is_ours(target: str) -> bool:
    """Whether a report may be written when the inputs are unknown: the target is absent or an earlier report."""
    if not is_whole(target):
        return True
    try:
        found = read_if_there(Path(target))
    except KbatchError:
        return False
    return not found or found.startswith(b"<?xml")


def _report(planned_run: _PlannedRun, lockfile: Lockfile) -> Report:
    paths = paths_of(planned_run.plan.entries, lockfile.renders)
    here = frozenset(path for path in paths if size_of(planned_run.loaded.folder / path) is not None)
    return make_report(planned_run.plan, lockfile, here, name=planned_run.loaded.path.as_posix(), made_at=_now())


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _words(error: BaseException | None) -> str:
    """Say in words what ended a run before its outcome was known."""
    match error:
        case Invalid():
            return "\n".join(diagnostics.as_text(problem) for problem in error.problems)
        case Bug():
            return f"a bug of kbatch: {error.message}"
        case KbatchError():
            return f"{error.message}{f'; {error.hint}' if error.hint else ''}"
        case click.ClickException():
            return error.format_message()
        case KeyboardInterrupt() | click.Abort():
            return "interrupted"
        case None:
            return _CUT_OFF
        case _:
            return f"a bug of kbatch: {type(error).__name__}: {error}"


def _problems(report: Report, marks: Mapping[str, Mark]) -> Iterator[Problem]:
    """Yield what a run's annotations say: jobs that are not as asked, then what stopped it."""
    words: Mapping[RowState, str] = run_markdown.STATE_WORDS
    if report.outcome is None:
        return
    for row in jobs_of(report):
        if row.state in _WRONG:
            said = row.error or row.reason
            yield Problem(
                code=row.state.value,
                message=f"{row.address}: {words[row.state]}: {said}",
                mark=marks.get(row.address),
            )
    for said in (*report.outcome.stopped, *report.outcome.surprises, *report.outcome.problems):
        yield Problem(code="run", message=said)
