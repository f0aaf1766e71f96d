"""`kbatch run`: plan, confirm, render, collect; the same command resumes."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbatch.cli.approval_options import approved
from kbatch.cli.ask_consent import PlanRequest, PriorApproval, consent_to, plan_for
from kbatch.cli.consent import check_consent, consent
from kbatch.cli.documents import check_outputs, path_of
from kbatch.cli.fit_offers import offers
from kbatch.cli.options import (
    account,
    budgets,
    check_live,
    duration,
    format_choice,
    junit,
    live,
    manifest,
    max_jobs,
    read_accounts,
    read_concurrency,
    refuse_given,
    selection,
    state,
)
from kbatch.cli.protected_paths import ProtectedPaths, named, protected_by
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console, github_actions
from kbatch.cli.ui.streams import put, unheard
from kbatch.errors import ExitCode, Invalid, Refused
from kbatch.pipeline.envelopes import budgets_in, look_into, objections_to
from kbatch.pipeline.events_file import EventsFile
from kbatch.pipeline.load import LoadedManifest
from kbatch.pipeline.load_state import lock_path
from kbatch.pipeline.make_plan import Planned, RunTarget
from kbatch.pipeline.published_prices import check_plan, with_lists
from kbatch.pipeline.saved_plans import lockfile_of, manifest_of, read_plan_file
from kbatch.pipeline.simulation import simulator_app
from kbatch.planner.approval.approving import check_age
from kbatch.planner.approval.consent import ConfirmedPlan
from kbatch.planner.approval.saved_plan import SavedPlan
from kbatch.planner.ceilings import find_exceeded, read_ceilings
from kbatch.planner.payers import ONLY_DEFAULT, Weights
from kbatch.providers.registry import NAMES
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.store import LoadedState
from kbatch.report.data.format import count, verdict
from kbatch.runner.base_urls import check_origins
from kbatch.runner.outcome import NOT_HERE, JobEnd, Outcome, as_json
from kbatch.runner.preflight.other_lockfiles import collisions, owned_elsewhere
from kbatch.runner.preflight.writable_outputs import check_writable
from kbatch.runner.run_inputs import RunInputs
from kbatch.runner.up_to_date import nothing_to_do, up_to_date
from kbatch.storage import FolderSnapshot, Lock

if TYPE_CHECKING:
    from kbatch.cli.run_reports import RunReports
    from kbatch.runner.webhooks.target import WebhookTarget

_SHOWN = 8
_EXAMPLES = """\b
Examples:
  kbatch run campaign.yaml --simulate --yes
  kbatch run campaign.yaml --first 1            # a canary: one purchase, then look
  kbatch run campaign.yaml --yes --max-credits apiframe=500
  kbatch run campaign.yaml --approve sha256:9f2c…
  kbatch run campaign.yaml --approved           # what `kbatch approve` has recorded, once
  kbatch run campaign.yaml --yes --budgets budgets.yaml    # within the month's envelopes too
  kbatch run plan.json --yes                    # exactly what was saved, once
  kbatch run campaign.yaml --live --yes         # only at prices that the public lists confirm
  kbatch run --webhook-url https://hooks.example.com --webhook-port 8099    # noticed at once
"""


@click.command("run", epilog=_EXAMPLES)
@manifest
@selection
@consent
@approved
@click.option("--max-age", type=duration, metavar="TIME", help="Refuse a saved plan that is older, such as 24h.")
@click.option(
    "--allow-unpriced",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Let at most N jobs have no known price.",
)
@click.option("--trust-prices", is_flag=True, help="Accept `prices` below a model's card, or that nothing else tells.")
@live
@click.option("--allow-extra", is_flag=True, help="Send the parameters under `extra`, which no document has.")
@click.option("--locked", is_flag=True, help="Exit with 3 if anything would be bought.")
@click.option("-j", "--concurrency", multiple=True, metavar="[PROVIDER=]N", help="How many jobs may render at once.")
@account
@budgets
@click.option("--max-failures", type=click.IntRange(min=1), metavar="N", help="Submit nothing more after N failures.")
@click.option("--fail-fast", is_flag=True, help="Submit nothing more after the first failure.")
@click.option("--break-lock", is_flag=True, help="Take over from a run on another host that no longer lives.")
@click.option(
    "--faults",
    type=click.Path(path_type=Path),
    help="With --simulate: what shall go wrong, and when; `kbatch simulate --help` has the names.",
)
@click.option("--seed", type=int, metavar="N", help="With --faults: which of those with a probability strike.")
@click.option(
    "--webhook-url",
    metavar="URL",
    help="Let Apiframe say to this public address when a job has ended; needs --webhook-port.",
)
@click.option("--webhook-port", type=click.IntRange(1, 65535), metavar="N", help="Where webhooks arrive here.")
@click.option("--webhook-host", default="127.0.0.1", show_default=True, metavar="ADDR", help="On which address.")
@click.option("--events", metavar="FILE", help="Write what happens to this file, one JSON object a line.")
@junit
@state
@max_jobs
@format_choice("text", "json")
def command(manifest: Path, form: str, **flags: Any) -> int:
    """Plan MANIFEST (kbatch.yaml), ask, render and collect; resuming is running the same command again.

    MANIFEST may be a saved plan: it is carried out as it was saved, once, and refused when anything has moved.

    Without a terminal nothing is asked: --yes or --approve agrees, and a real run with --yes needs a ceiling. To send
    a job of unknown outcome again is a purchase too: the plan shows it, and --locked refuses it.
    """
    _check_flags(flags)
    given = named((manifest, "what is run"), (flags["lockfile"], "a lockfile"), (flags["faults"], "a file of faults"))
    _check_outputs(flags, given, None, stdout=form == "json")
    with reports_of(manifest, flags["junit"]) as reports:
        code = _run(manifest, form, flags, reports)
    return ExitCode.worst((ExitCode(code), reports.exit_code)) if reports else code


def reports_of(manifest: Path, target: str | None) -> "AbstractContextManager[RunReports | None]":
    """Return what writes a run's reports, None where none are wanted; `target` is where its JUnit goes."""
    if not (target or github_actions.active()):
        return nullcontext()
    from kbatch.cli.run_reports import RunReports  # noqa: PLC0415 - reports are made only where they are wanted

    return RunReports(manifest, target)


def _agreed(
    planned: Planned, flags: Mapping[str, Any], approved: PriorApproval, loaded: LoadedManifest, found: LoadedState
) -> ConfirmedPlan:
    """Return the plan with consent; a refusal for a ceiling comes after what would fit below it."""
    try:
        return consent_to(planned, flags, approved)
    except Refused as refused:
        if refused.code == "over-ceiling":
            ceilings, _ = read_ceilings(planned.plan, flags["max_credits"], NAMES)
            for each in offers(find_exceeded(planned.plan, ceilings), planned.plan, loaded, found, flags):
                console.say(each)
        raise


def _run(manifest: Path, form: str, flags: dict[str, Any], reports: "RunReports | None") -> int:
    saved, bounds = read_plan_file(manifest), budgets_in(flags["budgets"])
    if saved is None:
        refuse_given(("max_age",), "is for a saved plan: a manifest is planned anew")
    else:
        if flags["max_age"] is not None:
            check_age(saved.document.get("made_at"), datetime.now(UTC), flags["max_age"])
        flags = _as_saved(saved, flags)
        manifest = manifest_of(saved, manifest)
        flags["lockfile"] = lockfile_of(saved, manifest, flags["lockfile"])
    loaded = load_manifest(manifest, flags)
    console.show_problems(loaded.warnings)
    path = chosen_lockfile(manifest, flags)
    concurrency = read_concurrency(flags["concurrency"]) or dict(loaded.settings.concurrency)
    with Lock(lock_path(path), break_foreign=flags["break_lock"]):
        loaded, found = with_state(loaded, path)
        loaded = with_lists(loaded) if flags["live"] else loaded
        place = RunTarget(
            lockfile=path, simulated=flags["simulate"], concurrency=concurrency, accounts=_accounts(flags, saved)
        )
        planned, approved = plan_for(PlanRequest(saved=saved, flags=flags), loaded, found, place)
        inputs = RunInputs(folder=loaded.folder, tree=loaded.tree, jobs=loaded.jobs, lockfile_path=path, loaded=found)
        say_links(check_writable(planned.plan, inputs))
        for collision in collisions(planned.plan, owned_elsewhere(inputs)):
            console.say(f"warning: {collision}")
        if flags["junit"] or flags["events"]:
            _check_outputs(flags, protected_by(loaded, path, found), reports)
        if reports:
            reports.planned(loaded, planned.plan, path, found.lockfile)
        check_plan(planned.plan, loaded.lists, console.say, trusted=flags["trust_prices"])
        refused = objections_to(look_into(bounds, planned.plan, inputs, console.say, simulated=flags["simulate"]))
        if refused:
            raise refused[0]
        confirmed = _agreed(planned, flags, approved, loaded, found)
        app = _simulator(found.lockfile, loaded, flags) if flags["simulate"] else None
        with EventsFile(_events_path(flags["events"]), lost=console.say) as events:
            outcome = None if app else _nothing_to_do(confirmed, inputs, planned.look)
            if outcome is None:
                from kbatch.cli.run_plan import carry_out  # noqa: PLC0415 - an event loop and httpx, where there is work

                outcome = carry_out(
                    confirmed,
                    inputs,
                    planned,
                    app=app,
                    concurrency=concurrency,
                    webhooks=_webhooks(flags),
                    max_failures=1 if flags["fail_fast"] else flags["max_failures"],
                    live=flags["live"],
                    budgets=bounds,
                    on_event=events.write,
                )
    if reports:
        reports.ended(outcome)
    return report(outcome, loaded, form)


def _accounts(flags: Mapping[str, Any], saved: SavedPlan | None) -> Mapping[str | None, Weights]:
    """Return the accounts that the command line lets pay; a saved plan says itself who pays."""
    if saved is not None and flags["accounts"]:
        raise click.UsageError("a saved plan says itself who pays: leave out --account")
    if saved is None:
        return read_accounts(flags["accounts"])
    found: dict[str | None, Weights] = {None: ONLY_DEFAULT}
    found.update(saved.accounts)
    return found


def _check_outputs(
    flags: Mapping[str, Any], taken: ProtectedPaths, reports: "RunReports | None", *, stdout: bool = False
) -> None:
    """Refuse outputs that would destroy something; no report is written where one is refused."""
    try:
        check_outputs({"--junit": flags["junit"], "--events": flags["events"]}, taken, stdout=stdout)
    except Invalid:
        if reports:
            reports.junit = None
        raise


def _events_path(name: str | None) -> Path | None:
    return None if name is None else path_of(name)


def say_links(notes: Iterable[str]) -> None:
    """Say where links lead what is written."""
    for note in notes:
        console.say(f"note: {note}")


def _simulator(lockfile: Lockfile, loaded: LoadedManifest, flags: Mapping[str, Any]) -> Any:
    return simulator_app(lockfile, loaded, faults=flags["faults"], seed=flags["seed"] or 0)


def _nothing_to_do(confirmed: ConfirmedPlan, inputs: RunInputs, look: FolderSnapshot) -> Outcome | None:
    """Return the outcome of a run that finds everything as it should be, None where there may be work."""
    plan, found = confirmed.plan, inputs.loaded
    if plan.spends:
        return None
    check_origins(found.lockfile.renders, plan.providers, os.environ)
    return nothing_to_do(confirmed, inputs, up_to_date(plan, inputs, look))


def _check_flags(flags: Mapping[str, Any]) -> None:
    check_live(flags)
    if flags["faults"] and not flags["simulate"]:
        raise click.UsageError("--faults needs --simulate")
    if flags["seed"] is not None and not flags["faults"]:
        raise click.UsageError("--seed needs --faults")
    if (flags["webhook_url"] is None) is not (flags["webhook_port"] is None):
        raise click.UsageError("--webhook-url and --webhook-port need each other")
    _webhooks(flags)
    check_consent(flags)


def _webhooks(flags: Mapping[str, Any]) -> "WebhookTarget | None":
    """Return where webhooks are received; only the command line says so, never a manifest."""
    if flags["webhook_url"] is None:
        return None
    from kbatch.runner.webhooks.target import WebhookTarget  # noqa: PLC0415 - only where they are wanted

    return WebhookTarget(url=flags["webhook_url"], port=flags["webhook_port"], host=flags["webhook_host"])


def _as_saved(saved: SavedPlan, flags: dict[str, Any]) -> dict[str, Any]:
    """Return the flags with what the saved plan says; flags that would choose other jobs are refused."""
    for name in ("only", "exclude", "labels", "failed", "first", "replace", "cascade", "profile", "simulate"):
        if flags[name] not in (None, False, ()):
            raise click.UsageError(f"a saved plan says itself what is run: leave out --{name.rstrip('s')}")
    return {**flags, "profile": saved.profile, "simulate": saved.simulated, "live": flags["live"] or saved.live}


def report(outcome: Outcome, loaded: LoadedManifest, form: str) -> int:
    """Print a run's result, data on stdout and messages on stderr; return its exit code, closed streams or not."""
    with unheard():
        _print_end(outcome)
    result = json.dumps(as_json(outcome), indent=2, ensure_ascii=False) if form == "json" else None
    heard = result is None or put(result)
    with unheard():
        console.show_counts(outcome.counts, _verdict(outcome))
        for said in _absent(outcome):
            console.say(f"  {said}")
        clips = f", clips under {loaded.folder / loaded.settings.output_dir}" if _has_clips(outcome) else ""
        console.say(f"  lockfile {outcome.lockfile}{clips}")
    return outcome.exit_code if heard else ExitCode.worst((outcome.exit_code, ExitCode.NOT_AS_ASKED))


def _absent(outcome: Outcome) -> Iterator[str]:
    """Yield which reused clips are not at their places, by what is there instead."""
    missing = [address for address, what in outcome.absent.items() if what == NOT_HERE]
    altered = [address for address in outcome.absent if address not in missing]
    for addresses, what in ((missing, "not here"), (altered, "not as the receipt says")):
        if addresses:
            more = f" and {len(addresses) - _SHOWN:,} more" if len(addresses) > _SHOWN else ""
            names = ", ".join(addresses[:_SHOWN])
            are = "is" if len(addresses) == 1 else "are"
            clips = count(len(addresses), "reused clip")
            yield f"{clips} {are} {what}: {names}{more}; `kbatch pull` fetches what lacks"


def _has_clips(outcome: Outcome) -> bool:
    here = (JobEnd.DONE, JobEnd.REUSED, JobEnd.DELIVERED_WRONG)
    return any(end in here and address not in outcome.absent for address, end in outcome.ends.items())


def _print_end(outcome: Outcome) -> None:
    for address, reason in outcome.reasons.items():
        if outcome.ends[address] not in (JobEnd.DONE, JobEnd.REUSED):
            console.say(f"  {outcome.ends[address].value.replace('_', ' ')}: {address}: {reason}")
    for said in (*outcome.stopped, *outcome.surprises, *outcome.problems):
        console.say(f"  {said}")
    for one in outcome.charges:
        if one.unexplained:
            amounts = f"planned {one.planned or 0:,}, reported {one.reported or 0:,}, unexplained {one.unexplained:,}"
            console.say(f"  {one.address or one.job_id}: {amounts} {one.provider} credits")
    for provider, settlement in outcome.credits.items():
        unexplained = f", unexplained {settlement.unexplained:,}" if settlement.unexplained else ""
        untold = f"; of {count(settlement.unreported, 'job')} the charge is not known" if settlement.unreported else ""
        console.say(
            f"  {provider}: planned {settlement.planned:,}, reported {settlement.reported:,}, "
            f"refunded {settlement.refunded:,}{unexplained} credits{untold}"
        )


def _verdict(outcome: Outcome) -> str:
    words = verdict(outcome.exit_code)
    return f"{words} (`kbatch reconcile`)" if outcome.exit_code == ExitCode.UNKNOWN else words
