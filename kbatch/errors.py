"""Errors: marks, problems, the exception tree, exit codes.

A user's mistake is a `Problem`: a value with a position, a stable code and a hint, collected so that all are reported
at once. Everything else is an exception of this tree, raised with its full message:

    KbatchError
    ├── Invalid          2   problems found in a manifest or in the command line's words
    ├── StateUnreadable  2   a lockfile or journal that cannot be read is never taken for empty
    ├── Unreadable       2   a file that the manifest names is missing, too large or outside its tree
    ├── Refused          3   stopped before anything was spent; `code` says which rule
    ├── ProviderStopped  5   a provider stopped the run: key, credits, unreachable balance
    ├── Unwritable       1   this machine's disk is full, or refuses to be written
    └── Bug              70  a state that must not occur
        └── IllegalTransition  70  an event that the state of a job's attempt does not allow

This module does not depend on files, manifests or terminals.
"""

from collections.abc import Iterable
from enum import IntEnum, StrEnum

from msgspec import Struct


class ExitCode(IntEnum):
    """The exit code of a command; of several results the one listed first in `worst` wins."""

    OK = 0
    NOT_AS_ASKED = 1
    USAGE = 2
    REFUSED = 3
    UNKNOWN = 4
    PROVIDER = 5
    BUG = 70
    INTERRUPTED = 130

    @staticmethod
    def worst(codes: Iterable["ExitCode"]) -> "ExitCode":
        """Return the most serious code: 70, 130, 5, 4, 1, then the refusals 2 and 3, which never occur with these."""
        found = set(codes)
        order = (70, 130, 5, 4, 1, 2, 3)
        return next((ExitCode(code) for code in order if code in found), ExitCode.OK)


class Severity(StrEnum):
    """An error stops the command; a warning is reported only."""

    ERROR = "error"
    WARNING = "warning"


class Mark(Struct, frozen=True, kw_only=True):
    """A position in a text: `line` and `column` count from 1, in characters; `width` is the length of the underline."""

    file: str
    line: int
    column: int
    width: int = 1
    source: str = ""


class Hit(Struct, frozen=True, kw_only=True):
    """Which jobs a problem is about: `hit` of the shot's `of` jobs, the first one by address."""

    hit: int
    of: int
    first: str


class Problem(Struct, frozen=True, kw_only=True):
    """One mistake in a user's input; `code` is stable and kebab-case, `message` has no full stop."""

    code: str
    message: str
    mark: Mark | None = None
    hint: str | None = None
    severity: Severity = Severity.ERROR
    jobs: Hit | None = None

    @property
    def fatal(self) -> bool:
        """Whether this stops the command."""
        return self.severity is Severity.ERROR


class Complaint(Struct, frozen=True, kw_only=True):
    """A problem before its mark is known: `field` is its path in the shot, such as `("params", "duration")`.

    `on_key` puts the mark on the key and not on its value.
    """

    code: str
    field: tuple[str | int, ...]
    message: str
    hint: str | None = None
    on_key: bool = False
    severity: Severity = Severity.ERROR

    @property
    def fatal(self) -> bool:
        """Whether this stops the command."""
        return self.severity is Severity.ERROR


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, or None when none is close enough to be meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - 1 ms of a start, for a word that is wrong

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the hint "did you mean `x`?", else the list of what is known when it is short, else None."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if names and len(names) <= 12:
        return "known: " + ", ".join(f"`{name}`" for name in names)
    return None


class KbatchError(Exception):
    """The base of all errors that kbatch raises; `hint` is separate from the message."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Invalid(KbatchError):
    """The user's input is wrong; nothing was sent and nothing was written."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.message for problem in self.problems))


class StateUnreadable(KbatchError):
    """A lockfile, journal or saved plan cannot be read as what it should be; the message has file and line."""

    exit_code = ExitCode.USAGE


class Unreadable(KbatchError):
    """A file that the manifest names cannot be used; `code` is that of the problem that its reader makes of it."""

    exit_code = ExitCode.USAGE

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Refused(KbatchError):
    """A rule stopped the command before anything was spent; `code` names the rule, such as `over-ceiling`."""

    exit_code = ExitCode.REFUSED

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class ProviderStopped(KbatchError):
    """A provider stopped the run: it refused the key, the credits ran out, or its balance cannot be asked."""

    exit_code = ExitCode.PROVIDER


class Unwritable(KbatchError):
    """The disk is full or not writable; existing files are unchanged."""

    exit_code = ExitCode.NOT_AS_ASKED

    @classmethod
    def of(cls, error: OSError) -> "Unwritable":
        """Return the error for an OSError, with the file that it names."""
        message = f"{error.filename or 'the disk'}: {error.strerror or error}"
        return cls(message, hint="mend it; the same command goes on")


class Bug(KbatchError):
    """A state that must not occur; please report it."""

    exit_code = ExitCode.BUG


class IllegalTransition(Bug):
    """An event that the state of a job's attempt does not allow; the message names job, state and event."""
