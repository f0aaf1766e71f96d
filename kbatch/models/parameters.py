"""Checks a shot's parameters against its model's card and fills in the defaults.

Rules it keeps: nothing is converted, clamped or dropped, but for a parameter that only `defaults` brings and that the
model lacks (and, where a profile says so, the shot's own). Prompt and pictures vary from job to job and are left to
`requests`; what remains is remembered by card, so that a plan of many jobs checks each distinct set once.
"""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kbatch.errors import Complaint, did_you_mean, nearest
from kbatch.manifest.drafts import Frame
from kbatch.models import problem_codes
from kbatch.models.cards import Card
from kbatch.models.fingerprint import canonical
from kbatch.models.parameter_messages import place, shown, word
from kbatch.models.rules import broken

_MOST_REMEMBERED = 4096


class Checked(Struct, frozen=True, kw_only=True):
    """What a set of parameters came to: `values` are to be sent, pictures left out of them."""

    values: Mapping[str, Any]
    dropped: tuple[str, ...]
    defaulted: tuple[str, ...]
    complaints: tuple[Complaint, ...]


def check(card: Card, params: Mapping[str, Any], weak: frozenset[str], *, drop_unsupported: bool) -> Checked:
    """Return the checked parameters, from memory when this card has seen the same set before."""
    key = (drop_unsupported, tuple((name, name in weak, _mark(card, name, value)) for name, value in params.items()))
    known: Checked | None = card.checked.get(key)
    if known is None:
        known = _check(card, params, weak, drop_unsupported)
        if len(card.checked) >= _MOST_REMEMBERED:
            card.checked.clear()
        card.checked[key] = known
    return known


def _mark(card: Card, name: str, value: object) -> object:
    """Return what tells values apart in memory: type and value, for a picture only that it is there."""
    if name in card.images:
        return "picture"
    return (type(value), value if isinstance(value, str | int | Frame) else repr(value))


def _check(card: Card, params: Mapping[str, Any], weak: frozenset[str], drop_unsupported: bool) -> Checked:
    lacking = [name for name in params if name not in card.parameters]
    dropped = [name for name in lacking if drop_unsupported or name in weak]
    complaints = [_unknown(card, name) for name in lacking if name not in dropped]
    meant = {nearest(name, card.parameters) for name in lacking if name not in dropped}
    absent = [name for name in card.parameters if name in card.required and name not in params]
    complaints += [_missing(card, name) for name in absent if name not in meant]
    values: dict[str, Any] = {}
    defaulted = []
    for name, spec in card.parameters.items():
        if name in params and name not in card.images:
            values[name], found = _check_one(card, name, params[name])
            complaints += found
        elif name not in params and "default" in spec:
            values[name] = spec["default"]
            defaulted.append(name)
    complaints += _broken_rules(card, {**params, **values}, complaints)
    return Checked(
        values=values, dropped=tuple(dropped), defaulted=tuple(defaulted), complaints=tuple(dict.fromkeys(complaints))
    )


def _check_one(card: Card, name: str, value: Any) -> tuple[Any, list[Complaint]]:
    field = ("params", name)
    if isinstance(value, Frame):
        hint = "pictures here: " + ", ".join(f"`{image}`" for image in card.images)
        message = f"`{name}` of `{card.model}` is not a picture, so it cannot be {shown(value)}"
        return value, [Complaint(code=problem_codes.FRAME_NOT_PICTURE, field=field, message=message, hint=hint)]
    if name in card.contents:
        return _check_content(card, name, value)
    faults = _faults(card.validators[name].iter_errors(value), name)
    if not faults and isinstance(value, str) and not is_unicode(value):
        faults = [not_unicode(field, place(name))]
    return value, faults


def _check_content(card: Card, name: str, value: Any) -> tuple[Any, list[Complaint]]:
    """Check a list that is sent as JSON text; a problem inside a text is marked at the text as a whole."""
    content = _decoded(name, value) if isinstance(value, str) else value
    if isinstance(content, Complaint):
        return value, [content]
    if not isinstance(content, list):
        message = f"`{name}` must be a list or its JSON text, not {shown(content)}"
        return value, [Complaint(code=problem_codes.WRONG_TYPE, field=("params", name), message=message)]
    faults = _faults(card.contents[name].iter_errors(content), name)
    if isinstance(value, str):
        faults = [_at(fault, ("params", name)) for fault in faults]
    if faults:
        return value, faults
    try:
        return canonical(content).decode(), []
    except UnicodeEncodeError:
        return value, [not_unicode(("params", name), place(name))]


def _decoded(name: str, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name stands twice in one object")
        return dict(pairs)

    def finite(constant: str) -> float:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=finite)
    except json.JSONDecodeError as error:
        why = f"it breaks at character {error.pos + 1}"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:
        why = str(error)
    return Complaint(
        code=problem_codes.BAD_JSON,
        field=("params", name),
        message=f"`{name}` does not hold valid JSON: {why}",
        hint=f"write `{name}` as a YAML list; kbatch makes the JSON text of it",
    )


def _faults(errors: Any, name: str) -> list[Complaint]:
    """Word a validator's errors; at a place where the type is wrong nothing else is said."""
    errors = list(errors)
    mistyped = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    telling = [error for error in errors if error.validator == "type" or tuple(error.absolute_path) not in mistyped]
    return [complaint for error in telling for complaint in word(name, error)]


def _at(complaint: Complaint, field: tuple[str | int, ...]) -> Complaint:
    return Complaint(code=complaint.code, field=field, message=complaint.message, hint=complaint.hint)


def _broken_rules(card: Card, params: Mapping[str, Any], complaints: list[Complaint]) -> list[Complaint]:
    wrong = {complaint.field[1] for complaint in complaints if len(complaint.field) > 1}
    found = (broken(rule, params) for rule in card.rules if not rule.involved & wrong)
    return [complaint for complaint in found if complaint is not None]


def _unknown(card: Card, name: str) -> Complaint:
    others = card.elsewhere.get(name)
    hint = did_you_mean(name, card.parameters)
    if others:
        *most, last = (f"`{other}`" for other in others)
        hint = f"{', '.join(most)} and {last} have it" if most else f"{last} has it"
    message = f"`{card.model}` has no parameter {shown(name)}"
    return Complaint(
        code=problem_codes.UNKNOWN_PARAMETER, field=("params", name), message=message, hint=hint, on_key=True
    )


def _missing(card: Card, name: str) -> Complaint:
    hint = f"`{name}`: {card.parameters[name]['description']}"
    message = f"`{card.model}` needs `{name}`"
    return Complaint(code=problem_codes.MISSING_PARAMETER, field=("params", name), message=message, hint=hint)


def is_unicode(text: str) -> bool:
    """Whether a text can be sent: half a surrogate pair, which YAML's escapes can make, cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def not_unicode(field: tuple[str | int, ...], where: str) -> Complaint:
    """Say that a text has half a surrogate pair."""
    hint = 'write the character itself, or "\\U0001F600" in place of two \\u escapes'
    message = f"{where} has half a character (a lone surrogate), which cannot be sent"
    return Complaint(code=problem_codes.NOT_UNICODE, field=field, message=message, hint=hint)
