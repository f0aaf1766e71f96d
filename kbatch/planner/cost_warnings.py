"""Warnings about cost: valid manifests that cost more than the author may expect, each with the credits in question.

There is at most one warning per shot and cause, marked at the shot, axis or parameter. Credits count each distinct
request once, since identical jobs are bought once, and are never added across providers. Explicit choices cause no
warning: a default value that is written out, or a `budget.max_credits_per_job` that limits the cost of a clip.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from kbatch.errors import Hit, Mark, Problem, Severity
from kbatch.manifest.drafts import Path
from kbatch.manifest.yaml.document import Document
from kbatch.models.fingerprint import canonical
from kbatch.planner.jobs import Job
from kbatch.planner.written_values import as_written

DEAR_DEFAULT = "dear-default"
DUPLICATE_JOBS = "duplicate-jobs"
DUPLICATE_BOUGHT = "duplicate-bought"
LONG_CLIP = "long-clip"

MEANINGS: Mapping[str, str] = {
    DEAR_DEFAULT: "a parameter is not written and its default is the more expensive value",
    DUPLICATE_JOBS: "jobs make the same request, so fewer clips are bought than the matrix suggests",
    DUPLICATE_BOUGHT: "jobs are bought apart although their prompts differ only in white space or letter case",
    LONG_CLIP: "one shot's long clips, paid by the second, are more than half of what the jobs cost",
}

_LONG_S = 10


class _Group(Struct):
    """Jobs of one shot that share a warning, and the credits in question."""

    jobs: list[Job] = field(default_factory=list)
    credits: int = 0

    def add(self, job: Job, credits: int | None) -> None:
        self.jobs.append(job)
        self.credits += credits or 0


def lint(
    jobs: Sequence[Job],
    document: Document,
    *,
    limited: frozenset[str | None] = frozenset(),
    reported: Iterable[Problem] = (),
) -> tuple[Problem, ...]:
    """Return the warnings; `limited` holds the providers with a `max_credits_per_job`, None for all providers.

    An axis that a problem in `reported` already calls unused is not reported again.
    """
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(job.fingerprint, job)
    of = Counter(job.draft.shot for job in jobs)
    unused = frozenset(one.mark for one in reported if one.code == "unused-axis")
    context = _LintContext(document=document, of=of, first=first, unused=unused)
    return (
        *_costly_defaults(jobs, context),
        *_duplicates(jobs, context),
        *_nearly_duplicates(context),
        *_long_clips(jobs, context, limited),
    )


class _LintContext(Struct, frozen=True, kw_only=True):
    """Common inputs of all warnings: the document, the number of jobs by shot, the first job by fingerprint.

    `unused` holds the marks of axes that are already reported as unused.
    """

    document: Document
    of: Mapping[str, int]
    first: Mapping[str, Job]
    unused: frozenset[Mark | None]

    def warn(self, code: str, group: Sequence[Job], mark: Mark, message: str, hint: str) -> Problem:
        hit = Hit(hit=len(group), of=self.of[group[0].draft.shot], first=group[0].address)
        return Problem(code=code, message=message, mark=mark, hint=hint, severity=Severity.WARNING, jobs=hit)

    def shot(self, job: Job) -> Mapping[str, Any]:
        index = int(_path(job)[1])
        written: Mapping[str, Any] = self.document.value["shots"][index]
        return written

    def mark(self, job: Job, field: str = "id") -> Mark:
        """Return the mark of the key of a shot's field, or of the shot's id where the field is absent."""
        if field != "id" and field in self.shot(job):
            return self.document.mark((*_path(job), field), key=True)
        return self.document.mark((*_path(job), "id"))

    def mark_axis(self, job: Job, axis: str) -> Mark:
        return self.document.mark((*_path(job), "matrix", axis), key=True)


def _path(job: Job) -> Path:
    return job.draft.origins["shot"].path


# defaults that are the more expensive value


def _costly_defaults(jobs: Sequence[Job], context: _LintContext) -> Iterator[Problem]:
    groups: dict[tuple[str, str, str, str, str], _Group] = defaultdict(_Group)
    counted: set[tuple[str, str]] = set()
    for job in jobs:
        for found in job.costly_defaults:
            if found.parameter == job.card.duration:
                continue  # authors choose the length of a clip deliberately
            key = (job.draft.shot, job.provider, found.parameter, as_written(found.default), as_written(found.cheaper))
            once = (found.parameter, job.fingerprint)
            groups[key].add(job, 0 if once in counted else found.saves)
            counted.add(once)
    by_shot: dict[str, list[Job]] = defaultdict(list)
    for job in jobs if groups else ():
        by_shot[job.draft.shot].append(job)
    for (shot, _, name, default, cheaper), group in groups.items():
        if not group.credits:
            continue
        first = group.jobs[0]
        message = (
            f"`{name}` is not written, so the more expensive default `{default}` is bought: "
            f"{group.credits:,} {first.quote.unit} more than `{cheaper}`"
        )
        lacking = any(name not in job.card.parameters for job in by_shot[shot])
        where = " (under `defaults`, since not all its models have it)" if lacking else ""
        hint = f"write `{name}: {default}` to keep it{where}, or `{name}: {cheaper}` to save them"
        yield context.warn(DEAR_DEFAULT, group.jobs, context.mark(first, "params"), message, hint)


# one request for several jobs


def _duplicates(jobs: Sequence[Job], context: _LintContext) -> Iterator[Problem]:
    first = context.first
    groups: dict[tuple[str, str], _Group] = defaultdict(_Group)
    for job in jobs if len(first) < len(jobs) else ():
        earlier = first[job.fingerprint]
        if earlier is not job and not _expected(job, earlier, context):
            groups[earlier.draft.shot, job.draft.shot].add(job, job.quote.credits)
    for group in groups.values():
        later = group.jobs[0]
        earlier = first[later.fingerprint]
        less = f"{group.credits:,} {later.quote.unit} less" if later.quote.credits is not None else "fewer clips"
        message = f"`{later.address}` is the same request as `{earlier.address}`: bought once, {less} than it seems"
        hint = "let the prompt or a parameter tell them apart; `takes` buys several renders of one request"
        axes = _own_axes(later, earlier, context) if earlier.draft.shot == later.draft.shot else []
        mark = context.mark_axis(later, axes[0]) if len(axes) == 1 else context.mark(later)
        yield context.warn(DUPLICATE_JOBS, group.jobs, mark, message, hint)


def _expected(job: Job, earlier: Job, context: _LintContext) -> bool:
    """Whether jobs differ only in axes of the manifest's own matrix, or in axes already reported as unused."""
    if job.draft.shot != earlier.draft.shot:
        return False
    return all(context.mark_axis(job, axis) in context.unused for axis in _own_axes(job, earlier, context))


def _own_axes(job: Job, earlier: Job, context: _LintContext) -> list[str]:
    """Return the axes of the shot's own matrix in which two of its jobs differ."""
    theirs = dict(earlier.draft.axes)
    own = context.shot(job).get("matrix", {})
    return [axis for axis, label in job.draft.axes if theirs.get(axis) != label and axis in own]


# one request bought twice


def _nearly_duplicates(context: _LintContext) -> Iterator[Problem]:
    groups: dict[tuple[str, str, str], list[tuple[Job, Job]]] = defaultdict(list)
    for same in _alike(context.first.values()):
        first: dict[tuple[int, bytes], Job] = {}
        for job in same:
            earlier = first.setdefault((job.draft.take, canonical({**job.request, "prompt": ""})), job)
            if earlier is not job:
                groups[earlier.draft.shot, job.draft.shot, job.provider].append((earlier, job))
    for pairs in groups.values():
        earlier, later = pairs[0]
        credits = sum(job.quote.credits or 0 for _, job in pairs)
        cost = f"{credits:,} {later.quote.unit} more" if later.quote.credits is not None else "at an unknown price"
        message = (
            f"the prompts of `{earlier.address}` and `{later.address}` differ only in white space or letter case: "
            f"bought twice, {cost}"
        )
        hint = "write both prompts alike, and they are bought once"
        yield context.warn(DUPLICATE_BOUGHT, [job for _, job in pairs], context.mark(later), message, hint)


def _alike(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    """Yield groups of distinct requests whose prompts differ only in white space or letter case."""
    first: dict[tuple[str, str, str], Job] = {}
    others: dict[tuple[str, str, str], list[Job]] = defaultdict(list)
    for job in _perhaps_alike(jobs):
        key = job.provider, job.model, " ".join((job.draft.prompt or "").split()).casefold()
        if first.setdefault(key, job) is not job:
            others[key].append(job)
    for key, more in others.items():
        same = [first[key], *more]
        if len({job.draft.prompt for job in same}) > 1:
            yield same


def _perhaps_alike(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs whose prompt has the same letters as another's; a cheap filter, since most prompts differ."""
    letters = [(job, _letters(job.draft.prompt)) for job in jobs if job.draft.prompt is not None]
    seen = Counter(key for _, key in letters)
    return [job for job, key in letters if seen[key] > 1] if len(seen) < len(letters) else []


def _letters(prompt: str) -> int:
    """Return a hash of a prompt's characters, without white space and letter case."""
    if prompt.isascii():
        return hash(prompt.encode("ascii").translate(_LOWER, _SPACES))
    return hash("".join(prompt.casefold().split()).encode("utf-8", "surrogatepass"))


_LOWER = bytes(range(256)).lower()
_SPACES = b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"


# long clips, paid by the second


def _long_clips(jobs: Sequence[Job], context: _LintContext, limited: frozenset[str | None]) -> Iterator[Problem]:
    groups: dict[tuple[str, str], _Group] = defaultdict(_Group)
    for job in jobs:
        if job.quote.per_second and job.clip.duration_s > _LONG_S and not limited & {None, job.provider}:
            once = context.first[job.fingerprint] is job
            groups[job.draft.shot, job.provider].add(job, job.quote.credits if once else 0)
    totals: dict[str, int] = defaultdict(int)
    for job in context.first.values() if groups else ():
        totals[job.provider] += job.quote.credits or 0
    for (_, provider), group in groups.items():
        if 2 * group.credits > totals[provider]:
            first = group.jobs[0]
            shortest, longest = (pick(job.clip.duration_s for job in group.jobs) for pick in (min, max))
            seconds = f"{longest} s" if shortest == longest else f"{shortest} to {longest} s"
            unit = first.quote.unit
            message = f"clips of {seconds}, paid by the second, are {group.credits:,} of {totals[provider]:,} {unit}"
            worth = sum({job.fingerprint: _per_second(job) for job in group.jobs}.values())
            hint = f"each second less saves {worth:,}; `budget.max_credits_per_job` says what a clip may cost"
            origin = first.draft.origins.get(f"params.{first.card.duration}")
            mark = context.document.mark(origin.path) if origin else context.mark(first)
            yield context.warn(LONG_CLIP, group.jobs, mark, message, hint)


def _per_second(job: Job) -> int:
    return (job.quote.credits or 0) // job.clip.duration_s
