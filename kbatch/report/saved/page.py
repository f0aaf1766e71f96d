"""A saved plan as one HTML page, in the form of a plan's page."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from kbatch.planner.actions import Action
from kbatch.report.data.format import count
from kbatch.report.data.rows import ReportRow, RowState
from kbatch.report.html.pages import Parts, attributes_of, filters_of, render_page
from kbatch.report.html.plan_html import ACTION_WORDS
from kbatch.report.saved.view import SavedGroup, SavedJob, SavedTotal, SavedView, credits_words, groups_of

_MOST_REASONS = 40


def as_html(view: SavedView, name: str, command: str, parts: Parts) -> str:
    """Return the page of a saved plan; `command` records agreement to it."""
    ordered = sorted(view.jobs, key=lambda job: job.shot)
    rows = [_row(job) for job in ordered]
    jobs = [{**attributes_of(row), **_job(job)} for job, row in zip(ordered, rows, strict=True)]
    groups = groups_of(view.jobs)
    said = "; ".join(f"{title} `{words}`" for title, words in view.facts)
    page = {
        "title": f"saved plan of {view.manifest}",
        "name": name,
        "profile": view.profile,
        "headline": view.headline,
        "simulated": view.simulated,
        "objections": (),
        "warnings": [f"As it was saved: {said}. A run is refused when anything of it has moved."],
        "accounts": [_account(total) for total in view.totals],
        "time": "",
        "states": [
            {"state": action.value, "words": ACTION_WORDS[action], "jobs": number}
            for action in Action
            if (number := sum(job.action is action for job in view.jobs))
        ],
        "reasons": [*map(_reason, groups[:_MOST_REASONS]), *_rest(groups[_MOST_REASONS:])],
        "compared": None,
        "charts": [],
        "sides": [],
        "filters": filters_of(rows, {job.action.value: ACTION_WORDS[job.action] for job in ordered}, "Action"),
        "shots": [_shot(shot, list(each)) for shot, each in groupby(jobs, key=lambda job: str(job["shot"]))],
        "digest": view.digest,
        "command": command,
        "things": "jobs",
        "thing": "job",
        "foot": f"Shown by kbatch from {name}. Credits are each provider's own.",
    }
    return render_page("plan.html", page, parts)


def _account(total: SavedTotal) -> dict[str, Any]:
    more = total.maximum is not None and total.maximum != total.expected
    return {
        "provider": total.provider,
        "unit": total.unit,
        "expected": "unknown" if total.expected is None else f"{total.expected:,}",
        "maximum": f"{total.maximum:,}" if more else "",
        "usd": "",
        "paid_by": "",
        "budget": total.budget,
        "left": total.left,
        "meter": None,
    }


def _reason(group: SavedGroup) -> dict[str, Any]:
    return {
        "state": group.action.value,
        "state_words": ACTION_WORDS[group.action],
        "jobs": len(group.jobs),
        "credits": credits_words(group.jobs) if group.action is Action.RENDER else "",
        "why": group.why,
        "first": group.jobs[0].address,
    }


def _rest(hidden: Sequence[SavedGroup]) -> list[dict[str, Any]]:
    if not hidden:
        return []
    jobs = tuple(job for group in hidden for job in group.jobs)
    bought = [job for job in jobs if job.action is Action.RENDER]
    more = f"{count(len(hidden), 'more reason')}, each beside its job below"
    summed = {"jobs": len(jobs), "credits": credits_words(bought), "why": more, "first": ""}
    return [{**_reason(hidden[0]), "state_words": "…", **summed}]


def _shot(name: str, jobs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    credits = sum(job["credits"] or 0 for job in jobs)
    return {"name": name, "words": f"{count(len(jobs), 'job')}, {credits:,} credits", "jobs": jobs}


def _row(job: SavedJob) -> ReportRow:
    return ReportRow(
        address=job.address,
        request=job.address,
        shot=job.shot,
        labels=job.labels,
        provider=job.provider,
        model=job.model,
        variant=job.variant,
        prompt=job.prompt,
        params=job.params,
        state=RowState.NOT_BOUGHT,
        planned=job.credits,
        output=job.output,
    )


def _job(job: SavedJob) -> dict[str, Any]:
    facts = (
        ("labels", ", ".join(f"{key}={value}" for key, value in job.labels.items())),
        ("price", job.price),
        ("left out", ", ".join(job.dropped)),
        ("extra, sent as written", job.extra),
        ("clip", job.output),
        ("fingerprint", job.fingerprint),
    )
    buys = job.action is Action.RENDER
    return {
        "state": job.action.value,
        "state_words": ACTION_WORDS[job.action],
        "credits": job.credits,
        "model_words": f"{job.model} {job.variant}",
        "money": ("price unknown" if job.credits is None else count(job.credits, "credit")) if buys else "",
        "why": job.why,
        "prompt": job.prompt,
        "facts": [(title, value) for title, value in facts if value],
    }
