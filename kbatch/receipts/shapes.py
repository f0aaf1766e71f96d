"""Types of the JSON values in events and lockfiles, and the words for a value that has another shape.

The Structs that use these types are the one definition of a shape: msgspec decodes by them, and the JSON Schemas in
`schemas/` are generated from them. A float for an integer, even `5.0`, is refused.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, ValidationError
from msgspec.structs import fields

from kbatch.errors import did_you_mean

Path = tuple[str | int, ...]
_Shape = TypeVar("_Shape")

_MOST = 2**63 - 1
"""The largest integer: larger ones overflow in later arithmetic."""


def _words(must_be: str) -> dict[str, str]:
    return {"must_be": must_be}


Amount = Annotated[int, Meta(ge=0, le=_MOST, extra=_words("a whole number, at least 0 and below 2^63"))]
Count = Annotated[int, Meta(ge=1, le=_MOST, extra=_words("a whole number, at least 1 and below 2^63"))]
Number = Annotated[
    Annotated[int, Meta(ge=0, le=_MOST)] | Annotated[float, Meta(ge=0)], Meta(extra=_words("a number, at least 0"))
]
NonEmpty = Annotated[str, Meta(min_length=1, extra=_words("a string that is not empty"))]

_END = r"$(?!\n)"  # the end of the string in Python's expressions and in JSON Schema's
_YEAR = r"(?:19[7-9][0-9]|[2-8][0-9]{3})"
_LEAP = r"(?=[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[357][26])00)"
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"

Moment = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_YEAR}-{_DAY}|{_LEAP}{_YEAR}-02-29)T{_TIME}Z{_END}",
        examples=["2026-03-01T09:30:00.250Z"],
        extra=_words("a time in UTC that the calendar has and that ends in Z"),
    ),
]
"""A valid timestamp from 1970 to 8999, so that adding a wait cannot overflow."""

Storable = Annotated[
    str,
    Meta(
        pattern=rf"^[^\u0000\ud800-\udfff]+{_END}",
        extra=_words("a text without NUL and half surrogate pairs, and not empty"),
    ),
]
"""A path or an id, which must be usable in a file name and in a URL."""

EndpointName = Literal["legacy", "v2"]
Endpoint = Annotated[
    EndpointName,
    Meta(description="Which of the provider's endpoints its calls use; without it the first one that kbatch knew"),
]
"""The names that a model card may write too; where an endpoint is stands in the provider's module only."""

Digest = Annotated[str, Meta(pattern=rf"^[0-9a-f]{{64}}{_END}", extra=_words("a SHA-256 in 64 hex digits"))]


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


def shaped(value: Any, shape: type[_Shape]) -> _Shape:
    """Return parsed JSON as a value of this type; ShapeError has the path of the first wrong value."""
    try:
        return msgspec.convert(value, shape)
    except ValidationError as error:
        raise explain(value, shape) or ShapeError(str(error)) from None


def explain(value: Any, shape: Any) -> ShapeError | None:
    """Return the first fault of parsed JSON in its own order, with its path; None when msgspec accepts the value."""
    try:
        msgspec.convert(value, shape)
    except ValidationError:
        pass
    else:
        return None
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is Annotated:
        words = next((meta.extra["must_be"] for meta in arguments[1:] if meta.extra), None)
        return ShapeError(f"must be {words}") if words else explain(value, arguments[0])
    if origin in (Union, UnionType):
        return explain(value, arguments[0])
    if origin is Literal or (isinstance(shape, type) and issubclass(shape, StrEnum)):
        return ShapeError("must be one of " + ", ".join(f"`{word}`" for word in arguments or tuple(shape)))
    if isinstance(value, dict) and isinstance(shape, type) and issubclass(shape, Struct):
        return _explain_fields(value, shape)
    if isinstance(value, dict) and len(arguments) > 1:
        return _first_fault(value.items(), arguments[1])
    if isinstance(value, list) and arguments:
        return _first_fault(enumerate(value), arguments[0])
    return ShapeError(f"must be {_KINDS.get(origin or shape, 'an object')}")


_KINDS: Mapping[Any, str] = {str: "a string", bool: "true or false", list: "a list", tuple: "a list"}


def _first_fault(items: Any, shape: Any) -> ShapeError | None:
    faults = (fault.within(step) for step, item in items if (fault := explain(item, shape)))
    return next(faults, None)


def _explain_fields(value: Mapping[str, Any], shape: type[Struct]) -> ShapeError | None:
    known = {field.encode_name: field for field in fields(shape)}
    for name, item in value.items():
        if name == shape.__struct_config__.tag_field:
            continue
        if name not in known:
            if not shape.__struct_config__.forbid_unknown_fields:
                continue
            meant = did_you_mean(name, known)
            return ShapeError(f"is an unknown field ({meant})" if meant else "is an unknown field", (name,))
        fault = explain(item, known[name].type)
        if fault:
            return fault.within(name)
    missing = next((name for name, field in known.items() if field.required and name not in value), None)
    return ShapeError(f"lacks the field `{missing}`") if missing else None
