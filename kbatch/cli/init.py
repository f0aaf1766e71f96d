"""`kbatch init`: a small manifest that checks, plans and simulates."""

from pathlib import Path

import click

from kbatch.console import say
from kbatch.files import write_new
from kbatch.loading import DEFAULT_MANIFEST
from kbatch.problems import Invalid, Problem
from kbatch.simulated import can_simulate

_EXAMPLES = """\b
Examples:
  kbatch init
  kbatch init campaigns/spring
"""

MANIFEST = """\
# A campaign: one shot in two cities and two lights, and one shot alone.
# `kbatch plan` shows what it costs, `kbatch run --simulate --yes` (extra `sim`) rehearses it for nothing.
kbatch: 1
name: my-campaign
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
    """Write DIR/kbatch.yaml, a small manifest to begin with; an existing one is left alone."""
    path = folder / DEFAULT_MANIFEST
    try:
        write_new(path, MANIFEST.encode())
    except FileExistsError:
        hint = "remove it, or name another folder"
        raise Invalid([Problem(code="already-there", message=f"`{path}` exists", hint=hint)]) from None
    except OSError as error:
        message = f"`{path}` cannot be written: {error.strerror}"
        raise Invalid([Problem(code="not-writable", message=message)]) from error
    click.echo(path)
    say(f"next: kbatch plan {path}")
    missing = "" if can_simulate() else "; that needs the extra `sim`, which is not installed"
    say(f"then: kbatch run {path} --simulate --yes{missing}")
