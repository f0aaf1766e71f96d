"""A saved plan as Markdown: what it buys and what that leaves, and every job with prompt and labels below a fold."""

from collections.abc import Iterator

from kbatch.planner.actions import Action
from kbatch.report.data.format import count
from kbatch.report.markdown.markdown import Block, Table, code, marker, prose, quote, render
from kbatch.report.saved.view import SavedGroup, SavedJob, SavedTotal, SavedView, credits_words, groups_of

_MOST_REASONS = 12


def as_markdown(view: SavedView, name: str, command: str, limit: int) -> str:
    """Return the page of a saved plan, of at most `limit` bytes; `command` records agreement to it."""
    return render(list(_blocks(view, name, command)), limit)


def _blocks(view: SavedView, name: str, command: str) -> Iterator[Block]:
    profile = f", profile {code(view.profile)}" if view.profile else ""
    yield marker("plan", name, view.profile)
    yield f"## Saved plan {code(name)} for {code(view.manifest)}{profile}"
    yield f"**{prose(view.headline)}.**"
    yield "  \n".join(f"{title}: {code(words)}" for title, words in view.facts)
    yield quote("Look", ["this is a rehearsal: nothing real is bought"] if view.simulated else [])
    yield Table(
        head=("provider", "expected", "maximum", "charged before", "budget", "left after this"),
        align="lrrrrr",
        rows=tuple(map(_total, view.totals)),
    )
    groups = groups_of(view.jobs)
    yield "### What is done, and why"
    yield Table(
        head=("action", "jobs", "credits", "why", "first"),
        align="lrrll",
        rows=(*map(_group, groups[:_MOST_REASONS]), *_rest(groups[_MOST_REASONS:])),
    )
    yield Table(
        head=("action", "job", "model and variant", "credits", "labels", "prompt", "beside"),
        align="lllrlll",
        rows=tuple(map(_job, view.jobs)),
        fold=f"All {count(len(view.jobs), 'job')}",
        noun="job",
        elsewhere="`kbatch plan PLAN --format json` has all",
    )
    yield f"Digest {code(view.digest)}"
    if command:
        yield f"To record that you agree to exactly this plan:\n\n```sh\n{command}\n```"


def _total(total: SavedTotal) -> tuple[str, ...]:
    unknown = f"unknown, {total.unpriced:,} unpriced" if total.unpriced else "unknown"
    amounts = (total.expected, total.maximum)
    left = "–" if total.left is None else f"{total.left:,}" if total.left >= 0 else f"**{-total.left:,} over**"
    known = tuple(unknown if amount is None else f"{amount:,}" for amount in amounts)
    rest = tuple("–" if amount is None else f"{amount:,}" for amount in (total.spent, total.budget))
    return code(total.provider), *known, *rest, left


def _group(group: SavedGroup) -> tuple[str, ...]:
    credits = prose(credits_words(group.jobs)) if group.action is Action.RENDER else ""
    return group.action.value, f"{len(group.jobs):,}", credits, prose(group.why), code(group.jobs[0].address)


def _rest(hidden: list[SavedGroup]) -> Iterator[tuple[str, ...]]:
    if hidden:
        jobs = [job for group in hidden for job in group.jobs]
        bought = [job for job in jobs if job.action is Action.RENDER]
        credits = prose(credits_words(bought)) if bought else ""
        yield "…", f"{len(jobs):,}", credits, f"{count(len(hidden), 'more reason')}, each below", ""


def _job(job: SavedJob) -> tuple[str, ...]:
    dropped = f"left out: {', '.join(job.dropped)}" if job.dropped else ""
    beside = (job.price, dropped, f"extra {job.extra}" if job.extra else "")
    return (
        job.action.value,
        code(job.address),
        code(f"{job.model} {job.variant}"),
        "?" if job.credits is None else f"{job.credits:,}",
        code(", ".join(f"{key}={value}" for key, value in job.labels.items())),
        code(job.prompt or "", 240),
        code("; ".join(filter(None, beside))),
    )
