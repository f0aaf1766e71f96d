"""`kbatch plan`: what would be bought, reused and fetched, with prices and reasons; nothing is sent."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from kbatch.cli.consent import chosen_words
from kbatch.cli.documents import check_outputs, is_stdout, path_of
from kbatch.cli.fit_offers import offers
from kbatch.cli.options import (
    CHOOSING,
    account,
    budgets,
    check_live,
    format_choice,
    live,
    manifest,
    max_jobs,
    read_accounts,
    read_selection,
    refuse_given,
    selection,
    state,
)
from kbatch.cli.protected_paths import named, protected_by
from kbatch.cli.session import chosen_lockfile, load_manifest, load_options
from kbatch.cli.ui import console, github_actions
from kbatch.errors import ExitCode, Invalid, Refused
from kbatch.pipeline.envelopes import budgets_in, look_into, objections_to
from kbatch.pipeline.load import LoadedManifest
from kbatch.pipeline.load_state import as_bought, load_state
from kbatch.pipeline.make_plan import Planned, RunTarget, make_plan
from kbatch.pipeline.published_prices import check_plan, with_lists
from kbatch.pipeline.saved_plans import command_for, read_plan_file, write_plan_file
from kbatch.planner.approval.consent import approving_command
from kbatch.planner.approval.saved_plan import SavedPlan
from kbatch.planner.budgets.envelopes import EnvelopeUse, as_document
from kbatch.planner.ceilings import ExceededCeiling, find_exceeded, read_ceilings
from kbatch.planner.plan import Plan, as_stream
from kbatch.planner.selection import Selection
from kbatch.providers.registry import NAMES
from kbatch.receipts.store import LoadedState
from kbatch.report.data.format import harmless
from kbatch.report.machine import costs_json
from kbatch.report.saved.view import view_of
from kbatch.report.text import saved_text
from kbatch.runner.preflight.other_lockfiles import collisions, owned_elsewhere
from kbatch.runner.preflight.writable_outputs import unwritable_clips
from kbatch.runner.run_inputs import RunInputs

_REVIEWED = ("markdown", "github", "html")
_EXAMPLES = """\b
Examples:
  kbatch plan campaign.yaml
  kbatch plan campaign.yaml --profile draft --only hero --max-credits 200
  kbatch plan campaign.yaml --format json > plan.json
  kbatch plan campaign.yaml --format markdown > comment.md   # for a pull request
  kbatch plan campaign.yaml --format html > plan.html
  kbatch plan campaign.yaml --all          # those jobs too that are paid already
  kbatch plan campaign.yaml --graph svg > plan.svg   # shots, chains, credits
  kbatch plan campaign.yaml --check        # exit 1 if anything would be bought
  kbatch plan campaign.yaml --compare-to git:main
  kbatch plan campaign.yaml --compare-to approved   # the last approval that is recorded beside the lockfile
  kbatch plan campaign.yaml --out plan.json
  kbatch plan campaign.yaml --budgets budgets.yaml    # exit 3 when an envelope has no room
  kbatch plan campaign.yaml --live         # with the prices of the providers' public lists
"""
_OF_A_MANIFEST = (
    *CHOOSING,
    "max_credits",
    "every",
    "graph",
    "check",
    "out",
    "live",
    "profile",
    "lockfile",
    "simulate",
    "max_jobs",
    "accounts",
    "budgets",
)


@click.command("plan", epilog=_EXAMPLES)
@manifest
@selection
@click.option("--max-credits", multiple=True, metavar="[PROVIDER=]N", help="Refuse a plan whose maximum is above.")
@budgets
@account
@click.option("--check", is_flag=True, help="Exit with 1 if anything would be bought.")
@click.option("--compare-to", metavar="PLAN|git:REF|approved", help="Show what differs from that plan.")
@click.option("--all", "every", is_flag=True, help="List every job, those too that are paid already.")
@click.option("--graph", type=click.Choice(["mermaid", "svg"]), help="Draw shots, chains and credits instead.")
@click.option("--out", metavar="FILE", help="Save the plan, to be run once as it is.")
@live
@state
@max_jobs
@format_choice("text", "json", "markdown", "html", "github")
def command(manifest: Path, max_credits: tuple[str, ...], check: bool, out: str | None, form: str, **flags: Any) -> int:
    """Show the priced plan of MANIFEST (kbatch.yaml): every job with an action, a price and a reason.

    MANIFEST may be a saved plan, which is shown as it was saved. Exits with 3 when the plan passes a ceiling, and with
    --live when a public price list contradicts a price or cannot be read.
    """
    check_live(flags)
    printed, bounds = form != "text" or flags["graph"] is not None, budgets_in(flags["budgets"])
    _check_every(flags, form)
    check_outputs({"--out": out}, named((manifest, "what is planned")), stdout=printed)
    saved = read_plan_file(manifest)
    if saved is not None:
        if flags["compare_to"]:
            raise click.UsageError("--compare-to holds a manifest's plan against another, not a saved plan")
        if form == "github":
            raise click.UsageError("a saved plan is shown as text, json, markdown or html, not as github")
        refuse_given(_OF_A_MANIFEST, "is for the plan of a manifest: a saved plan is shown as it was saved")
        return _show_saved(saved, manifest, form)
    loaded = load_manifest(manifest, flags)
    console.show_problems(loaded.warnings)
    path = chosen_lockfile(manifest, flags)
    wished = read_selection(flags)
    found = load_state(loaded, path)
    if out is not None:
        check_outputs({"--out": out}, protected_by(loaded, path, found), stdout=printed)
    loaded = as_bought(loaded, found)
    loaded = with_lists(loaded) if flags["live"] else loaded
    where = RunTarget(lockfile=path, simulated=flags["simulate"], accounts=read_accounts(flags["accounts"]))
    planned = make_plan(loaded, found, wished, where)
    inputs = RunInputs(folder=loaded.folder, tree=loaded.tree, jobs=loaded.jobs, lockfile_path=path, loaded=found)
    _warn(inputs, planned)
    comparison = _compare(flags, loaded, found, where, planned)
    ceilings, problems = read_ceilings(planned.plan, max_credits, NAMES)
    if problems:
        raise Invalid(problems)
    uses = look_into(bounds, planned.plan, inputs, console.say, simulated=flags["simulate"])
    over = find_exceeded(planned.plan, ceilings)
    against = [*_objections(planned.plan, loaded, over), *objections_to(uses)]
    if form == "json":
        _show_json(planned, comparison, uses)
    elif flags["graph"]:
        _draw(planned.plan, flags["graph"])
    elif form == "text":
        agrees = "" if against else approving_command(planned.plan, manifest.as_posix(), chosen_words(flags))
        stderr = out is not None and is_stdout(out)
        _show_text(planned, comparison, agrees, every=flags["every"], stderr=stderr)
    fitting = offers(over, planned.plan, loaded, found, flags)
    if form in _REVIEWED or github_actions.active():
        from kbatch.cli.plan_documents import make_review, show_review  # noqa: PLC0415 - most plans are read as text

        review = make_review(planned, found.lockfile, manifest, against, flags)
        show_review(replace(review, comparison=comparison, offers=fitting), form)
    if against:
        for each in fitting:
            console.say(each)
        raise against[0]
    if out is not None:
        _save(out, planned, manifest, where, wished)
    return ExitCode.NOT_AS_ASKED if check and planned.plan.spends else ExitCode.OK


def _objections(plan: Plan, loaded: LoadedManifest, over: Iterable[ExceededCeiling]) -> list[Refused]:
    """Return why a plan is refused, the public price lists first; its reviewers are shown all of it."""
    found = [Refused("over-ceiling", each.message, hint="raise the ceiling, or select fewer jobs") for each in over]
    try:
        check_plan(plan, loaded.lists, console.say, trusted=False)
    except Refused as error:
        return [error, *found]
    return found


def _check_every(flags: Mapping[str, Any], form: str) -> None:
    if flags["every"] and (form != "text" or flags["graph"]):
        raise click.UsageError(f"--all is for text: {flags['graph'] or form} has no rows to add")
    if flags["graph"] and form != "text":
        raise click.UsageError(f"--graph and --format {form} exclude each other: stdout is one document")


def _compare(
    flags: Mapping[str, Any], loaded: LoadedManifest, found: LoadedState, where: RunTarget, planned: Planned
) -> Any:
    """Return the comparison that --compare-to asks for, None without it."""
    if not flags["compare_to"]:
        return None
    from kbatch.pipeline.compare_base import ComparedSelection, compare_to  # noqa: PLC0415 - only where two plans are compared

    asked = ComparedSelection(
        manifest=loaded.path,
        lockfile=where.lockfile,
        options=load_options(flags),
        selection=read_selection(flags),
        addresses=frozenset(job.address for job in loaded.jobs),
        renders=found.lockfile.renders,
    )
    return compare_to(flags["compare_to"], asked, planned.plan)


def _draw(plan: Plan, form: str) -> None:
    """Print the plan's graph."""
    from kbatch.report.graph import mermaid, svg  # noqa: PLC0415 - only where a graph is asked for
    from kbatch.report.graph.shots import graph_of  # noqa: PLC0415

    graph = graph_of(plan.entries)
    for line in mermaid.lines(graph) if form == "mermaid" else svg.lines(graph, f"Plan for {plan.manifest}"):
        click.echo(line)


def _warn(inputs: RunInputs, planned: Planned) -> None:
    """Say why a run could not put its clips on the disk, and whose places they are too."""
    for collision in collisions(planned.plan, owned_elsewhere(inputs)):
        console.say(f"warning: {collision}")
    places = [entry.job.draft.output for entry in planned.plan.purchases]
    for trouble in unwritable_clips(inputs.folder, places, probe=False):
        console.say(f"warning: a run would be refused: {trouble}")


def _show_json(planned: Planned, comparison: Any, uses: Sequence[EnvelopeUse]) -> None:
    compared = {"comparison": _compared(comparison)} if comparison else {}
    enveloped = {"envelopes": [as_document(use) for use in uses]} if uses else {}
    costs = {"costs": costs_json.as_json(planned.summary)}
    console.show_json({**as_stream(planned.plan), **costs, **compared, **enveloped})


def _show_text(planned: Planned, comparison: Any, agrees: str, *, every: bool, stderr: bool) -> None:
    console.show_plan(planned.plan, planned.summary, stderr=stderr, every=every, command=agrees)
    if comparison is not None:
        from kbatch.report.text import compare_text  # noqa: PLC0415 - only where two plans are compared

        click.echo(err=stderr)
        console.show_lines(partial(compare_text.lines, comparison), stderr=stderr)


def _save(out: str, planned: Planned, manifest: Path, where: RunTarget, wished: Selection) -> None:
    place = path_of(out)
    sys.stdout.flush()
    write_plan_file(place, planned.plan, manifest=manifest, simulated=where.simulated, selection=wished)
    console.say(f"saved as {out}; `{command_for(place, planned.plan, manifest)}` carries out exactly this plan, once")


def _compared(comparison: Any) -> dict[str, Any]:
    from kbatch.report.machine import compare_json  # noqa: PLC0415 - only where two plans are compared

    return compare_json.as_json(comparison)


def _show_saved(saved: SavedPlan, path: Path, form: str) -> int:
    if form == "json":
        console.show_json(saved.document)
        return ExitCode.OK
    view = view_of(saved.document, str(path))
    if form == "text":
        for line in saved_text.lines(saved.document, str(path)):
            click.echo(harmless(line))
    else:
        from kbatch.cli.plan_documents import show_saved  # noqa: PLC0415 - most plans are read as text

        show_saved(view, path, form)
    return ExitCode.OK
