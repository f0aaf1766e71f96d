"""`kbatch fit`: the edits that make a plan cost no more than a limit, at the least loss; changes nothing unasked."""

import difflib
import re
from pathlib import Path
from typing import Any

import click

from kbatch.cli.options import check_live, choice, format_choice, live, manifest, max_jobs, read_selection, state
from kbatch.cli.session import chosen_lockfile, load_manifest, load_options, with_state
from kbatch.cli.ui import console
from kbatch.errors import ExitCode, Invalid, Problem
from kbatch.pipeline.fit import FitRequest, edited_manifest, fit, limits_of
from kbatch.pipeline.published_prices import with_lists
from kbatch.planner.fit.answer import Fit
from kbatch.planner.fit.loss import POINTS
from kbatch.report.data.format import harmless
from kbatch.report.machine import fit_json
from kbatch.report.markdown import fit_markdown
from kbatch.report.text import fit_text
from kbatch.storage import write_atomic

_PROFILE = re.compile(r"(?![.-])[a-z0-9._-]+")
_NO_EDIT = "no edit is needed, or a profile that fits is there already"
_EXAMPLES = f"""\b
Points of loss:
{"".join(f"  {points:>3}  {words}{chr(10)}" for points, words in POINTS)}
\b
Examples:
  kbatch fit campaign.yaml --max-credits 250
  kbatch fit campaign.yaml --max-credits apiframe=250 --format json
  kbatch fit campaign.yaml --max-credits 250 --diff > fit.patch      # a profile `fit`, as a patch
  kbatch fit campaign.yaml --max-credits 250 --write-profile small   # then: kbatch plan --profile small
"""


@click.command("fit", epilog=_EXAMPLES)
@manifest
@click.option("--max-credits", multiple=True, required=True, metavar="[PROVIDER=]N", help="What the plan may cost.")
@click.option("--write-profile", metavar="NAME", help="Write the chosen edits into MANIFEST, as a profile.")
@click.option("--diff", is_flag=True, help="Print the same change as a patch; MANIFEST stays as it is.")
@choice
@live
@state
@max_jobs
@format_choice("text", "json", "markdown")
def command(
    manifest: Path, max_credits: tuple[str, ...], write_profile: str | None, diff: bool, form: str, **flags: Any
) -> int:
    """Find the edits of MANIFEST (kbatch.yaml) that make its plan fit, and what each saves and loses.

    Of all sets of edits that fit it takes the one with the fewest points of loss: cheaper settings and models, fewer
    takes, labels of one axis left out, for each group of shots that belong together; or a profile as a whole. Each set
    is priced by planning it. Exits with 1 when nothing fits.
    """
    if diff and form != "text":
        raise click.UsageError("--diff prints a patch: leave out --format")
    check_live(flags)
    loaded = load_manifest(manifest, flags)
    loaded, found = with_state(loaded, chosen_lockfile(manifest, flags))
    loaded = with_lists(loaded) if flags["live"] else loaded
    request = FitRequest(
        loaded=loaded,
        options=load_options(flags),
        found=found,
        selection=read_selection(flags),
        limits=limits_of(loaded, max_credits),
    )
    fits = fit(request)
    name = _profile_name(write_profile)
    if diff:
        _print_diff(request, fits, name)
    elif form == "json":
        console.show_json(fit_json.as_json(fits))
    else:
        shown = fit_markdown.lines(fits) if form == "markdown" else fit_text.lines(fits, console.width_of(stderr=False))
        for line in shown:
            click.echo(harmless(line))
    if write_profile is not None:
        _write(request, fits, name)
    return ExitCode.OK if all(one.fits for one in fits) else ExitCode.NOT_AS_ASKED


def _profile_name(written: str | None) -> str:
    if written is not None and not _PROFILE.fullmatch(written):
        message = f"`{written}` cannot name a profile"
        raise Invalid([Problem(code="bad-form", message=message, hint="lower case letters, digits, `.`, `_` and `-`")])
    return written or "fit"


def _print_diff(request: FitRequest, fits: tuple[Fit, ...], name: str) -> None:
    before, after = edited_manifest(request, fits, name)
    if before == after:
        console.say(_NO_EDIT)
    path = request.loaded.path.as_posix()
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    click.echo("".join(lines), nl=False)


def _write(request: FitRequest, fits: tuple[Fit, ...], name: str) -> None:
    if not any(one.chosen.edits for one in fits):
        console.say(f"nothing was written: {_NO_EDIT}")
        return
    _, after = edited_manifest(request, fits, name)
    write_atomic(request.loaded.path, after.encode())
    console.say(f"the profile `{name}` was written: `kbatch plan {request.loaded.path} --profile {name}`")
