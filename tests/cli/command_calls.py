"""Calls a kbatch command in this process, as a shell in a folder would, and keeps what it printed."""

import io
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from kbatch.cli.main import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a command ended with: its exit code and what it printed."""

    code: int
    out: str
    err: str


def call(folder: Path, *words: str | os.PathLike[str]) -> Called:
    """Run `kbatch WORDS` in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([os.fspath(word) for word in words])
    return Called(code=int(ended.value.code or 0), out=out.getvalue(), err=err.getvalue())
