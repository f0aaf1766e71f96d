"""How values are written for people: counts, credits, times, and text from elsewhere made harmless."""

import re
from collections.abc import Sequence

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def harmless(text: str) -> str:
    """Return text without terminal escapes, control characters and direction overrides; a tab becomes a space."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " "))


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
