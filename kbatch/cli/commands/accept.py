"""`kbatch accept`: accepts clips that were delivered-wrong or are stale; buys nothing and needs no network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kbatch.cli.options import format_choice, max_jobs, state
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console
from kbatch.cli.ui.console import say
from kbatch.pipeline.load import DEFAULT_MANIFEST
from kbatch.pipeline.load_state import lock_path
from kbatch.pipeline.make_plan import make_plan
from kbatch.pipeline.record_facts import record
from kbatch.planner.approval.acceptance import Acceptance, accept
from kbatch.planner.selection import Selection
from kbatch.receipts.event_data import AcceptedAsIs
from kbatch.receipts.events import Fact
from kbatch.report.data.format import harmless
from kbatch.storage import Lock

_EXAMPLES = """\b
Examples:
  kbatch accept campaign.yaml 'hero[city=oslo]'
  kbatch accept campaign.yaml 'hero[city=oslo]' 'reveal[city=oslo]@2' --format json
"""


@click.command("accept", epilog=_EXAMPLES)
@click.argument("words", nargs=-1, required=True, metavar="[MANIFEST] ADDRESS...")
@click.option("--break-lock", is_flag=True, help="Take over from a run on another host that no longer lives.")
@state
@max_jobs
@format_choice("text", "json")
def command(words: tuple[str, ...], break_lock: bool, form: str, **flags: Any) -> None:
    """Keep clips of MANIFEST (kbatch.yaml) that were delivered-wrong or are stale: no reminder, no purchase.

    ADDRESS is a job as `kbatch plan` shows it. Exits with 3 when there is nothing to accept.
    """
    manifest, addresses = _split(words)
    loaded = load_manifest(manifest, flags)
    path = chosen_lockfile(manifest, flags)
    with Lock(lock_path(path), break_foreign=break_lock):
        loaded, found = with_state(loaded, path)
        entries = make_plan(loaded, found, Selection()).plan.entries
        accepted = accept(addresses, entries, found.lockfile.renders)
        record([_fact(one) for one in accepted if not one.before], found, path)
    if form == "json":
        console.show_json(_as_json(accepted, path))
        return
    for one in accepted:
        click.echo(harmless(f"{'accepted before' if one.before else 'accepted'}: {one.address} ({one.why})"))
    say(f"lockfile {path}")


def _split(words: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """Return manifest and addresses: the first word is a manifest when it is the name of a YAML file."""
    if words[0].lower().endswith((".yaml", ".yml")):
        if len(words) == 1:
            raise click.UsageError("which job? say its ADDRESS as `kbatch plan` shows it")
        return Path(words[0]), words[1:]
    return Path(DEFAULT_MANIFEST), words


def _fact(one: Acceptance) -> Fact:
    return Fact(fingerprint=one.fingerprint, attempt=one.attempt, data=AcceptedAsIs(job_id=one.job_id or ""))


def _as_json(accepted: Sequence[Acceptance], path: Path) -> dict[str, Any]:
    shown = [
        {
            "address": one.address,
            "fingerprint": one.fingerprint,
            "job_id": one.job_id,
            "why": one.why,
            "accepted_before": one.before,
        }
        for one in accepted
    ]
    return {"accepted": shown, "lockfile": str(path)}
