"""`kbatch explain`: all about one job, from the line of each value to the reason of its action."""

from pathlib import Path
from typing import Any

import click

from kbatch.cli import completion
from kbatch.cli.options import format_choice, manifest, max_jobs, state
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console
from kbatch.cli.ui.console import say, width_of
from kbatch.pipeline.make_plan import make_plan
from kbatch.planner.selection import Selection
from kbatch.report.data import explain
from kbatch.report.data.format import harmless
from kbatch.report.data.value_origins import Texts
from kbatch.report.text import explain_text

_EXAMPLES = """\b
Examples:
  kbatch explain campaign.yaml hero
  kbatch explain campaign.yaml 'hero[city=lisbon,light=dusk]@2'
  kbatch explain campaign.yaml 'hero[city=lisbon]' --profile draft --format json
"""


@click.command("explain", epilog=_EXAMPLES)
@manifest
@click.argument("address", shell_complete=completion.addresses)
@state
@max_jobs
@format_choice("text", "json")
def command(manifest: Path, address: str, form: str, **flags: Any) -> None:
    """Explain the job ADDRESS of MANIFEST: its request, where each value came from, price, identity and action.

    A shot's id is enough where the shot has one job. Nothing is sent.
    """
    loaded = load_manifest(manifest, flags)
    job = explain.find_job(loaded.jobs, address)
    path = chosen_lockfile(manifest, flags)
    loaded, found = with_state(loaded, path)
    for note in found.notes:
        say(f"note: {note}")
    entries = {entry.address: entry for entry in make_plan(loaded, found, Selection()).plan.entries}
    texts = Texts(document=loaded.document, profile=flags["profile"], read=loaded.tree.read)
    receipt = found.lockfile.renders.get(job.fingerprint)
    explained = explain.explain(entries[job.address], entries, texts, receipt)
    if form == "json":
        console.show_json(explain.as_json(explained))
        return
    for line in explain_text.lines(explained, width=min(width_of(stderr=False), 100)):
        click.echo(harmless(line))
