"""`kbatch init`: a small manifest that checks, plans and simulates, and the schema by which editors complete it."""

import re
from contextlib import suppress
from pathlib import Path

import click

from kbatch.cli.ui.console import say
from kbatch.errors import Invalid, Problem
from kbatch.manifest.matrix.labels import slug
from kbatch.pipeline.editor_schema_file import editor_schema_file
from kbatch.pipeline.load import DEFAULT_MANIFEST
from kbatch.pipeline.simulation import can_simulate
from kbatch.storage import write_new

_EXAMPLES = """\b
Examples:
  kbatch init
  kbatch init campaigns/spring
"""

_LONGEST_NAME = 100
_PLAIN = re.compile(r"(?!(?:true|false|null)$)[a-z][a-z0-9_.-]*")
"""What YAML reads as a text without quotes; a year is a number."""
SCHEMA = "manifest.schema.json"
MANIFEST = """\
# yaml-language-server: $schema=manifest.schema.json
# A campaign: one shot in two cities and two lights, and one shot alone.
# `kbatch plan` shows what it costs, `kbatch run --simulate --yes` (extra `sim`) rehearses it for nothing.
kbatch: 1
name: NAME
provider: apiframe
vars:
  brand: Solstice
defaults:
  model: kling-2.5-turbo-pro
  params: {duration: 5, aspect_ratio: 16:9}
budget:
  max_credits: {apiframe: 100}
shots:
  - id: hero
    prompt: "{{ brand }} on a ridge above {{ city }}, {{ light }}, slow dolly in"
    matrix:
      city: [Lisbon, Tokyo]
      light: [golden hour, blue hour]
  - id: logo
    model: kling-3.0
    prompt: "the word {{ brand }} forming from sand"
    params: {duration: 3, mode: standard, generate_audio: false}
"""


@click.command("init", epilog=_EXAMPLES)
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Write DIR/kbatch.yaml, a small manifest named after DIR, and the schema for editors beside it.

    A manifest that is there already is left alone, and so is a schema.
    """
    path, schema = folder / DEFAULT_MANIFEST, folder / SCHEMA
    try:
        _write_new(path, MANIFEST.replace("NAME", _name_of(folder)).encode())
    except FileExistsError:
        hint = "remove it, or name another folder"
        raise Invalid([Problem(code="already-there", message=f"`{path}` exists", hint=hint)]) from None
    with suppress(FileExistsError):
        _write_new(schema, editor_schema_file())
    click.echo(path)
    say(f"next: kbatch plan {path}")
    missing = "" if can_simulate() else "; that needs the extra `sim`, which is not installed"
    say(f"then: kbatch run {path} --simulate --yes{missing}")


def _write_new(path: Path, data: bytes) -> None:
    try:
        write_new(path, data)
    except FileExistsError:
        raise
    except OSError as error:
        message = f"`{path}` cannot be written: {error.strerror}"
        raise Invalid([Problem(code="not-writable", message=message)]) from error


def _name_of(folder: Path) -> str:
    """Return the name as YAML: the folder's as a slug where that can be one, quoted unless it is plain."""
    name = slug(folder.resolve().name)
    if len(name) > _LONGEST_NAME or not re.search(r"\w", name) or name.startswith("."):
        return "my-campaign"
    return name if _PLAIN.fullmatch(name) else f'"{name}"'
