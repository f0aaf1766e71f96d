"""Fields of a request: a strict check with messages, and the same rules as JSON Schema for the OpenAPI document.

Stricter than JSON Schema in one point: `5.0` is no integer and `true` no number, so that tests find a client's mistake
before a provider charges for it.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kbatch.simulator.clips.file_kinds import media_type_of
from kbatch.simulator.exchange import read_json

Complaint = tuple[str, str]
"""A path such as `klingParams.duration`, and the message about it."""

_RATIO = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}", re.ASCII)
_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_LINK = rf"^https?://[A-Za-z0-9._\-]+(:{_PORT})?([/?#][!-~]*)?$"
_DATA_URI = re.compile(r"data:image/[a-z.+-]+;base64,", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestField:
    """One field: `complain` returns the complaints about a value found at a path, `schema` is its JSON Schema."""

    complain: Callable[[object, str], list[Complaint]]
    schema: Mapping[str, Any]
    required: bool = False


def needed(field: RequestField) -> RequestField:
    """Return the same field, required."""
    return RequestField(complain=field.complain, schema=field.schema, required=True)


def record(fields: Mapping[str, RequestField]) -> RequestField:
    """Return an object with exactly these fields; any other key is a complaint at its own path."""

    def complain(value: object, path: str) -> list[Complaint]:
        if not isinstance(value, dict):
            return [(path, f"Expected object, received {_type(value)}")]
        found = []
        for name, field in fields.items():
            at = f"{path}.{name}" if path else name
            if name in value:
                found += field.complain(value[name], at)
            elif field.required:
                found.append((at, "Required"))
        unknown = [key for key in value if key not in fields]
        return found + [(f"{path}.{key}" if path else key, "Unrecognized key") for key in unknown]

    schema = {
        "type": "object",
        "properties": {name: field.schema for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.required],
        "additionalProperties": False,
    }
    return RequestField(complain=complain, schema=schema)


def many(item: RequestField, *, least: int = 0, most: int | None = None) -> RequestField:
    """Return a list of `least` to `most` items; None for any number."""

    def complain(value: object, path: str) -> list[Complaint]:
        if not isinstance(value, list):
            return [(path, f"Expected array, received {_type(value)}")]
        if len(value) < least or (most is not None and len(value) > most):
            return [(path, f"Array must contain at least {least} element(s)" + (f", at most {most}" if most else ""))]
        return [trouble for index, entry in enumerate(value) for trouble in item.complain(entry, f"{path}.{index}")]

    schema = {"type": "array", "items": item.schema, "minItems": least} | ({} if most is None else {"maxItems": most})
    return RequestField(complain=complain, schema=schema)


def integer(low: int, high: int) -> RequestField:
    """Return a whole number from `low` to `high`."""

    def check(value: object) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return f"Expected integer, received {_type(value)}"
        return None if low <= value <= high else f"Number must be from {low} to {high}"

    return _field(check, {"type": "integer", "minimum": low, "maximum": high})


def number(low: float | None = None, high: float | None = None) -> RequestField:
    """Return a number within bounds, both included."""

    def check(value: object) -> str | None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return f"Expected number, received {_type(value)}"
        if (low is not None and value < low) or (high is not None and value > high):
            return f"Number must be from {low} to {high}"
        return None

    bounds = {"minimum": low, "maximum": high}
    return _field(check, {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}})


def text(least: int = 0, most: int | None = None) -> RequestField:
    """Return a string of `least` to `most` characters, counted as code points."""

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return f"Expected string, received {_type(value)}"
        if len(value) < least:
            return f"String must contain at least {least} character(s)"
        return None if most is None or len(value) <= most else f"String must contain at most {most} character(s)"

    return _field(check, {"type": "string", "minLength": least} | ({} if most is None else {"maxLength": most}))


def choice(*options: str | int) -> RequestField:
    """Return one of the values written; `True` is not 1 here, nor `5.0` 5."""

    def check(value: object) -> str | None:
        if any(type(value) is type(option) and value == option for option in options):
            return None
        return f"Expected one of {', '.join(repr(option) for option in options)}"

    kind = "integer" if isinstance(options[0], int) else "string"
    return _field(check, {"type": kind, "enum": list(options)})


def flag() -> RequestField:
    """Return true or false."""
    return _field(
        lambda value: None if isinstance(value, bool) else f"Expected boolean, received {_type(value)}",
        {"type": "boolean"},
    )


def ratio() -> RequestField:
    """Return `W:H`, each of one to four digits, as the Apiframe pages write it."""
    return _field(
        lambda value: None if isinstance(value, str) and _RATIO.fullmatch(value) else 'Expected "W:H", such as "16:9"',
        {"type": "string", "pattern": "^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$"},
    )


def matching(pattern: re.Pattern[str], form: str) -> RequestField:
    """Return a text that a pattern matches as a whole; `form` is the pattern in words."""
    return _field(
        lambda value: None if isinstance(value, str) and pattern.fullmatch(value) else f"Expected {form}",
        {"type": "string", "pattern": pattern.pattern},
    )


def link() -> RequestField:
    """Return an http or https URL; a `data:` URI is none."""
    return _field(
        lambda value: None if isinstance(value, str) and is_link(value) else "Invalid URL",
        {"type": "string", "pattern": _LINK},
    )


def image() -> RequestField:
    """Return a URL, or an image in base64, bare or as a `data:` URI."""

    def check(value: object) -> str | None:
        if isinstance(value, str) and (is_link(value) or image_bytes(value) is not None):
            return None
        return "Expected an image URL or a Base64-encoded image"

    return _field(check, {"type": "string", "pattern": _LINK})


def anything_in_an_object() -> RequestField:
    """Return an object whose content is not documented."""
    return _field(
        lambda value: None if isinstance(value, dict) else f"Expected object, received {_type(value)}",
        {"type": "object"},
    )


def text_of_json(inner: RequestField) -> RequestField:
    """Return a string of JSON whose value `inner` accepts."""

    def complain(value: object, path: str) -> list[Complaint]:
        if not isinstance(value, str):
            return [(path, f"Expected string, received {_type(value)}")]
        try:
            document = read_json(value.encode("utf-8", "surrogatepass"))
        except ValueError:
            return [(path, "Expected a string that holds JSON")]
        return inner.complain(document, path)

    schema = {"type": "string", "contentMediaType": "application/json", "contentSchema": inner.schema}
    return RequestField(complain=complain, schema=schema)


def is_link(value: str) -> bool:
    """Return whether this is an http or https URL in ASCII, with a host and without spaces."""
    return "\n" not in value and re.match(_LINK, value) is not None


def image_bytes(value: str) -> bytes | None:
    """Return the image in a `data:` URI or in bare base64, None when there is none that is known."""
    head = _DATA_URI.match(value)
    try:
        data = base64.b64decode(value[head.end() :] if head else value, validate=True)
    except (binascii.Error, ValueError):
        return None
    media_type = media_type_of(data)
    return data if media_type is not None and media_type.startswith("image/") else None


def _field(check: Callable[[object], str | None], schema: Mapping[str, Any]) -> RequestField:
    def complain(value: object, path: str) -> list[Complaint]:
        message = check(value)
        return [] if message is None else [(path, message)]

    return RequestField(complain=complain, schema=schema)


def _type(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
