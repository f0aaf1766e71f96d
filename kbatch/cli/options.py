"""Options that several commands share, and the words of the command line turned into values."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from kbatch.cli import completion
from kbatch.errors import did_you_mean
from kbatch.pipeline.load import DEFAULT_MANIFEST, MOST_JOBS
from kbatch.planner.selection import Selection
from kbatch.providers.account_keys import is_account_name
from kbatch.providers.registry import NAMES

Function = TypeVar("Function", bound=Callable[..., Any])

CHOOSING = ("only", "exclude", "labels", "failed", "first", "replace", "cascade")
"""The parameters of `selection`."""

manifest = click.argument("manifest", default=DEFAULT_MANIFEST, type=click.Path(path_type=Path))
profile = click.option(
    "--profile", metavar="NAME", shell_complete=completion.profiles, help="Lay this profile of the manifest over it."
)
lockfile = click.option(
    "--lockfile", type=click.Path(path_type=Path), help="Use this lockfile instead of the one beside the manifest."
)
simulate = click.option(
    "--simulate", is_flag=True, help="Use the simulator, its lockfile and its outputs; costs nothing."
)
models = click.option(
    "--models",
    envvar="KBATCH_MODELS",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Use the model cards of this folder too; they win over the packaged ones. A manifest cannot name it.",
)
max_jobs = click.option(
    "--max-jobs", type=click.IntRange(min=1), default=MOST_JOBS, show_default=True, metavar="N",
    help="Refuse a matrix that makes more jobs.",
)  # fmt: skip

junit = click.option(
    "--junit", metavar="FILE", help="Write JUnit XML: one testcase a job, however the command ends."
)  # fmt: skip
budgets = click.option(
    "--budgets", envvar="KBATCH_BUDGETS", type=click.Path(path_type=Path), metavar="FILE",
    help="Hold the envelopes of this file, over many manifests. A manifest cannot name it.",
)  # fmt: skip
account = click.option(
    "--account", "accounts", multiple=True, metavar="[PROVIDER=]NAME",
    help="This account, whose key is in …_API_KEY_NAME; `default` is the plain variable.",
)  # fmt: skip


def duration(word: str) -> timedelta:
    """Return the time of a word such as `90m`, `24h` or `3d`: at most ten years, which the calendar has."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})([mhd])", word, re.ASCII)
    time = timedelta(minutes=int(found[1]) * {"m": 1, "h": 60, "d": 1440}[found[2]]) if found else None
    if time is None or time > timedelta(days=3650):
        raise click.BadParameter(f"`{word}` is not a time such as 90m, 24h or 3d")
    return time


def format_choice(*names: str) -> Callable[[Function], Function]:
    """Return the `--format` option with these formats, the first one the default."""
    return click.option("--format", "form", type=click.Choice(names), default=names[0], show_default=True)


def choice(function: Function) -> Function:
    """Add the flags that name jobs: GLOBs over addresses, and labels."""
    return _with(
        function,
        click.option(
            "--only",
            multiple=True,
            metavar="GLOB",
            shell_complete=completion.selectors,
            help="Only these jobs (`*`, `?`, or a shot's id).",
        ),
        click.option(
            "--exclude",
            multiple=True,
            metavar="GLOB",
            shell_complete=completion.selectors,
            help="Not these jobs; counts after --only.",
        ),
        click.option(
            "--label", "labels", multiple=True, metavar="K=V", help="Only jobs with this label or axis value."
        ),
    )


def live(function: Function) -> Function:
    """Add `--live`, which asks the providers' public price lists."""
    words = "Ask the public price lists: refuse what they contradict or cannot confirm, price what only they price."
    return click.option("--live", is_flag=True, help=words)(function)


def check_live(flags: Mapping[str, Any]) -> None:
    """Raise UsageError for a simulated plan with live prices: it pays nothing."""
    if flags["live"] and flags["simulate"]:
        raise click.UsageError("--live asks what real runs pay: leave out --simulate")


def selection(function: Function) -> Function:
    """Add the flags that choose jobs: those of `choice`, failures, the first N purchases, what is bought again."""
    return choice(
        _with(
            function,
            click.option("--failed", is_flag=True, help="Only jobs whose last attempt failed, refused ones too."),
            click.option(
                "--first", type=click.IntRange(min=0), metavar="N", help="Only the first N purchases: a canary."
            ),
            click.option(
                "--replace",
                multiple=True,
                metavar="GLOB",
                shell_complete=completion.selectors,
                help="Buy these again, though they are paid.",
            ),
            click.option("--cascade", is_flag=True, help="With --replace: the jobs that need their frames too."),
        )
    )


def _with(function: Function, *flags: Callable[[Function], Function]) -> Function:
    for flag in reversed(flags):
        function = flag(function)
    return function


def refuse_given(names: Iterable[str], why: str) -> None:
    """Raise UsageError when one of these parameters stands on the command line, where it would change nothing."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            flag = next(max(one.opts, key=len) for one in context.command.params if one.name == name)
            raise click.UsageError(f"{flag} {why}")


def state(function: Function) -> Function:
    """Add the flags of commands that read state."""
    for flag in (models, simulate, lockfile, profile):
        function = flag(function)
    return function


def read_selection(flags: Mapping[str, Any]) -> Selection:
    """Return the selection that the flags of `choice` or `selection` make."""
    labels = []
    for word in flags["labels"]:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"`{word}` is not K=V", param_hint="--label")
        labels.append((key, value))
    if flags.get("cascade") and not flags["replace"]:
        raise click.UsageError("--cascade needs --replace")
    return Selection(
        only=flags["only"],
        exclude=flags["exclude"],
        labels=tuple(labels),
        failed=flags.get("failed", False),
        first=flags.get("first"),
        replace=flags.get("replace", ()),
        cascade=flags.get("cascade", False),
    )


def read_accounts(words: tuple[str, ...]) -> dict[str | None, dict[str, int]]:
    """Return accounts by provider from `bob` and `apiframe=bob`, all of one weight; a bare name stands under None."""
    found: dict[str | None, dict[str, int]] = {}
    for word in words:
        provider, _, name = word.rpartition("=")
        if not is_account_name(name):
            message = f"`{word}` is no account's name: the key of `bob` is in APIFRAME_API_KEY_BOB"
            raise click.BadParameter(message, param_hint="--account")
        if provider and provider not in NAMES:
            hint = did_you_mean(provider, NAMES) or ""
            raise click.BadParameter(f"`{word}` names no provider: {hint}", param_hint="--account")
        found.setdefault(provider or None, {})[name] = 1
    return found


def read_concurrency(words: tuple[str, ...]) -> dict[str | None, int]:
    """Return jobs at once by provider from `8` and `apiframe=8`; a bare number stands under None."""
    found: dict[str | None, int] = {}
    for word in words:
        provider, _, number = word.rpartition("=")
        if not (number.isascii() and number.isdigit() and int(number) > 0):
            raise click.BadParameter(f"`{word}` is not a number of jobs", param_hint="--concurrency")
        if provider and provider not in NAMES:
            hint = did_you_mean(provider, NAMES) or ""
            raise click.BadParameter(f"`{word}` names no provider: {hint}", param_hint="--concurrency")
        found[provider or None] = int(number)
    return found
