"""Formats of values for people: counts, credits, times, and harmless foreign text."""

import re
from collections.abc import Mapping, Sequence

from kbatch.errors import ExitCode

_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
_BREAK = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_COMMAND = r"(?i):(?=:(?:add-|debug|echo|endgroup|error|group|notice|remove-|save-|set-|stop-|warning))|#(?=#\w*\[)"
"""Commands of a CI log: `::error …::` at the beginning of a line, `##[error]` or `##vso[` anywhere."""

_VERDICTS: Mapping[int, str] = {
    ExitCode.OK: "finished",
    ExitCode.NOT_AS_ASKED: "finished, not all as asked",
    ExitCode.UNKNOWN: "finished, with unknown outcomes",
    ExitCode.PROVIDER: "stopped by a provider",
    ExitCode.INTERRUPTED: "interrupted, the same command resumes",
}


def harmless(text: str) -> str:
    """Return text as one line that does nothing: no line breaks, escapes, direction overrides or commands of a log.

    All foreign text is printed in this form. A line break or tab becomes a space, other control characters and half
    surrogate pairs U+FFFD.

    >>> harmless("late\\n::error::forged ##[group]")
    'late : :error::forged # #[group]'
    """
    return harmless_lines(_BREAK.sub(" ", text))


def harmless_lines(text: str) -> str:
    """Return text as `harmless` does, its line feeds kept: for pages and tables, where they make no line of a log."""
    if text.isprintable() and "::" not in text and "##" not in text:
        return text
    return re.sub(_COMMAND, _apart, printable(text))


def printable(text: str) -> str:
    """Return text whose control characters, line feeds apart, are U+FFFD, and whose tabs are spaces."""
    return re.sub(_CONTROL, "\N{REPLACEMENT CHARACTER}", text.replace("\t", " "))


def _apart(found: re.Match[str]) -> str:
    return f"{found[0]} "


def harmless_json(text: str) -> str:
    """Return JSON with the same value, in which no log finds a command."""
    if not text.isascii():
        text = re.sub(_CONTROL, lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.replace("##", "#\\u0023") if "##" in text else text


def one_line(text: str, limit: int = 200) -> str:
    """Return text on one line, harmless, cut to `limit` characters with an ellipsis."""
    flat = " ".join(harmless(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 job`, `12,000 jobs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def amount(credits: int | None, unit: str = "credits") -> str:
    """Return credits with their unit; an unknown price is said, never 0."""
    return "price unknown" if credits is None else f"{credits:,} {unit}"


def short_digest(digest: str) -> str:
    """Return the beginning of a digest, enough to recognise it by: `sha256:6fcd229f4830…`."""
    return f"{digest[:19]}…" if len(digest) > 19 else digest


def short_model(model: str) -> str:
    """Return a model's name without its family, where it is a path: `v2.1/pro/image-to-video`."""
    return model.partition("/")[2] or model


def span(shortest_s: int, longest_s: int) -> str:
    """Return a time span for people: `40 s`, `3–9 min`, `1–2 h`."""
    for size, unit in ((3600, "h"), (60, "min")):
        if longest_s >= 2 * size or longest_s == size:
            low, high = max(1, shortest_s // size), -(-longest_s // size)
            return f"{high} {unit}" if low == high else f"{low}–{high} {unit}"
    return f"{longest_s} s" if shortest_s == longest_s else f"{shortest_s}–{longest_s} s"


def listed(words: Sequence[str], most: int = 5) -> str:
    """Return words joined by commas, the rest counted."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most:,} more"


def verdict(exit_code: int) -> str:
    """Return how a run ended, by its exit code."""
    return _VERDICTS.get(exit_code, "ended")
