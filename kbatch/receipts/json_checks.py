"""Composable checks of parsed JSON, for the shapes of events and lockfiles.

They are as strict as `schemas/events.schema.json` and `schemas/lockfile.schema.json`; tests compare them. A check
returns None, or raises `ShapeError` with the path to the wrong value. NaN, infinities and floats for integers, even
`5.0`, are refused.

Each check also has a msgspec type of the same shape, which decodes JSON in a tenth of the time. A msgspec type ignores
unknown and duplicate names, so a decoded value counts only when encoding it gives the input again. For all other input
the check decides and words the error.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from types import GenericAlias
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta, Struct

from kbatch.errors import did_you_mean

Path = tuple[str | int, ...]
Validator = Callable[[Any], None]

_LARGEST = math.nextafter(math.inf, 0)
_MOST = 2**63 - 1


class ShapeError(ValueError):
    """A value of the wrong shape; `path` leads to it from the outermost object."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def within(self, step: str | int) -> "ShapeError":
        """Return the error with `step` prepended to its path."""
        return ShapeError(self.message, (step, *self.path))

    def __str__(self) -> str:
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")
        return f"`{where}` {self.message}" if where else self.message


class Check(Struct, frozen=True):
    """A callable check of a value; `msgspec_type` is None when no type expresses the same shape."""

    validate: Validator
    msgspec_type: Any = None

    def __call__(self, value: Any) -> None:
        """Raise ShapeError when the value has another shape."""
        self.validate(value)


def _as(msgspec_type: Any) -> Callable[[Validator], Check]:
    return lambda validate: Check(validate, msgspec_type)


@_as(Any)
def anything(value: Any) -> None:
    """Accept every JSON value."""


@_as(str)
def text(value: Any) -> None:
    """Accept a string, the empty one too."""
    if type(value) is not str:
        raise ShapeError("must be a string")


@_as(Annotated[str, Meta(min_length=1)])
def nonempty_text(value: Any) -> None:
    """Accept a string that is not empty."""
    if type(value) is not str or not value:
        raise ShapeError("must be a string that is not empty")


@_as(bool)
def boolean(value: Any) -> None:
    """Accept true and false."""
    if type(value) is not bool:
        raise ShapeError("must be true or false")


@_as(Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[float, Meta(ge=0)])
def number(value: Any) -> None:
    """Accept a number that is not negative and that a float can hold."""
    if type(value) not in (int, float) or not 0 <= value <= _LARGEST:
        raise ShapeError("must be a number, at least 0")


def integer(least: int = 0) -> Check:
    """Accept an integer from `least` to 2**63 - 1: larger ones overflow in later arithmetic."""

    @_as(Annotated[int, Meta(ge=least, le=_MOST)])
    def check(value: Any) -> None:
        if type(value) is not int or value < least:
            raise ShapeError(f"must be a whole number, at least {least}")
        if value > _MOST:
            raise ShapeError(f"must be a whole number, at most {_MOST}")

    return check


def nullable(inner: Check) -> Check:
    """Accept null and what `inner` accepts."""
    validate = inner.validate

    @_as(inner.msgspec_type and inner.msgspec_type | None)
    def check(value: Any) -> None:
        if value is not None:
            validate(value)

    return check


def text_or(inner: Check) -> Check:
    """Accept null, a string, and the objects that `inner` accepts."""
    validate = inner.validate

    @_as(inner.msgspec_type and inner.msgspec_type | str | None)
    def check(value: Any) -> None:
        if value is not None and type(value) is not str:
            validate(value)

    return check


def one_of(words: Collection[str]) -> Check:
    """Accept one of these strings."""
    known = frozenset(map(str, words))

    @_as(Literal[tuple(map(str, words))])
    def check(value: Any) -> None:
        if type(value) is not str or value not in known:
            raise ShapeError("must be one of " + ", ".join(f"`{word}`" for word in words))

    return check


def matching(pattern: str, what: str) -> Check:
    """Accept a string that the whole pattern matches; `what` names it in error messages."""
    matches = re.compile(pattern).fullmatch

    @_as(Annotated[str, Meta(pattern=rf"\A(?:{pattern})\Z")])
    def check(value: Any) -> None:
        if type(value) is not str or matches(value) is None:
            raise ShapeError(f"must be {what}")

    return check


_YEAR = r"(?:19[7-9][0-9]|[2-8][0-9]{3})"
_LEAP = r"(?=[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[357][26])00)"
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
MOMENT = rf"(?:{_YEAR}-{_DAY}|{_LEAP}{_YEAR}-02-29)T{_TIME}Z"
"""A valid timestamp from 1970 to 8999, so that adding a wait cannot overflow."""

moment = matching(MOMENT, "a time in UTC that the calendar has and that ends in Z")
storable_text = matching(r"[^\x00\ud800-\udfff]+", "a text without NUL and half surrogate pairs, and not empty")
"""A path or an id, which must be usable in a file name and in a URL."""

digest = matching(r"[0-9a-f]{64}", "a SHA-256 in 64 hex digits")


def list_of(inner: Check) -> Check:
    """Accept a list whose items `inner` accepts."""
    validate = inner.validate

    @_as(inner.msgspec_type and GenericAlias(list, (inner.msgspec_type,)))
    def check(value: Any) -> None:
        if type(value) is not list:
            raise ShapeError("must be a list")
        for index, item in enumerate(value):
            try:
                validate(item)
            except ShapeError as error:
                raise error.within(index) from None

    return check


def object_of(inner: Check) -> Check:
    """Accept an object with any names whose values `inner` accepts."""
    validate = inner.validate

    @_as(inner.msgspec_type and GenericAlias(dict, (str, inner.msgspec_type)))
    def check(value: Any) -> None:
        if type(value) is not dict:
            raise ShapeError("must be an object")
        for name, item in value.items():
            try:
                validate(item)
            except ShapeError as error:
                raise error.within(name) from None

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Accept an object with all of these fields, perhaps with the optional ones, and with no other."""
    known = {name: check.validate for name, check in {**required, **(optional or {})}.items()}

    @_as(_record_type(required, optional or {}))
    def check(value: Any) -> None:
        if type(value) is not dict:
            raise ShapeError("must be an object")
        for name, item in value.items():
            validate = known.get(name)
            if validate is None:
                meant = did_you_mean(name, known)
                raise ShapeError(f"is an unknown field ({meant})" if meant else "is an unknown field", (name,))
            try:
                validate(item)
            except ShapeError as error:
                raise error.within(name) from None
        for name in required:
            if name not in value:
                raise ShapeError(f"lacks the field `{name}`")

    return check


def _record_type(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Any:
    if any(check.msgspec_type is None for check in (*required.values(), *optional.values())):
        return None
    fields = {name: check.msgspec_type for name, check in required.items()}
    fields |= {name: NotRequired[check.msgspec_type] for name, check in optional.items()}
    return TypedDict("Record", fields)  # type: ignore[operator]
