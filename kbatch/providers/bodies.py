"""The JSON of an answer's body, read as far as it goes: what is not needed may be wrong without hiding the rest.

Tolerated are a byte order mark, bytes before and after the object, line ends inside a text, and numbers that JSON
cannot write (`NaN`, `1e400`, ten thousand digits), each of which is read as null. Where one name stands twice, both
values are kept (`Twice`). An object that breaks off, or is damaged in the middle, has the members before the damage.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import Any

_MOST_DIGITS = 64
_LONGEST_LEAD = 20
_SPACE = re.compile(r"[ \t\n\r]*")
_JUNK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufffd\ufeff]*")


class Twice(list[Any]):
    """The values of a name that occurs more than once in an object, so that none of them counts."""


def read_object(body: bytes, *, exact: bool = False) -> dict[str, Any] | None:
    """Return the one whole JSON object of a body, None for anything else; `exact` reads decimals as `Decimal`."""
    text = _text(body)
    found = list(_whole(text, _decoder(exact))) if text.startswith("{") else []
    return found[0] if len(found) == 1 else None


def read_objects(body: bytes) -> list[dict[str, Any]]:
    """Return every object that stands in a body, one after the other or in a list; of a damaged one its beginning."""
    text = _text(body)
    begins = text.find("{", 0, _LONGEST_LEAD)
    if begins > 0 and not text.startswith("["):
        text = text[begins:]
    return list(_whole(text, _decoder(False))) or _beginning(text)


def _text(body: bytes) -> str:
    text = body.decode("utf-8-sig", "replace")
    return text[_end(_JUNK, text, 0) :]


def _whole(text: str, decoder: json.JSONDecoder) -> Iterator[dict[str, Any]]:
    at = 0
    while text[at : at + 1] in ("{", "["):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict))
        at = _end(_JUNK, text, at)


def _beginning(text: str) -> list[dict[str, Any]]:
    """Return the members of an object that are whole and have their comma: a number may go on where a text breaks."""
    decoder, members = _decoder(False), []
    at = 1 if text.startswith("{") else len(text)
    while True:
        at = _end(_SPACE, text, at)
        try:
            name, at = decoder.raw_decode(text, at)
            at = _end(_SPACE, text, at)
            if not isinstance(name, str) or text[at : at + 1] != ":":
                break
            value, at = decoder.raw_decode(text, _end(_SPACE, text, at + 1))
        except (ValueError, RecursionError):
            break
        at = _end(_SPACE, text, at)
        if text[at : at + 1] not in (",", "}"):
            break
        members.append((name, value))
        if text[at] == "}":
            break
        at += 1
    return [_object(members)] if members else []


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in members:
        known = told.get(name)
        if name not in told or known == value:
            told[name] = value
        else:
            told[name] = Twice([*(known if isinstance(known, Twice) else [known]), value])
    return told


@cache
def _decoder(exact: bool) -> json.JSONDecoder:
    number: Callable[[str], Any] = _decimal if exact else _finite
    return json.JSONDecoder(
        object_pairs_hook=_object, parse_float=number, parse_int=_integer, parse_constant=_nothing, strict=False
    )


def _nothing(word: str) -> None:
    return None


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None
