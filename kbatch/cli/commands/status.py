"""`kbatch status`: what is bought, running, owed, unknown and expiring; needs no network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kbatch.cli.options import format_choice, manifest, max_jobs, state
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console
from kbatch.cli.ui.console import say
from kbatch.report.data import status
from kbatch.storage import size_of

_EXAMPLES = """\b
Examples:
  kbatch status campaign.yaml
  kbatch status campaign.yaml --simulate
  kbatch status campaign.yaml --format json
"""


@click.command("status", epilog=_EXAMPLES)
@manifest
@state
@max_jobs
@format_choice("text", "json")
def command(manifest: Path, form: str, **flags: Any) -> None:
    """Show what is bought, running, owed, unknown and expiring of MANIFEST (kbatch.yaml), without a network."""
    loaded = load_manifest(manifest, flags)
    path = chosen_lockfile(manifest, flags)
    loaded, found = with_state(loaded, path)
    renders = found.lockfile.renders
    paths = {receipt.output.path for receipt in renders.values() if receipt.output is not None}
    here = frozenset(path for path in paths if size_of(loaded.folder / path) is not None)
    jobs = [(job.address, job.fingerprint) for job in loaded.jobs]
    result = status.read_status(jobs, renders, here, datetime.now(UTC))
    for note in found.notes:
        say(f"note: {note}")
    if form == "json":
        console.show_json(status.as_json(result))
    else:
        console.show_lines(lambda _width: ([(line, "")] for line in status.lines(result)), stderr=False)
