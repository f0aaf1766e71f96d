"""Places of invalid values in a JSON text: repeated names, numbers that cannot be sent, half characters.

Python's reader reports such a value without its place, so the text is walked once more, token by token.
"""

import json
import math
import re
from collections.abc import Iterator

from msgspec import Struct

DEPTH_LIMIT = 100
_LONGEST_NUMBER = 4_300
"""Digits of a whole number that Python reads."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|-?Infinity|NaN|-?\d[\d.eE+-]*')


class JsonFault(Struct, frozen=True):
    """A fault at an offset of the text, in characters; `width` is its number of characters."""

    code: str
    message: str
    at: int
    width: int
    hint: str | None = None


class _Level(Struct):
    """An object or list that is open: `names` are those of an object so far, None for a list."""

    names: set[str] | None
    expects_name: bool


def json_faults(text: str) -> Iterator[JsonFault]:
    """Yield all faults of a text whose syntax is right, in their order; nothing after nesting that is too deep."""
    levels: list[_Level] = []
    for token in _TOKEN.finditer(text):
        word, at = token.group(), token.start()
        if word in "{[":
            levels.append(_Level(set() if word == "{" else None, word == "{"))
            if len(levels) > DEPTH_LIMIT:
                yield JsonFault("too-deep", f"nested deeper than {DEPTH_LIMIT} levels", at, 1)
                return
        elif word in "}]":
            levels = levels[:-1]
        elif word in ",:":
            if levels and levels[-1].names is not None:
                levels[-1].expects_name = word == ","
        else:
            fault = _fault(word, at, levels[-1] if levels else None)
            if fault is not None:
                yield fault


def _fault(word: str, at: int, level: _Level | None) -> JsonFault | None:
    if not word.startswith('"'):
        return _number_fault(word, at)
    text: str = json.loads(word, strict=False)
    if level is not None and level.names is not None and level.expects_name:
        if text in level.names:
            hint = "only one can count: remove the other"
            return JsonFault("duplicate-key", f"`{text}` occurs twice in one object", at, len(word), hint)
        level.names.add(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        hint = "write the character itself, or both of its escapes"
        return JsonFault("not-unicode", "a text has half a character (a lone surrogate)", at, len(word), hint)
    return None


def _number_fault(word: str, at: int) -> JsonFault | None:
    shown = word if len(word) <= 40 else word[:39] + "…"
    if word.lstrip("-").isdigit():
        if len(word.lstrip("-")) <= _LONGEST_NUMBER:
            return None
        hint = "quotes make it a text"
        return JsonFault("bad-number", f"`{shown}` has more digits than can be read", at, len(word), hint)
    if math.isfinite(float(word)):
        return None
    message = f"`{shown}` cannot be read: neither infinity nor NaN can be sent to a provider"
    return JsonFault("bad-number", message, at, len(word), "leave the field out, or write a text")
