"""Undefined values and forbidden attributes of templates."""

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.utils import missing

from kbatch.manifest.templates import value_text
from kbatch.manifest.templates.value_text import kind_of


class UndefinedName(Exception):
    """A template used an undefined name: `name` was looked up in `known` (None when that is not a mapping)."""

    def __init__(self, name: str, known: tuple[str, ...] | None, holder: str) -> None:
        super().__init__(name)
        self.name = name
        self.known = known
        self.holder = holder


class Forbidden(SecurityError):
    """A template used a forbidden attribute; `allowed` are the attributes that it may use."""

    def __init__(self, name: str, holder: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"`{name}` of {holder} is not allowed in a template")
        self.name = name
        self.allowed = allowed


class UndefinedValue(StrictUndefined):
    """An undefined value that raises `UndefinedName`, with the known names, whenever it is used."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = UndefinedError) -> None:
        if exc is not UndefinedError:
            super().__init__(hint, obj, name, exc)
            return
        known = tuple(map(str, obj)) if isinstance(obj, Mapping) else None
        holder = "" if obj is missing else kind_of(obj)
        said = f"[{name}]" if isinstance(obj, list | tuple | range) else str(name)

        def raise_what(_message: Any = None) -> UndefinedName:
            return UndefinedName(said, known, holder)

        super().__init__(hint, obj, name, raise_what)  # type: ignore[arg-type]


def as_text(value: Any) -> str:
    """Return a value as text: an undefined one raises, or is empty for an `if` without `else`."""
    return str(value) if isinstance(value, Undefined) else value_text.as_text(value)
