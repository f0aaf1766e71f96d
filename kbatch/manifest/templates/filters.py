"""The filters and methods that templates may use: those on a list, none that pads, formats or reaches into Python."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2.filters import FILTERS
from jinja2.runtime import LoopContext

from kbatch.manifest.matrix.labels import slug
from kbatch.manifest.templates.undefined import as_text
from kbatch.manifest.templates.work_budget import bound

_OF_TEXTS = ("capitalize", "lower", "title", "trim", "truncate", "upper", "urlencode", "wordcount")
_OF_ANY = (
    "abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last", "length", "list",
    "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique",
)  # fmt: skip
DEEP = frozenset(("dictsort", "groupby", "max", "min", "sort", "tojson", "unique"))
"""Filters that walk through all of their value."""

METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        ("capitalize", "casefold", "count", "endswith", "find", "isalnum", "isalpha", "isdecimal", "isdigit", "islower",
         "isnumeric", "isspace", "istitle", "isupper", "lower", "lstrip", "partition", "removeprefix", "removesuffix",
         "rfind", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title",
         "upper")
    ),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index", "grouper", "list")),
    LoopContext: frozenset(
        ("changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length", "nextitem", "previtem",
         "revindex", "revindex0")
    ),
}  # fmt: skip


def filters() -> dict[str, Callable[..., Any]]:
    """Return all filters by name, not metered yet."""
    own: dict[str, Callable[..., Any]] = {
        "join": _join, "replace": _replace, "round": _round, "slug": _slug, "string": as_text, "sum": _sum,
        "tojson": _tojson,
    }  # fmt: skip
    return {name: FILTERS[name] for name in _OF_ANY} | {name: _of_text(FILTERS[name]) for name in _OF_TEXTS} | own


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a filter take text only; Jinja's would convert any value."""
    position = 1 if hasattr(function, "jinja_pass_arg") else 0

    def filtered(*args: Any, **kwargs: Any) -> Any:
        if len(args) > position:
            args = (*args[:position], as_text(args[position]), *args[position + 1 :])
        return function(*args, **kwargs)

    if position:
        filtered.jinja_pass_arg = function.jinja_pass_arg  # type: ignore[attr-defined]
    return filtered


def _join(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    texts: list[str] = []
    size = 0
    for value in values:
        texts.append(as_text(value[attribute] if attribute is not None else value))
        size += len(texts[-1]) + len(separator)
        bound(size)
    return separator.join(texts)


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    source = as_text(text)
    found = source.count(old) if count < 0 else min(count, source.count(old))
    bound(len(source) + found * (len(new) - len(old)))
    return source.replace(old, new, count)


def _round(value: Any, precision: int = 0, method: str = "common") -> float:
    if method not in ("common", "ceil", "floor"):
        raise ValueError("`round` takes the methods common, ceil and floor")
    if abs(precision) > 15:
        raise ValueError("`round` takes a precision of at most 15 digits")
    if method == "common":
        return round(float(value), precision)
    scale: float = 10.0**precision
    return (math.ceil if method == "ceil" else math.floor)(float(value) * scale) / scale


def _slug(value: Any) -> str:
    return slug(as_text(value))


def _sum(values: Iterable[Any], attribute: str | None = None, start: int = 0) -> Any:
    total: Any = start
    for value in values:
        part = value[attribute] if attribute is not None else value
        if not is_number(part):
            raise TypeError("`sum` is for numbers only")
        total += part
    return total


def _tojson(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def is_number(value: Any) -> bool:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
