"""Handles broken standard streams: closed ones, a terminal that is gone, a pipe without a reader.

A command's exit code says what it did, so a stream in trouble must not change it; only a result that was to go to
stdout and did not get there counts.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import NoReturn

import click

from kbatch.report.data.format import harmless_json

_LOST = (OSError, ValueError)
"""What Python makes of a stream that cannot be written: a ValueError when it is closed."""


def open_closed() -> None:
    """Lead streams that the caller has closed nowhere; else the next file that is opened would take their place.

    What a library says on stderr would then stand in the journal.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def speak_utf8() -> None:
    """Write UTF-8 wherever no terminal shows the text, whatever the locale or `PYTHONIOENCODING` says.

    JSON, HTML and JUnit say that they are UTF-8; in a pipe on Windows Python's own choice has no arrow. A terminal
    keeps its encoding. What cannot be encoded, such as half a surrogate pair or a byte of a file's name, is written as
    its escape, which JSON reads back.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with unheard():
                encoding = stream.encoding if stream.isatty() else "utf-8"
                stream.reconfigure(encoding=encoding, errors="backslashreplace")


@contextmanager
def unheard() -> Iterator[None]:
    """Ignore write errors of messages when stderr has no reader any more."""
    with suppress(*_LOST):
        yield


def put(text: str) -> bool:
    """Write JSON to stdout; False when it did not get there, though a reader who has left had enough of it."""
    try:
        click.echo(harmless_json(text))
    except BrokenPipeError:
        return True
    except _LOST:
        return False
    return True


def let_go() -> None:
    """Give up what could not be written, since Python tries again at its end and then makes up an exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except _LOST:
            with suppress(*_LOST):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def end(code: int) -> NoReturn:
    """End the process here: taking 100,000 jobs apart before the system takes all memory back lasts a second.

    What is to be on the disk is there by now, and no thread is left that anyone waits for.
    """
    let_go()
    os._exit(code)
