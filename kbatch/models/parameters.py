"""Checks a shot's parameters against its model's card and fills in the defaults.

Rules it keeps: nothing is converted, clamped or dropped, except a parameter that the model lacks and that only
`defaults` sets (or, where a profile says so, the shot itself). Prompt and images vary from job to job, so `request`
checks them; the other parameters are cached per card, so that a plan of many jobs checks each distinct set once.
"""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kbatch.errors import Complaint, did_you_mean, nearest
from kbatch.manifest.drafts import Frame
from kbatch.models import problem_codes
from kbatch.models.cards import Card
from kbatch.models.extra import EXTRA, read_extra
from kbatch.models.fingerprint import canonical
from kbatch.models.image_paths import replaced
from kbatch.models.parameter_messages import describe_fault, describe_path, shown
from kbatch.models.rules import check_rule

_CACHE_SIZE = 4096


class CheckedParameters(Struct, frozen=True, kw_only=True):
    """Result of a check: `values` are the parameters to send, without images."""

    values: Mapping[str, Any]
    dropped: tuple[str, ...]
    defaulted: tuple[str, ...]
    complaints: tuple[Complaint, ...]


def check(
    card: Card, params: Mapping[str, Any], default_only: frozenset[str], *, drop_unsupported: bool
) -> CheckedParameters:
    """Return the checked parameters, from the card's cache when the same set was checked before."""
    key = (
        drop_unsupported,
        tuple((name, name in default_only, _cache_key(card, name, value)) for name, value in params.items()),
    )
    known: CheckedParameters | None = card.checked_cache.get(key)
    if known is None:
        known = _check(card, params, default_only, drop_unsupported)
        if len(card.checked_cache) >= _CACHE_SIZE:
            card.checked_cache.clear()
        card.checked_cache[key] = known
    return known


def _cache_key(card: Card, name: str, value: object) -> object:
    """Return a value's cache key: its type and value; the same key for all images, which `request` checks.

    A list or mapping is known by its text, images in it included.
    """
    if name in card.images:
        return "picture"
    return (type(value), value if isinstance(value, str | int | Frame) else repr(value))


def _check(
    card: Card, params: Mapping[str, Any], default_only: frozenset[str], drop_unsupported: bool
) -> CheckedParameters:
    lacking = [name for name in params if name not in card.parameters and name != EXTRA]
    dropped = [name for name in lacking if drop_unsupported or name in default_only]
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
    complaints += _several_outputs(card, values)
    if EXTRA in params:
        extra, found_in_extra = read_extra(card, params[EXTRA])
        values |= extra
        complaints += found_in_extra
    return CheckedParameters(
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
    checked = replaced(card.images, {name: value}, _as_text)[name] if name in card.image_parameters else value
    faults = _faults(card.validators[name].iter_errors(checked), name)
    return value, faults or _unsendable(field, name, checked)


def _as_text(image: Any) -> Any:
    """Return a placeholder for an image where the form of a list is checked; `request` checks the image."""
    return "picture" if isinstance(image, str | Frame) else image


def _unsendable(field: tuple[str | int, ...], name: str, value: Any) -> list[Complaint]:
    """Return the complaint about a value of the right form that JSON in UTF-8 cannot hold, or that is no JSON."""
    if isinstance(value, str):
        return [] if is_unicode(value) else [not_unicode(field, describe_path(name))]
    if not isinstance(value, list | dict):
        return []
    try:
        canonical(value)
    except UnicodeEncodeError:
        return [not_unicode(field, describe_path(name))]
    except (ValueError, TypeError) as error:
        message = f"`{name}` holds what cannot be sent: {_first_line(error)}"
        return [Complaint(code=problem_codes.NOT_FINITE, field=field, message=message)]
    return []


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _check_content(card: Card, name: str, value: Any) -> tuple[Any, list[Complaint]]:
    """Check a list that is sent as JSON text; a problem in a written JSON text is marked at the whole text."""
    content = _parse_json(name, value) if isinstance(value, str) else value
    if isinstance(content, Complaint):
        return value, [content]
    if not isinstance(content, list):
        message = f"`{name}` must be a list or its JSON text, not {shown(content)}"
        return value, [Complaint(code=problem_codes.WRONG_TYPE, field=("params", name), message=message)]
    faults = _faults(card.contents[name].iter_errors(content), name)
    if isinstance(value, str):
        faults = [_with_field(fault, ("params", name)) for fault in faults]
    if faults:
        return value, faults
    try:
        return canonical(content).decode(), []
    except UnicodeEncodeError:
        return value, [not_unicode(("params", name), describe_path(name))]


def _parse_json(name: str, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name occurs twice in one object")
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
    """Return complaints for a validator's errors; a value of the wrong type gets no other complaint."""
    errors = list(errors)
    mistyped = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    telling = [error for error in errors if error.validator == "type" or tuple(error.absolute_path) not in mistyped]
    return [complaint for error in telling for complaint in describe_fault(name, error)]


def _with_field(complaint: Complaint, field: tuple[str | int, ...]) -> Complaint:
    return Complaint(code=complaint.code, field=field, message=complaint.message, hint=complaint.hint)


def _broken_rules(card: Card, params: Mapping[str, Any], complaints: list[Complaint]) -> list[Complaint]:
    wrong = {complaint.field[1] for complaint in complaints if len(complaint.field) > 1}
    found = (check_rule(rule, params) for rule in card.rules if not rule.involved & wrong)
    return [complaint for complaint in found if complaint is not None]


def _several_outputs(card: Card, values: Mapping[str, Any]) -> list[Complaint]:
    """Refuse a request for several outputs: a job has one clip, so the others would be paid and lost."""
    name = card.pricing.outputs
    if name is None or not isinstance(values.get(name), int) or values[name] == 1:
        return []
    message = f"`{name}` asks for {values[name]} clips, and a job fetches one: the others would be paid and lost"
    hint = f"write `{name}: 1`, and `takes: {values[name]}` at the shot"
    return [Complaint(code=problem_codes.SEVERAL_OUTPUTS, field=("params", name), message=message, hint=hint)]


def _unknown(card: Card, name: str) -> Complaint:
    others = card.other_models.get(name)
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
    """Whether a text can be sent: a lone surrogate, which YAML's escapes can make, cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def not_unicode(field: tuple[str | int, ...], where: str) -> Complaint:
    """Return the complaint that a text has a lone surrogate."""
    hint = 'write the character itself, or "\\U0001F600" in place of two \\u escapes'
    message = f"{where} has half a character (a lone surrogate), which cannot be sent"
    return Complaint(code=problem_codes.NOT_UNICODE, field=field, message=message, hint=hint)
