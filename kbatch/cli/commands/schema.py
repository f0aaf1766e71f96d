"""`kbatch schema NAME`: prints a JSON Schema that kbatch publishes."""

import click

from kbatch.models.editor_schema import manifest_schema, schema_text
from kbatch.providers.registry import PACKAGED, full_catalog
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
    click.echo(_manifest() if name == "manifest" else packaged(f"{name}.schema.json").decode(), nl=False)


def _manifest() -> str:
    """Return the manifest's schema with the models of installed plug-ins; it is the packaged file where none is."""
    catalog = full_catalog()
    if PACKAGED.keys() >= set(catalog.providers):
        return packaged("manifest.schema.json").decode()
    return schema_text(manifest_schema(catalog.cards))
