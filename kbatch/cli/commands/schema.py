"""`kbatch schema NAME`: prints a JSON Schema that kbatch publishes."""

import click

from kbatch.pipeline.editor_schema_file import editor_schema_file
from kbatch.storage import packaged

NAMES = ("manifest", "lockfile", "plan", "events", "model-card", "sidecar")
_EXAMPLES = """\b
Examples:
  kbatch schema manifest > manifest.schema.json
  kbatch schema lockfile
"""


@click.command("schema", epilog=_EXAMPLES)
@click.argument("name", type=click.Choice(NAMES), metavar="NAME")
def command(name: str) -> None:
    """Print the JSON Schema (draft 2020-12) of NAME: manifest, lockfile, plan, events, model-card or sidecar.

    An editor with a YAML language server completes and checks a manifest whose first line is

    \b
      # yaml-language-server: $schema=manifest.schema.json
    """
    click.echo((editor_schema_file() if name == "manifest" else packaged(f"{name}.schema.json")).decode(), nl=False)
