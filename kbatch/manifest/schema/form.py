"""Validates a manifest against its JSON Schema, with kbatch's own messages, each at its place.

Shots are checked one by one, and shots of one form only once: what a schema can see of two shots with the same keys and
types is the same.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kbatch.errors import did_you_mean, nearest
from kbatch.manifest.drafts import Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.schema.sound import PARAMETERS, Sound
from kbatch.manifest.schema.validate import Validator
from kbatch.manifest.yaml.document import Document

if TYPE_CHECKING:
    from kbatch.manifest.schema.strictness import ValidationError

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_EXAMPLES = {
    "kbatch": "`kbatch: 1` is the version of the format",
    "name": "`name: my-campaign` names it in plans and reports",
    "shots": "`shots:` lists what is rendered",
    "id": "`id: hero` names the shot in addresses",
}
_WRAPPED = {
    "budget": "max_credits: {}",
    "run": "concurrency: {}",
    "output": "dir: {}",
    "data": "rows: {}",
    "rates": "apiframe: {{usd_per_credit: {}}}",
}
"""The field that a bare number or text is most likely meant for."""
_BY_VALUE = ("id",)
_PLAIN_ID = re.compile(r"[a-z][a-z0-9-]{0,50}[a-z0-9]")  # the schema does not check the text of these
_ANY_SHOT = {"id": "any"}


def check_form(document: Document, manifest: Validator, shot: Validator, findings: Findings) -> Document | None:
    """Add a problem for each place where the manifest is not as its format asks, and return what is right of it.

    What could not be read is left out or `Faulty`; None when nothing at all is as it should be.
    """
    value = document.value
    if not isinstance(value, dict):
        hint = "begin with `kbatch: 1`, `name:` and `shots:`"
        findings.say("not-a-manifest", (), f"a manifest is a mapping, this is {_kind(value)}", hint=hint)
        return None
    shots = value.get("shots")
    apart = shots if isinstance(shots, list) else []
    sound = Sound(value)
    for error in _leaves(manifest.iter_errors({**value, "shots": [_ANY_SHOT]} if apart else value)):
        _say(error, (), findings)
        sound.leave_out(error, ())
    seen: set[Any] = set()
    for index, each in enumerate(apart):
        form = _form_of(each)
        if form not in seen:
            errors = list(_leaves(shot.iter_errors(each)))
            for error in errors:
                _say(error, ("shots", index), findings)
                sound.leave_out(error, ("shots", index))
            if not errors:
                seen.add(form)
    return replace(document, value=sound.value)


def _form_of(value: Any, key: str | None = None) -> Any:
    """Return the part of a value that a schema checks: keys and types, and the text only where a pattern applies."""
    if isinstance(value, dict):
        return tuple((name, _form_of(part, name)) for name, part in value.items())
    if isinstance(value, list):
        return (list, frozenset(map(_form_of, value)))
    if isinstance(value, str) and (key not in _BY_VALUE or _PLAIN_ID.fullmatch(value)):
        return (str, "{{" in value or "{%" in value, value == "")
    return (type(value), value)


def _leaves(errors: "Iterable[ValidationError]") -> "Iterator[ValidationError]":
    """Yield the most specific errors: inside an `anyOf`, those of the branch with the type of the value."""
    for error in errors:
        if error.validator != "anyOf" or not error.context:
            yield error
            continue
        other = {one.schema_path[0] for one in error.context if one.validator == "type" and not one.relative_path}
        meant = [one for one in error.context if one.schema_path[0] not in other and one.validator != "pattern"]
        yield from _leaves(meant) if meant else [error]


def _say(error: Any, base: Path, findings: Findings) -> None:
    """Report one error, of the fields of a mapping or of a value."""
    where: Path = (*base, *error.absolute_path)
    value, wanted, schema = error.instance, error.validator_value, error.schema
    owner = _owner(where, findings.document.value)
    match error.validator:
        case "additionalProperties":
            for key in value:
                if key not in schema["properties"]:
                    known = schema["properties"]
                    near = nearest(key, known)
                    hint = f"did you mean `{near}`?" if near else f"known: {', '.join(f'`{name}`' for name in known)}"
                    if "params" in known and key in PARAMETERS:
                        hint = f"put `{key}` under `params`"
                    message = f"unknown field `{key}` in {owner}"
                    findings.say("unknown-field", (*where, key), message, hint=hint, on_key=True)
        case "required":
            for missing in (key for key in wanted if key not in value):
                if not _is_misspelled(missing, value, schema):
                    code = "missing-id" if missing == "id" else "missing-field"
                    findings.say(code, where, f"{owner} needs `{missing}`", hint=_EXAMPLES.get(missing))
        case "not":
            one, other = wanted["required"]
            message = f"{owner} has both `{one}` and `{other}`"
            findings.say("both-given", (*where, other), message, hint="keep one of them", on_key=True)
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            message = f"`{value}` cannot name {_entry(where)}"
            findings.say("bad-form", (*where, value), message, hint=_form_hint(schema), on_key=True)
        case _:
            code, message, repair = _word(error, _name(where))
            findings.say(code, where, message, hint=repair or _whole(where, value))


def _word(error: Any, name: str) -> tuple[str, str, str | None]:
    """Return code, message and hint for a value that its schema does not take."""
    value, wanted, schema = error.instance, error.validator_value, error.schema
    match error.validator:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return "wrong-type", f"{name} must be {_one_of(kinds)}, not {_kind(value)}", _type_hint(value, kinds)
        case "anyOf":
            kinds = [kind for option in wanted for kind in _types_of(option)]
            hint = _type_hint(value, kinds) or _lowered(schema.get("description"))
            return "wrong-type", f"{name} must be {_one_of(kinds)}, not {_kind(value)}", hint
        case "const":
            hint = "remove the quotes" if value == str(wanted) else "this is the version of the format"
            return "not-allowed", f"{name} must be {wanted!r}", hint
        case "enum":
            return "not-allowed", f"{name} cannot be `{value}`", did_you_mean(str(value), map(str, wanted))
        case "pattern":
            return "bad-form", f"{name} cannot be {_shown(value)}", _form_hint(schema)
        case other:
            return "out-of-range", f"{name} {_limit(str(other), wanted)}", None


def _owner(where: Path, manifest: Any) -> str:
    """Return how a message names the mapping at a place."""
    if not where:
        return "the manifest"
    if where[0] == "shots" and len(where) == 2:
        shot = manifest["shots"][where[1]]
        name = shot.get("id") if isinstance(shot, Mapping) else None
        return f"shot `{name}`" if isinstance(name, str) else "this shot"
    words = [str(step) for step in where if isinstance(step, str)]
    return f"`{'.'.join(words)}`"


def _name(where: Path) -> str:
    """Return how a message names the value at a place; items of a list count from 1."""
    if not where:
        return "the manifest"
    step = where[-1]
    if where[0] == "shots" and len(where) == 2:
        return f"shot {int(step) + 1}"
    return f"value {step + 1} of {_name(where[:-1])}" if isinstance(step, int) else f"`{step}`"


def _entry(where: Path) -> str:
    return {"profiles": "a profile", "data": "data"}.get(str(where[-1]), f"an entry of `{where[-1]}`")


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {_shown(value)}" if value else "an empty text"
    return "a list" if isinstance(value, list) else "a mapping"


def _shown(text: str) -> str:
    line = text.replace("\n", " ")
    return f"`{line if len(line) <= 40 else line[:39] + '…'}`"


def _types_of(option: Mapping[str, Any]) -> list[str]:
    kinds = option.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _is_misspelled(missing: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether an unknown field is meant to be the missing one, as its own problem says."""
    known = schema.get("properties", {})
    return any(key not in known and nearest(key, known) == missing for key in value)


def _type_hint(value: Any, kinds: list[str]) -> str | None:
    if isinstance(value, float) and "integer" in kinds and value.is_integer():
        return f"write `{int(value)}`"
    if isinstance(value, str) and "integer" in kinds and value.isascii() and value.isdigit():
        return "remove the quotes"
    if "array" in kinds and isinstance(value, str | int | float):
        return f"write `[{value}]`"
    if "array" in kinds and isinstance(value, Mapping):
        return "entries of a list begin with `- `"
    if "string" in kinds and isinstance(value, bool | int | float):
        return f'write `"{str(value).lower() if isinstance(value, bool) else value}"`'
    return None


def _whole(where: Path, value: Any) -> str | None:
    """Return the mapping to write in place of a bare value."""
    wrapped = _WRAPPED.get(str(where[-1])) if where else None
    if wrapped is None or where[0] == "shots" or isinstance(value, list | Mapping) or value in (None, ""):
        return None
    return f"write `{where[-1]}: {{{wrapped.format(value)}}}`"


def _one_of(kinds: Iterable[str]) -> str:
    kinds = list(dict.fromkeys(kinds))
    words = [_TYPES[kind] for kind in kinds if kind != "integer" or "number" not in kinds]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _lowered(words: Any) -> str | None:
    return f"{words[0].lower()}{words[1:]}" if isinstance(words, str) and words else None


def _form_hint(schema: Mapping[str, Any]) -> str | None:
    words = _lowered(schema.get("description", schema.get("title")))
    example = next(iter(schema.get("examples", [])), None)
    return f"{words}; for example `{example}`" if example is not None else words


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
