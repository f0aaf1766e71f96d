"""Collects problems of a manifest: one per path and code, with the number of jobs that it concerns."""

from msgspec import Struct, field
from msgspec.structs import replace

from kbatch.errors import Hit, Mark, Problem, Severity
from kbatch.manifest.drafts import Path
from kbatch.manifest.yaml.document import Document


class _Found(Struct):
    """The first occurrence of a problem, and how many jobs have it."""

    problem: Problem
    first: str | None
    of: int
    hit: int
    last: str | None


class Findings(Struct):
    """Problems in order of first occurrence; `document` gives their marks."""

    document: Document
    _found: dict[tuple[str, Path, str, str], _Found] = field(default_factory=dict)

    @property
    def fatal(self) -> bool:
        """Whether an error, not only warnings, was found."""
        return any(found.problem.fatal for found in self._found.values())

    def say(  # noqa: PLR0913 - the parts of a problem, all by name
        self,
        code: str,
        where: Path,
        message: str,
        *,
        hint: str | None = None,
        word: str | None = None,
        on_key: bool = False,
        severity: Severity = Severity.ERROR,
        mark: Mark | None = None,
        jobs: tuple[str, int] | None = None,
    ) -> None:
        """Add a problem at `where`; `word` narrows the place, `jobs` is (address, jobs of its shot, 0 when unknown)."""
        about = "" if jobs is not None and mark is None else message
        key = (code, where, word or "", about)
        known = self._found.get(key)
        address, of = jobs if jobs is not None else (None, 0)
        if known is not None:
            known.hit += address != known.last
            known.last = address
            return
        if mark is None:
            mark = self.document.mark_word(where, word) if word else self.document.mark(where, key=on_key)
        problem = Problem(code=code, message=message, mark=mark, hint=hint, severity=severity)
        self._found[key] = _Found(problem, address, of, 1, address)

    def relay(self, problem: Problem, where: Path) -> None:
        """Add a problem of a file that is named at `where`, which is its place when it has none in the file."""
        mark, severity = problem.mark, problem.severity
        at = (*where, str(mark)) if mark else where
        self.say(problem.code, at, problem.message, hint=problem.hint, severity=severity, mark=mark)

    def problems(self) -> tuple[Problem, ...]:
        """Return all problems by their place in the file, each with the jobs it hits."""
        made = [_with_jobs(found) for found in self._found.values()]
        return tuple(sorted(made, key=place_of))


def _with_jobs(found: _Found) -> Problem:
    if found.first is None or not found.of:
        return found.problem
    return replace(found.problem, jobs=Hit(hit=found.hit, of=found.of, first=found.first))


def place_of(problem: Problem) -> tuple[str, int, int]:
    """Return what problems are sorted by: file, line, column; those without a place come first."""
    mark = problem.mark
    return (mark.file, mark.line, mark.column) if mark else ("", 0, 0)
