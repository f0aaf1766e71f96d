"""`kbatch pull`: collects what is already paid, also clips that a fresh clone lacks; it never submits."""

from pathlib import Path
from typing import Any

import click

from kbatch.cli.collect import Collection, collect
from kbatch.cli.options import account, choice, format_choice, junit, manifest, max_jobs, state
from kbatch.planner.actions import Action
from kbatch.runner.context import RunOptions

_EXAMPLES = """\b
Examples:
  kbatch pull campaign.yaml
  kbatch pull campaign.yaml --wait              # until everything that renders has ended
  kbatch pull campaign.yaml --allow-host media.example.com
  kbatch pull campaign.yaml --junit pull.xml    # in CI: red where a paid clip is not here
"""
_ACTIONS = frozenset((Action.POLL, Action.DOWNLOAD, Action.REUSE))


@click.command("pull", epilog=_EXAMPLES)
@manifest
@choice
@click.option("--wait", is_flag=True, help="Wait for what is still rendering; else it is asked once.")
@click.option("--allow-host", multiple=True, metavar="HOST", help="Fetch clips from this host though it is refused.")
@account
@click.option("--break-lock", is_flag=True, help="Take over from a run on another host that no longer lives.")
@junit
@state
@max_jobs
@format_choice("text", "json")
def command(manifest: Path, wait: bool, allow_host: tuple[str, ...], **flags: Any) -> int:
    """Poll and download what is already paid of MANIFEST (kbatch.yaml); never submits anything."""
    options = RunOptions(
        buy=False,
        fetch_missing=True,
        allow_hosts=frozenset(allow_host),
        render_deadline_s=RunOptions().render_deadline_s if wait else 0.0,
    )
    return collect(manifest, flags, Collection(actions=_ACTIONS, options=options))
