"""Holds a manifest against its JSON Schema and says what differs in kbatch's own words, each at its place.

Shots are checked one by one, and shots of one form only once: what a schema can see of two shots with the same keys and
types is the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from kbatch.manifest.document import Document
from kbatch.manifest.drafts import Path
from kbatch.manifest.findings import Findings
from kbatch.problems import did_you_mean, nearest

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_BY_VALUE = ("id",)
_ANY_SHOT = {"id": "any"}


def check_form(document: Document, manifest: Validator, shot: Validator, findings: Findings) -> None:
    """Add a problem for each place where the manifest is not as its format asks."""
    value = document.value
    if not isinstance(value, dict):
        hint = "begin with `kbatch: 1`, `name:` and `shots:`"
        findings.say("not-a-manifest", (), f"a manifest is a mapping, this is {_kind(value)}", hint=hint)
        return
    shots = value.get("shots")
    apart = isinstance(shots, list) and bool(shots)
    for error in _leaves(manifest.iter_errors({**value, "shots": [_ANY_SHOT]} if apart else value)):
        _say(error, (), findings)
    seen: set[Any] = set()
    for index, each in enumerate(shots if apart else ()):
        form = _form_of(each)
        if form not in seen:
            errors = list(_leaves(shot.iter_errors(each)))
            for error in errors:
                _say(error, ("shots", index), findings)
            if not errors:
                seen.add(form)


def _form_of(value: Any, key: str | None = None) -> Any:
    """Return what a schema sees of a value: keys and types, and the text only where a pattern holds it."""
    if isinstance(value, dict):
        return tuple((name, _form_of(part, name)) for name, part in value.items())
    if isinstance(value, list):
        return (list, frozenset(map(_form_of, value)))
    if isinstance(value, str) and key not in _BY_VALUE:
        return (str, "{{" in value or "{%" in value, value == "")
    return (type(value), value)


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Yield the errors that say most: inside an `anyOf`, those of the branch that the value was meant for."""
    for error in errors:
        if error.validator == "anyOf" and error.context:
            meant = [one for one in error.context if one.validator != "type" or one.relative_path]
            deep = [one for one in meant if one.relative_path]
            if deep:
                yield from _leaves(deep)
                continue
        yield error


def _say(error: ValidationError, base: Path, findings: Findings) -> None:
    where: Path = (*base, *error.absolute_path)
    name = f"`{where[-1]}`" if where and isinstance(where[-1], str) else "this"
    say = findings.say
    value, wanted = error.instance, error.validator_value
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            for key in value:
                if key not in known:
                    _say_unknown(key, known, where, findings)
        case "required":
            missing = next(key for key in wanted if key not in value)
            say(f"missing-{missing}" if missing == "id" else "missing-field", where, f"{_owner(where)} needs `{missing}`")
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            message = f"{name} must be {' or '.join(_TYPES[kind] for kind in kinds)}, not {_kind(value)}"
            say("wrong-type", where, message, hint=_type_hint(value, kinds))
        case "const":
            say("not-allowed", where, f"{name} must be {wanted!r}", hint="this is the version of the format")
        case "enum":
            words = [str(one) for one in wanted]
            say("not-allowed", where, f"{name} cannot be `{value}`", hint=did_you_mean(str(value), words))
        case "anyOf":
            say("wrong-type", where, f"{name} cannot be {_kind(value)}", hint=str(error.schema.get("description", "")).lower() or None)
        case "not":
            both = wanted.get("required", [])
            say("both-given", where, f"{_owner(where)} has both `{'` and `'.join(both)}`", hint="keep one of them")
        case "pattern":
            hint = error.schema.get("description") or error.schema.get("title")
            say("bad-form", where, f"{name} cannot be `{value}`", hint=f"{hint}; for example `{_example(error.schema)}`")
        case _:
            say("out-of-range", where, f"{name} {_limit(str(error.validator), wanted)}")


def _say_unknown(key: str, known: Mapping[str, Any], where: Path, findings: Findings) -> None:
    near = nearest(key, known)
    hint = f"did you mean `{near}`?" if near else f"known: {', '.join(f'`{name}`' for name in known)}"
    findings.say("unknown-field", (*where, key), f"unknown field `{key}` in {_owner(where)}", hint=hint, on_key=True)


def _owner(where: Path) -> str:
    if not where:
        return "the manifest"
    if where[0] == "shots" and len(where) == 2:
        return "this shot"
    return f"`{'.'.join(str(step) for step in where if isinstance(step, str))}`"


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text `{value[:40]}`" if value else "an empty text"
    return "a list" if isinstance(value, list) else "a mapping"


def _type_hint(value: Any, kinds: list[str]) -> str | None:
    if isinstance(value, float) and "integer" in kinds and value.is_integer():
        return f"write `{int(value)}`"
    if isinstance(value, str) and "integer" in kinds and value.isascii() and value.isdigit():
        return "remove the quotes"
    if "array" in kinds and not isinstance(value, dict):
        return f"write `[{value}]`"
    if "string" in kinds and isinstance(value, bool | int | float):
        return f'write `"{str(value).lower() if isinstance(value, bool) else value}"`'
    return None


def _example(schema: Mapping[str, Any]) -> str:
    return str(next(iter(schema.get("examples", [])), ""))


def _limit(validator: str, wanted: Any) -> str:
    words = {
        "minimum": f"must be at least {wanted}",
        "exclusiveMinimum": f"must be greater than {wanted}",
        "maximum": f"must be at most {wanted}",
        "minItems": "must not be empty" if wanted == 1 else f"needs at least {wanted} entries",
        "minLength": "must not be empty",
        "maxLength": f"must have at most {wanted} characters",
        "minProperties": "must not be empty",
        "maxProperties": f"must have at most {wanted} {'entry' if wanted == 1 else 'entries'}",
    }
    return words.get(validator, f"breaks the rule `{validator}: {wanted}`")
