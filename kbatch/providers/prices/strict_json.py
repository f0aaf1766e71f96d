"""Strict reading of a price list's JSON: every number exact, no name twice, no constant that JSON does not have."""

import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any

MOST_BYTES = 4 * 1024 * 1024
"""More than either list has with all its models; a longer answer is not read."""

_MOST_DIGITS = 40
_LARGEST = 10**12
LONGEST_NAME = 200


class Misread(ValueError):
    """A part of a list that is not of the documented form, in words."""


def read_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object that is the whole body; Misread for anything else."""
    if len(body) > MOST_BYTES:
        raise Misread(f"it is longer than {MOST_BYTES:,} bytes")
    try:
        found = json.loads(
            body.decode("utf-8"),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except Misread:
        raise
    except (ValueError, RecursionError) as error:
        raise Misread("it is no JSON") from error
    if not isinstance(found, dict):
        raise Misread("it is no JSON object")
    return found


def amount(value: Any, what: str) -> Fraction:
    """Return a number from 0 to a million million, exactly as written, also as a text; Misread for others."""
    if isinstance(value, str):
        value = _number(value) if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit() else None
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value <= _LARGEST:
        raise Misread(f"`{what}` is no amount")
    return Fraction(value)


def positive(value: Any, what: str) -> Fraction:
    """Return an amount above 0: a price of nothing is no price."""
    found = amount(value, what)
    if not found:
        raise Misread(f"`{what}` is 0")
    return found


def name(value: Any, what: str) -> str:
    """Return a text of at most 200 characters; Misread for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise Misread(f"`{what}` is no name")
    return value


def entries(document: Mapping[str, Any], key: str, most: int) -> list[dict[str, Any]]:
    """Return the objects of a list; Misread where one is none, or where they are too many."""
    found = document.get(key)
    if not isinstance(found, list) or len(found) > most or not all(isinstance(one, dict) for one in found):
        raise Misread(f"`{key}` is no list of at most {most:,} objects")
    return found


def digest(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a model's prices, whatever the order of their names."""
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(text.encode("ascii")).hexdigest()


def _number(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS:
        raise Misread("a number has too many digits")
    return Decimal(text)


def _constant(word: str) -> Any:
    raise Misread(f"it has `{word}`, which is no JSON")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise Misread("a name occurs twice in an object")
    return found
