"""`kbatch approve`: records that a person agrees to a saved plan; buys nothing and needs no network."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins
from msgspec.structs import replace

from kbatch.cli.options import duration, format_choice
from kbatch.cli.ui import console
from kbatch.cli.ui.console import say
from kbatch.errors import Invalid, Problem, Refused
from kbatch.pipeline.approvals.record import ApprovalTerms, approvals_path, make_approval, record_approval
from kbatch.pipeline.saved_plans import lockfile_of, manifest_of, read_plan_file
from kbatch.planner.approval.approving import approved_maximum, check_age
from kbatch.planner.approval.saved_plan import SavedPlan
from kbatch.planner.ceilings import read_limits
from kbatch.providers.registry import NAMES
from kbatch.receipts.approvals.approval import Approval
from kbatch.report.data.format import count, harmless
from kbatch.report.text import saved_text
from kbatch.runner.preflight.provenance import person_of
from kbatch.storage import size_of

_EXAMPLES = """\b
Examples:
  kbatch plan campaign.yaml --out plan.json
  kbatch approve plan.json --sign ~/.ssh/id_ed25519
  kbatch approve plan.json --max-credits 400 --expires 3d --note "as agreed on Monday"
"""


@click.command("approve", epilog=_EXAMPLES)
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--max-credits", multiple=True, metavar="[PROVIDER=]N", help="Approve at most this; refuse a plan above.")
@click.option("--expires", type=duration, default="24h", show_default=True, metavar="TIME", help="For how long.")
@click.option("--max-age", type=duration, metavar="TIME", help="Refuse a plan that was saved longer ago.")
@click.option("--sign", type=click.Path(path_type=Path), metavar="KEY", help="Sign it with this SSH key, as git does.")
@click.option("--note", default="", metavar="TEXT", help="What the record says beside.")
@click.option(
    "--lockfile", type=click.Path(path_type=Path), help="The plan's lockfile, where it is not named like one."
)
@format_choice("text", "json")
def command(plan: Path, form: str, lockfile: Path | None, max_age: timedelta | None, **flags: Any) -> None:
    """Approve exactly the saved PLAN: who, when, up to what and until when, beside its lockfile.

    Prints the digest that is approved. The record covers each purchase of the plan once, at its price; `kbatch run
    MANIFEST --approved` needs one. TIME is such as 90m, 24h or 3d.
    """
    saved = _read(plan)
    lockfile = _lockfile(saved, manifest_of(saved, plan), lockfile)
    now = datetime.now(UTC)
    if max_age is not None:
        check_age(saved.document.get("made_at"), now, max_age)
    terms = ApprovalTerms(maximum=_maximum(saved, flags["max_credits"]), lasts=flags["expires"], note=flags["note"])
    approval = make_approval(saved, terms, person_of(os.environ, lockfile.parent), now)
    for line in saved_text.lines(saved.document, str(plan)):
        say(harmless(line))
    recorded = record_approval(lockfile, approval, flags["sign"])
    path = approvals_path(lockfile)
    if form == "json":
        console.show_json(_as_json(recorded, path))
    else:
        click.echo(recorded.digest)
    for line in _said(recorded):
        say(harmless(line))
    say(f"recorded in {path}: commit it")


def _read(path: Path) -> SavedPlan:
    saved = read_plan_file(path)
    if saved is None:
        message = f"`{path}` is no saved plan"
        raise Invalid([Problem(code="no-plan", message=message, hint="`kbatch plan MANIFEST --out FILE` saves one")])
    return saved


def _lockfile(saved: SavedPlan, manifest: Path, chosen: Path | None) -> Path:
    """Return the plan's lockfile; Refused when a plan, perhaps a stranger's, leads the record elsewhere."""
    if size_of(manifest) is None:
        message = f"there is no manifest `{manifest}`, which the plan is of"
        raise Invalid([Problem(code="file-not-found", message=message, hint="approve a plan where its manifest is")])
    found = lockfile_of(saved, manifest, chosen)
    if chosen is None and not found.resolve().is_relative_to(manifest.parent.resolve()):
        message = f"the plan's lockfile {found} is not below its manifest's folder"
        raise Refused("other-folder", message, hint=f"`--lockfile {found}` says that it is meant")
    return found


def _maximum(saved: SavedPlan, words: tuple[str, ...]) -> dict[str, int]:
    ceilings, problems = read_limits(tuple(saved.document["totals"]), words, NAMES)
    if problems:
        raise Invalid(problems)
    return approved_maximum(saved, ceilings)


def _said(approval: Approval) -> Iterator[str]:
    """Yield what was approved, in words."""
    most = " and ".join(f"{credits:,} credits of {provider}" for provider, credits in approval.maximum.items())
    yield f"approved by {approval.by.label}: {count(len(approval.plan.jobs), 'purchase')}, at most {most}"
    yield f"until {approval.expires_at}, by the clock of the machine that runs it"


def _as_json(approval: Approval, path: Path) -> dict[str, Any]:
    shown = to_builtins(replace(approval, seal=None, signature=None))
    jobs = len(approval.plan.jobs)
    return {
        "id": approval.id,
        **{key: value for key, value in shown.items() if key != "plan"},
        "jobs": jobs,
        "file": str(path),
    }
