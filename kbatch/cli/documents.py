"""Writes a command's documents: to a file, written whole, to a device or pipe, or to stdout for `-`.

One rule for all output flags, checked before anything is sent or written: an output is no input and no paid file, no
two outputs are the same, and an empty name or a folder is refused.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from kbatch.cli.protected_paths import ProtectedPaths, places_of
from kbatch.errors import Invalid, Problem
from kbatch.manifest.outputs import same_file
from kbatch.storage import LinkRefused, descriptor_of, is_replaced, put, resolve

STDOUT = "-"
_ON_STDOUT = Path("/dev/stdout")


def path_of(target: str) -> Path:
    """Return the path that an output's name stands for: `-` is stdout."""
    return _ON_STDOUT if target == STDOUT else Path(target)


def is_stdout(target: str) -> bool:
    """Whether an output goes to stdout, by whichever name."""
    return descriptor_of(path_of(target)) == 1


def is_whole(target: str) -> bool:
    """Whether an output is a file that can be replaced again, and no stream that is written once."""
    path = path_of(target)
    try:
        return is_replaced(path)
    except OSError:
        return True


def check_outputs(targets: Mapping[str, str | None], taken: ProtectedPaths, *, stdout: bool = False) -> None:
    """Raise Invalid for outputs that may not be written, all at once; `stdout` says that it is used already.

    `targets` are names as they were typed, by flag; None stands for a flag that was not given.
    """
    problems = []
    used = {"stdout": "what the command prints"} if stdout else {}
    for flag, target in targets.items():
        if target is None:
            continue
        fault = _fault(target, taken)
        if fault is None:
            place = "stdout" if is_stdout(target) else same_file(next(places_of(Path(target))))
            if used.setdefault(place, flag) != flag and (place == "stdout" or is_replaced(Path(target))):
                fault = ("two-outputs", f"{used[place]} and `{flag} {target}` have one target")
        if fault is not None:
            code, message = fault
            problems.append(Problem(code=code, message=message, hint=f"give {flag} another name"))
    if problems:
        raise Invalid(problems)


def _fault(target: str, taken: ProtectedPaths) -> tuple[str, str] | None:
    """Return code and message of what is wrong with one output."""
    if not target.strip():
        return "bad-output", "an output with an empty name goes nowhere"
    path = path_of(target)
    if descriptor_of(path) is not None:
        return None
    try:
        resolve(path)
        replaced = is_replaced(path)
    except LinkRefused as error:
        return "link-refused", f"`{error.filename}` {error.strerror}"
    except IsADirectoryError:
        return "bad-output", f"`{target}` is a folder"
    except (OSError, ValueError) as error:
        return "bad-output", f"`{target}` cannot be written: {getattr(error, 'strerror', None) or error}"
    if target.endswith(("/", os.sep)):
        return "bad-output", f"`{target}` is a folder"
    what = taken.what(path)
    if what is not None and replaced:
        return "would-overwrite", f"`{target}` is {what}"
    return None


def write_output(target: str, text: str) -> None:
    """Write a document where the user wants it; a usage error when it cannot be written there."""
    if target == STDOUT:
        click.echo(text, nl=False)
        return
    try:
        sys.stdout.flush()  # `/dev/stdout` may be the same
        put(Path(target), text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise click.FileError(target, error.strerror or str(error)) from error
