"""Messages for parameter values that do not fit their schema: one complaint per fault, never a validator's own text.

This module only words faults; `parameters` chooses the schema and runs the validator.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kbatch.errors import Bug, Complaint, did_you_mean, nearest
from kbatch.manifest.drafts import Frame
from kbatch.models import problem_codes

if TYPE_CHECKING:
    from kbatch.manifest.schema.strictness import ValidationError

_NOUNS = {
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_YES_NO = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_NUMERAL = {"integer": re.compile(r"[+-]?[0-9]{1,15}"), "number": re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")}


def shown(value: object) -> str:
    """Return a value as messages show it: a text in backticks, cut to 60 characters."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        line = value.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")
        return f"`{line if len(line) <= 60 else line[:59] + '…'}`"
    if isinstance(value, Frame):
        return f"the {value.which} frame of `{value.address}`"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    if isinstance(value, int) and value.bit_length() > 100:
        return "a number of more than 30 digits"
    if isinstance(value, int | float):
        return str(value)
    return "a mapping" if isinstance(value, Mapping) else "a list"


def describe_path(name: str, path: Sequence[str | int] = ()) -> str:
    """Return a path inside a parameter in words: `duration` in item 2 of `multi_prompt`; items count from 1."""
    words = f"`{name}`"
    for step in path:
        words = f"item {step + 1} of {words}" if isinstance(step, int) else f"`{step}` in {words}"
    return words


def describe_accepted(spec: Mapping[str, Any]) -> str | None:
    """Return what a schema accepts, such as "3 to 15" or "`standard` or `pro`"; None for other schemas."""
    if "enum" in spec:
        return " or ".join(shown(value) for value in spec["enum"])
    least, most = spec.get("minimum"), spec.get("maximum")
    if least is not None and most is not None:
        return f"{least} to {most}"
    if least is not None:
        return f"at least {least}"
    return None if most is None else f"at most {most}"


def describe_fault(name: str, error: "ValidationError") -> tuple[Complaint, ...]:
    """Return the complaints about one validation error; a keyword that no card may use is a Bug."""
    path = tuple(error.absolute_path)
    where, field = describe_path(name, path), ("params", name, *path)
    value: Any = error.instance
    spec: Any = error.schema
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            return (_type(where, field, value, spec),)
        case "enum":
            return (_enum(where, field, value, limit),)
        case "minimum" | "maximum":
            message = f"{where} is {shown(value)}; allowed: {describe_accepted(spec)}"
            return (Complaint(code=problem_codes.OUT_OF_RANGE, field=field, message=message),)
        case "maxLength" | "maxItems":
            return (too_long(where, field, value, limit),)
        case "minLength" | "minItems":
            return (Complaint(code=problem_codes.TOO_SHORT, field=field, message=f"{where} {_too_few(value, limit)}"),)
        case "pattern":
            message = f"{where} is {shown(value)}, which is not of the form {spec['form']}"
            hint = "such as " + ", ".join(f"`{example}`" for example in spec["examples"])
            return (Complaint(code=problem_codes.WRONG_FORMAT, field=field, message=message, hint=hint),)
        case "required":
            lacking = [key for key in limit if key not in value]
            return tuple(
                Complaint(code=problem_codes.MISSING_FIELD, field=field, message=f"{where} has no `{key}`")
                for key in lacking
            )
        case "additionalProperties":
            known = spec["properties"]
            return tuple(_unknown_field(where, field, key, known) for key in value if key not in known)
        case other:
            raise Bug(f"no message for the schema keyword {other} of `{name}`")


def too_long(where: str, field: tuple[str | int, ...], value: Sequence[Any], limit: int) -> Complaint:
    """Return the complaint that a text or list exceeds its limit, with both lengths."""
    what = "characters" if isinstance(value, str) else "items"
    message = f"{where} has {len(value):,} {what}, {len(value) - limit:,} more than the {limit:,} allowed"
    return Complaint(code=problem_codes.TOO_LONG, field=field, message=message)


def _too_few(value: Sequence[Any], limit: int) -> str:
    if not value:
        return "is empty"
    return f"has {len(value)} {'characters' if isinstance(value, str) else 'items'}, at least {limit} are needed"


def _enum(where: str, field: tuple[str | int, ...], value: object, allowed: Sequence[Any]) -> Complaint:
    near = nearest(value.lower(), map(str, allowed)) if isinstance(value, str) else None
    return Complaint(
        code=problem_codes.NOT_ALLOWED_VALUE,
        field=field,
        message=f"{where} is {shown(value)}; allowed: {' or '.join(shown(each) for each in allowed)}",
        hint=f"did you mean `{near}`?" if near else None,
    )


def _type(where: str, field: tuple[str | int, ...], value: object, spec: Mapping[str, Any]) -> Complaint:
    kind = spec["type"]
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{where} is {shown(value)}, which cannot be sent"
        return Complaint(code=problem_codes.NOT_FINITE, field=field, message=message, hint=_allowed_hint(spec))
    said = f"the text {shown(value)}" if isinstance(value, str) else shown(value)
    return Complaint(
        code=problem_codes.WRONG_TYPE,
        field=field,
        message=f"{where} must be {_NOUNS[kind]}, not {said}",
        hint=_suggest_value(kind, value) or _allowed_hint(spec),
    )


def _suggest_value(kind: str, value: object) -> str | None:
    """Return a hint with the value that was probably meant, None when there is no safe guess."""
    if kind in _NUMERAL and isinstance(value, str) and _NUMERAL[kind].fullmatch(value.strip()):
        filtered = "int" if kind == "integer" else "float"
        return f"write {value.strip()} without quotes; in a template `| {filtered}` makes a number of a text"
    if kind == "integer" and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"write `{int(value)}`"
    if kind == "boolean" and isinstance(value, str) and value.lower() in _YES_NO:
        return f"write `{_YES_NO[value.lower()]}`"
    if kind == "boolean" and value in (0, 1):
        return f"write `{'true' if value else 'false'}`"
    if kind == "string" and isinstance(value, int | float):
        return f'write it in quotes: "{shown(value)}"'
    return None


def _allowed_hint(spec: Mapping[str, Any]) -> str | None:
    words = describe_accepted(spec)
    return f"allowed: {words}" if words else None


def _unknown_field(where: str, field: tuple[str | int, ...], key: str, known: Mapping[str, Any]) -> Complaint:
    return Complaint(
        code=problem_codes.UNKNOWN_FIELD,
        field=(*field, key),
        message=f"{where} has an unknown field {shown(key)}",
        hint=did_you_mean(key, known),
        on_key=True,
    )
