"""Selects the jobs of a command by GLOBs over addresses, by labels and by failure.

A GLOB has only `*` and `?`, since brackets are part of addresses; a bare shot id selects all jobs of the shot.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from kbatch.errors import Problem, did_you_mean
from kbatch.planner.jobs import Job


class Selection(Struct, frozen=True, kw_only=True):
    """The selection flags; repeated flags add up, and `exclude` is applied after `only`.

    `cascade` also replaces the jobs that need frames of replaced jobs, directly or through others.
    """

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    failed: bool = False
    first: int | None = None
    replace: tuple[str, ...] = ()
    cascade: bool = False


def matches(glob: str, job: Job) -> bool:
    """Whether a GLOB selects this job.

    >>> _pattern("hero[*]").match("hero[city=oslo]") is not None
    True
    """
    return glob == job.draft.shot or _pattern(glob).match(job.address) is not None


def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in glob) + r"\Z", re.DOTALL)


def addresses(globs: Iterable[str], jobs: Sequence[Job], flag: str) -> tuple[frozenset[str], tuple[Problem, ...]]:
    """Return the addresses that the globs select, and a problem for each that selects none."""
    globs = tuple(globs)
    if not globs:
        return frozenset(), ()
    found: set[str] = set()
    problems: list[Problem] = []
    known = list(dict.fromkeys(job.draft.shot for job in jobs))
    for glob in globs:
        pattern = _pattern(glob)
        hits = [job.address for job in jobs if glob == job.draft.shot or pattern.match(job.address)]
        if not hits:
            near = _by_axes(glob, jobs, flag) or did_you_mean(glob, known)
            near = near or did_you_mean(glob, [job.address for job in jobs[:2000]])
            problems.append(Problem(code="no-such-job", message=f"`{flag} {glob}` matches no job", hint=near))
        found.update(hits)
    return frozenset(found), tuple(problems)


def _by_axes(glob: str, jobs: Sequence[Job], flag: str) -> str | None:
    """Return a hint for `shot[axis=value]` that names only some of the jobs' axes: flags that select these jobs.

    Labels are exact but work only with `--only`; a GLOB is proposed where it selects exactly these jobs.
    """
    shot, bracket, rest = glob.partition("[")
    pairs = [pair.partition("=") for pair in rest.partition("]")[0].split(",")]
    if not bracket or "*" in glob or "?" in glob or not all(equals for _, equals, _ in pairs):
        return None
    wanted = {axis.strip(): value.strip() for axis, _, value in pairs}
    meant = [job for job in jobs if job.draft.shot == shot and wanted.items() <= dict(job.draft.axes).items()]
    if not meant:
        return None
    order = [axis for axis, _ in meant[0].draft.axes if axis in wanted]
    wide = f"{shot}[*{'*'.join(f'{axis}={wanted[axis]}' for axis in order)}*"
    hits = [job for job in jobs if _pattern(wide).match(job.address)]
    ways = [f"`{flag} '{wide}'`"] if hits == meant else []
    if flag == "--only":
        ways.append(f"`--only {shot} {' '.join(f'--label {axis}={wanted[axis]}' for axis in order)}`")
    said = "brackets are literal, and an address has all its axes"
    return f"{said}: {' or '.join(ways)}" if ways else f"{said}, such as `{meant[0].address}`"


def select(
    jobs: Sequence[Job], selection: Selection, failed: frozenset[str]
) -> tuple[tuple[Job, ...], tuple[Problem, ...]]:
    """Return the selected jobs in order, with their upstream jobs, and a problem for each flag that selects nothing.

    `failed` holds the addresses whose last attempt failed.
    """
    if not (selection.only or selection.exclude or selection.labels or selection.failed):
        return tuple(jobs), ()
    chosen, problems = choose(jobs, selection, failed)
    needed = _closure(chosen, {job.address: job.upstream for job in jobs})
    return tuple(job for job in jobs if job.address in needed), problems


def choose(
    jobs: Sequence[Job], selection: Selection, failed: frozenset[str] = frozenset()
) -> tuple[set[str], tuple[Problem, ...]]:
    """Return the selected addresses without their upstream jobs, and a problem for each flag that selects nothing."""
    only, problems = addresses(selection.only, jobs, "--only")
    exclude, more = addresses(selection.exclude, jobs, "--exclude")
    labelled = [job for job in jobs if _has_labels(job, selection.labels)]
    said = (*problems, *more)
    if selection.labels and not labelled:
        shown = ", ".join(f"{key}={value}" for key, value in selection.labels)
        said = (*said, Problem(code="no-such-job", message=f"`--label {shown}` matches no job"))
    chosen = {
        job.address
        for job in labelled
        if (not selection.only or job.address in only)
        and job.address not in exclude
        and (not selection.failed or job.address in failed)
    }
    return chosen, said


def with_downstream(chosen: frozenset[str], jobs: Sequence[Job]) -> frozenset[str]:
    """Return these addresses and those of all jobs downstream of them."""
    feeds: dict[str, list[str]] = {}
    for job in jobs:
        for need in job.upstream:
            feeds.setdefault(need, []).append(job.address)
    return frozenset(_closure(set(chosen), feeds))


def _has_labels(job: Job, wanted: tuple[tuple[str, str], ...]) -> bool:
    """Whether a job has, for each wanted label, one of its wanted values; axes count as labels."""
    known = {**dict(job.draft.axes), **job.draft.labels}
    by_key: dict[str, set[str]] = {}
    for key, value in wanted:
        by_key.setdefault(key, set()).add(value)
    return all(known.get(key) in values for key, values in by_key.items())


def _closure(chosen: set[str], leads: Mapping[str, Sequence[str]]) -> set[str]:
    found, waiting = set(chosen), list(chosen)
    while waiting:
        for address in leads.get(waiting.pop(), ()):
            if address not in found:
                found.add(address)
                waiting.append(address)
    return found
