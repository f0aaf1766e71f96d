"""Whether a value fits a JSON Schema, found in one walk and without a library to load: most values are right.

A yes is certain. A no is not: a keyword that is not known here, or a value that would need a closer look, is for
`strictness` to judge, which also words what is wrong. Without it `kbatch plan` of the quickstart takes 1.2 times the
CPU time, since jsonschema is loaded at each start; `tests/manifest/test_fast_check.py` holds every yes to jsonschema's.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Fit = Callable[[Any], bool]

_PART = "#/$defs/"


def fit_of(schema: Mapping[str, Any]) -> Fit:
    """Return a function that is True only for values that the schema accepts, as strictly as `strict` reads it.

    >>> fits = fit_of({"type": "integer", "minimum": 1})
    >>> fits(1), fits(0), fits(1.0), fits(True)
    (True, False, False, False)
    """
    return _Parts(schema.get("$defs", {})).read(schema)


class _Parts:
    """The parts that a schema refers to by name, each read when it is first met."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        self._written = written
        self._read: dict[str, Fit] = {}

    def named(self, reference: str) -> Fit:
        """Return a part that is read when a value comes to it, since parts may hold themselves."""
        name = reference.removeprefix(_PART)
        if not reference.startswith(_PART) or name not in self._written:
            return _unsure

        def fits(value: Any) -> bool:
            if name not in self._read:
                self._read[name] = self.read(self._written[name])
            return self._read[name](value)

        return fits

    def read(self, schema: Mapping[str, Any] | bool) -> Fit:
        """Return a schema's check; annotations add none, `true` accepts everything."""
        if isinstance(schema, bool):
            return lambda _value: schema
        fits = [self._keyword(name, schema) for name in schema if name not in _DESCRIBING]
        return fits[0] if len(fits) == 1 else lambda value: all(fit(value) for fit in fits)

    def _keyword(self, name: str, schema: Mapping[str, Any]) -> Fit:
        wanted = schema[name]
        match name:
            case "$ref":
                return self.named(wanted)
            case "anyOf":
                options = [self.read(option) for option in wanted]
                return lambda value: any(fit(value) for fit in options)
            case "items":
                each = self.read(wanted)
                return lambda value: not isinstance(value, list) or all(map(each, value))
            case "propertyNames":
                each = self.read(wanted)
                return lambda value: not isinstance(value, dict) or all(map(each, value))
            case "properties":
                return _fields({key: self.read(part) for key, part in wanted.items()})
            case "additionalProperties":
                return _others(frozenset(schema.get("properties", ())), self.read(wanted))
            case _:
                return _PLAIN[name](wanted) if name in _PLAIN else _unsure


def _unsure(_value: Any) -> bool:
    return False


def _fields(fields: Mapping[str, Fit]) -> Fit:
    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        return all(fields[key](part) for key, part in value.items() if key in fields)

    return fits


def _others(known: frozenset[str], rest: Fit) -> Fit:
    def fits(value: Any) -> bool:
        return not isinstance(value, dict) or all(rest(part) for key, part in value.items() if key not in known)

    return fits


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


_KINDS: Mapping[str, Fit] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_whole,
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def _kind(wanted: str | Sequence[str]) -> Fit:
    if isinstance(wanted, str):
        return _KINDS.get(wanted, _unsure)
    kinds = [_KINDS.get(name, _unsure) for name in wanted]
    return lambda value: any(kind(value) for kind in kinds)


def _one_of(allowed: Sequence[Any]) -> Fit:
    """Accept identical values only; `strict` decides whether 5.0 is 5."""
    return lambda value: any(type(value) is type(each) and bool(value == each) for each in allowed)


def _size(kind: type[Any], holds: Callable[[int], bool]) -> Fit:
    return lambda value: not isinstance(value, kind) or holds(len(value))


def _amount(holds: Callable[[Any], bool]) -> Fit:
    return lambda value: not _is_number(value) or holds(value)


def _excludes(wanted: Mapping[str, Any]) -> Fit:
    """Accept a value that is no mapping with all these fields; any other `not` would need a certain no."""
    if wanted.keys() != {"type", "required"} or wanted["type"] != "object":
        return _unsure
    names = wanted["required"]
    return lambda value: not (isinstance(value, dict) and all(name in value for name in names))


_PLAIN: Mapping[str, Callable[[Any], Fit]] = {
    "type": _kind,
    "const": lambda wanted: _one_of([wanted]),
    "enum": _one_of,
    "pattern": lambda wanted: lambda value: not isinstance(value, str) or re.fullmatch(wanted, value) is not None,
    "minLength": lambda wanted: _size(str, lambda size: size >= wanted),
    "maxLength": lambda wanted: _size(str, lambda size: size <= wanted),
    "minItems": lambda wanted: _size(list, lambda size: size >= wanted),
    "maxItems": lambda wanted: _size(list, lambda size: size <= wanted),
    "minProperties": lambda wanted: _size(dict, lambda size: size >= wanted),
    "maxProperties": lambda wanted: _size(dict, lambda size: size <= wanted),
    "minimum": lambda wanted: _amount(lambda value: value >= wanted),
    "maximum": lambda wanted: _amount(lambda value: value <= wanted),
    "exclusiveMinimum": lambda wanted: _amount(lambda value: value > wanted),
    "required": lambda wanted: lambda value: not isinstance(value, dict) or all(name in value for name in wanted),
    "not": _excludes,
}

_DESCRIBING = frozenset(
    (
        "$schema", "$defs", "title", "description", "examples", "default", "source", "form", "default_by", "since",
        "contentMediaType", "contentSchema",
    )
)  # fmt: skip
"""Keywords without effect on validity: annotations of JSON Schema, and the keywords that cards add."""
