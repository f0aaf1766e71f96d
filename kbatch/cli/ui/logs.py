"""What `-v` and `KBATCH_LOG` show on stderr: the records of the loggers `kbatch.*`, each as one line.

Rules it keeps: records hold no key, no query of a URL and no body, and this last place strikes out what one might hold
all the same. Only kbatch's own loggers are shown: those of HTTP libraries write headers and whole URLs. Without `-v`
and `KBATCH_LOG` nothing here is loaded.
"""

import logging
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pkgutil import iter_modules

import click

import kbatch
from kbatch._version import DISTRIBUTION, version
from kbatch.cli.ui.streams import unheard
from kbatch.errors import Invalid, Problem, did_you_mean
from kbatch.providers.http.masking import Mask
from kbatch.report.data.format import harmless

ROOT = "kbatch"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_SECRET = re.compile(r"_KEY(_\w+)?")
_QUERY = re.compile(r"(://[^\s?#'\"`<>]+)[?#][^\s'\"`<>]*")
_USER = re.compile(r"://[^\s/@'\"`<>]+@")
_log = logging.getLogger(__name__)


class _Lines(logging.Handler):
    """Writes each record to what stderr is at that moment: a live picture takes its place for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(
            logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-5s %(name)s: %(message)s", "%H:%M:%S")
        )
        secrets = [value.strip() for name, value in os.environ.items() if _SECRET.search(name) and value.strip()]
        self._masks: tuple[Callable[[str], str], ...] = tuple(Mask(secret).words for secret in secrets)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; what a reader has left is lost, and what is done goes on."""
        line = self.format(record)
        for mask in self._masks:
            line = mask(line)
        with unheard():
            click.echo(harmless(_USER.sub("://***@", _QUERY.sub(r"\1?…", line))), err=True)


class _Shown:
    """What is shown at present, and since when."""

    handler: _Lines | None = None
    loggers: tuple[str, ...] = ()
    began_s = 0.0


def begin(wish: str, *, source: str = "KBATCH_LOG") -> None:
    """Show records as `debug`, `kbatch.providers=debug` or several of these with commas say; Invalid for other words.

    Where a logger is named twice the level that shows more counts.
    """
    levels = dict(read_levels(wish, source))
    if _Shown.handler is None:
        _Shown.handler, _Shown.began_s = _Lines(), time.monotonic()
        logging.getLogger(ROOT).addHandler(_Shown.handler)
    for name, level in levels.items():
        logger = logging.getLogger(name)
        logger.setLevel(min(level, logger.level) if name in _Shown.loggers else level)
    _Shown.loggers = tuple({*_Shown.loggers, *levels})
    _log.info("%s %s, Python %s on %s", DISTRIBUTION, version(), platform.python_version(), sys.platform)


def end(code: int) -> None:
    """Say how the command ended, and show nothing more."""
    if _Shown.handler is None:
        return
    _log.info("exit %d after %.3f s", code, time.monotonic() - _Shown.began_s)
    for name in _Shown.loggers:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger(ROOT).removeHandler(_Shown.handler)
    _Shown.handler, _Shown.loggers = None, ()


def read_levels(wish: str, source: str) -> Iterable[tuple[str, int]]:
    """Yield loggers and their levels; Invalid with code `log-level` for a level or a logger that is none."""
    for part in (part.strip() for part in wish.split(",") if part.strip()):
        name, equals, word = part.rpartition("=")
        name = name.strip() if equals else ROOT
        level = LEVELS.get(word.strip().lower())
        if level is None:
            raise _bad(f"{source} holds `{word.strip()}`, which is no level", did_you_mean(word.strip(), LEVELS))
        if not _is_logger(name):
            rooms = [ROOT, *(f"{ROOT}.{room.name}" for room in iter_modules(kbatch.__path__))]
            raise _bad(f"{source} holds `{name}`, and no logger has that name", did_you_mean(name, rooms))
        yield name, level


def _is_logger(name: str) -> bool:
    if name != ROOT and not name.startswith(f"{ROOT}."):
        return False
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _bad(message: str, hint: str | None) -> Invalid:
    return Invalid(
        [Problem(code="log-level", message=message, hint=hint or "such as `info` or `kbatch.providers=debug`")]
    )
