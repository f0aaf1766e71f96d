"""`kbatch schema NAME`: prints a JSON Schema that kbatch publishes."""

from pathlib import Path

import click

from kbatch.cli.options import models
from kbatch.pipeline.editor_schema_file import editor_schema_file
from kbatch.storage import packaged

NAMES = ("manifest", "lockfile", "approvals", "plan", "events", "model-card", "sidecar", "claim", "budgets")
_EXAMPLES = """\b
Examples:
  kbatch schema manifest > manifest.schema.json
  kbatch schema lockfile
  kbatch schema manifest --models models > manifest.schema.json   # with cards of your own
"""


@click.command("schema", epilog=_EXAMPLES)
@click.argument("name", type=click.Choice(NAMES), metavar="NAME")
@models
def command(name: str, models: Path | None) -> None:
    """Print the JSON Schema (draft 2020-12) of NAME.

    NAME is manifest, lockfile, approvals, plan, events, model-card, sidecar, claim or budgets.

    An editor with a YAML language server completes and checks a manifest whose first line is

    \b
      # yaml-language-server: $schema=manifest.schema.json
    """
    schema = editor_schema_file(models) if name == "manifest" else packaged(f"{name}.schema.json")
    click.echo(schema.decode(), nl=False)
