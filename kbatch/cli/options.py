"""Options that several commands share, and the words of the command line turned into values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kbatch.load import DEFAULT_MANIFEST

Function = TypeVar("Function", bound=Callable[..., Any])

manifest = click.argument("manifest", default=DEFAULT_MANIFEST, type=click.Path(path_type=Path))
profile = click.option("--profile", metavar="NAME", help="Lay this profile of the manifest over it.")
lockfile = click.option(
    "--lockfile", type=click.Path(path_type=Path), help="Use this lockfile instead of the one beside the manifest."
)
simulate = click.option("--simulate", is_flag=True, help="Use the simulator, its lockfile and its outputs; costs nothing.")
max_jobs = click.option(
    "--max-jobs", type=click.IntRange(min=1), default=10_000, show_default=True, metavar="N",
    help="Refuse a matrix that makes more jobs.",
)  # fmt: skip


def format_choice(*names: str) -> Callable[[Function], Function]:
    """Return the `--format` option with these formats, the first one the default."""
    return click.option("--format", "form", type=click.Choice(names), default=names[0], show_default=True)


def selection(function: Function) -> Function:
    """Add the flags that choose jobs: GLOBs over addresses, labels, failures, the first N purchases."""
    flags = (
        click.option("--only", multiple=True, metavar="GLOB", help="Only these jobs (`*`, `?`, or a shot's id)."),
        click.option("--exclude", multiple=True, metavar="GLOB", help="Not these jobs; counts after --only."),
        click.option("--label", "labels", multiple=True, metavar="K=V", help="Only jobs with this label or axis value."),
        click.option("--failed", is_flag=True, help="Only jobs whose last attempt failed, refused ones too."),
        click.option("--first", type=click.IntRange(min=0), metavar="N", help="Only the first N purchases: a canary."),
        click.option("--replace", multiple=True, metavar="GLOB", help="Buy these again, though they are paid."),
    )
    for flag in reversed(flags):
        function = flag(function)
    return function


def state(function: Function) -> Function:
    """Add the flags of commands that read state."""
    for flag in (simulate, lockfile, profile):
        function = flag(function)
    return function
