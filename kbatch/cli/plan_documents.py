"""A plan in the forms that its reviewers read: Markdown for a pull request, an HTML page, GitHub's step summary."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from kbatch.cli.consent import chosen_words
from kbatch.cli.ui import console, github_actions
from kbatch.errors import Refused
from kbatch.pipeline.make_plan import Planned
from kbatch.planner.plan import Plan
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.report.data.format import one_line
from kbatch.report.data.review import Review
from kbatch.report.saved.view import SavedView


def make_review(
    planned: Planned,
    lockfile: Lockfile,
    manifest: Path,
    against: Iterable[Refused],
    flags: Mapping[str, Any],
) -> Review:
    """Return what a reviewer is shown of a plan; `flags` are those of the command line, by parameter."""
    return Review(
        plan=planned.plan,
        summary=planned.summary,
        name=manifest.as_posix(),
        flags=chosen_words(flags),
        before=_before(planned.plan, lockfile),
        objections=tuple(each.message for each in against),
        simulated=bool(flags.get("simulate")),
    )


def _before(plan: Plan, lockfile: Lockfile) -> dict[str, Mapping[str, Any]]:
    """Return the request that each address had when it was last bought."""
    profile = plan.settings.profile
    index = lockfile.of(profile)
    receipts = {address: lockfile.renders.get(entry.fingerprint) for address, entry in index.items()}
    return {address: receipt.request for address, receipt in receipts.items() if receipt is not None}


def show_review(review: Review, form: str) -> None:
    """Print a review as `markdown`, `github` or `html`, no other form; under GitHub Actions add it to the summary."""
    if form == "html":
        from kbatch.cli.report_pages import page_parts  # noqa: PLC0415 - each form is made only where it is asked for
        from kbatch.report.html import plan_html  # noqa: PLC0415

        click.echo(plan_html.as_html(review, page_parts()), nl=False)
    elif form in ("markdown", "github"):
        click.echo(_as_markdown(review), nl=False)
    failed = github_actions.add_summary(lambda limit: _as_markdown(review, limit))
    if failed:
        console.say(failed)


def _as_markdown(review: Review, limit: int | None = None) -> str:
    from kbatch.report.markdown.markdown import COMMENT_LIMIT  # noqa: PLC0415 - each form is made only where it is asked for
    from kbatch.report.markdown.plan_markdown import as_markdown  # noqa: PLC0415

    return as_markdown(review, COMMENT_LIMIT if limit is None else limit)


def show_saved(view: SavedView, path: Path, form: str) -> None:
    """Print a saved plan as `markdown` or `html`, with the command that records agreement to it."""
    name = path.as_posix()
    command = shlex.join(("kbatch", "approve", name)) if view.sealed and not view.simulated else ""
    if form == "html":
        from kbatch.cli.report_pages import page_parts  # noqa: PLC0415
        from kbatch.report.saved import page  # noqa: PLC0415

        click.echo(page.as_html(view, name, command, page_parts()), nl=False)
        return
    from kbatch.report.markdown.markdown import COMMENT_LIMIT  # noqa: PLC0415
    from kbatch.report.saved import markdown  # noqa: PLC0415

    click.echo(markdown.as_markdown(view, name, one_line(command, 4000), COMMENT_LIMIT), nl=False)
