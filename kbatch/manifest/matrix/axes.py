"""Reads the `matrix` of a manifest or a shot: axes from lists, templates and data rows, their labels, and the rules."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kbatch.errors import did_you_mean
from kbatch.manifest.drafts import Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.matrix.combinations import Matrix, Point
from kbatch.manifest.matrix.labels import LABEL_KEYS, LONGEST_LABEL, is_long, label_of
from kbatch.manifest.templates.faults import Fault, say_fault
from kbatch.manifest.templates.template import Templates, check_names, is_template

ALWAYS = frozenset(("vars", "data", "matrix", "shot", "take", "slug", "labels", "last_frame", "first_frame"))
"""Names that every template has."""

_WORDS = frozenset(
    (
        "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "elif", "for",
        "set", "with", "import", "from", "as", "macro", "call", "filter", "block", "loop", "self", "super", "caller",
        "varargs", "kwargs", "range", "dict", "namespace",
    )
)  # fmt: skip
RESERVED = ALWAYS | _WORDS
"""Names that nothing of a manifest's own can have: a template would see the other meaning."""

_NAME = re.compile(r"[^\W\d]\w*\Z")
_RULES = ("include", "exclude", "zip")
_LONG = f"would have a label of more than {LONGEST_LABEL:,} characters, and every job's name repeats it"
_SHORTER = "a mapping with an `id` of its own is named by that: `{id: dusk, text: …}`"
_LABELLED = "a mapping is labelled by its `id`, `key`, `slug` or `name`"


class AxisReading(Struct, frozen=True, kw_only=True):
    """What reading a matrix needs: the compiled templates, the values they may use, and where to complain.

    `taken` are names that an axis may not have.
    """

    templates: Templates
    scope: Mapping[str, Any]
    findings: Findings
    taken: frozenset[str]


def read_matrix(raw: Mapping[str, Any], where: Path, reading: AxisReading) -> Matrix | None:
    """Return the matrix, or None when something in it is wrong."""
    axes: dict[str, tuple[Point, ...] | None] = {
        name: _read_axis(name, values, (*where, name), reading) if _check_name(name, (*where, name), reading) else None
        for name, values in raw.items()
        if name not in _RULES
    }
    good = {name: points for name, points in axes.items() if points is not None}
    if len(good) < len(axes):
        return None
    exclude = _read_rules(raw, "exclude", where, reading)
    include = _read_rules(raw, "include", where, reading)
    zips = _read_zips(raw, good, where, reading.findings)
    if exclude is None or include is None or zips is None:
        return None
    matrix = Matrix(axes=good, zips=zips, exclude=exclude, include=include)
    return matrix if _check_rules(matrix, where, reading) else None


def name_fault(name: str) -> str | None:
    """Return the hint that tells why nothing of a manifest's own can have this name, None when it can."""
    return "it has a meaning of its own in templates; choose another name" if name in RESERVED else None


def _check_name(name: str, where: Path, reading: AxisReading) -> bool:
    say = reading.findings.say
    if not _NAME.match(name):
        hint = "letters, digits and `_`, so that templates can use it"
        say("axis-name", where, f"`{name}` cannot name an axis", hint=hint, on_key=True)
    elif name in RESERVED or name in _RULES:
        say("name-reserved", where, f"`{name}` cannot name an axis", hint=name_fault(name), on_key=True)
    elif name in reading.taken:
        hint = "an axis, a variable and a top-level axis cannot share a name"
        say("name-taken", where, f"`{name}` is already a name of the manifest", hint=hint, on_key=True)
    else:
        return True
    return False


def _read_axis(name: str, values: Any, where: Path, reading: AxisReading) -> tuple[Point, ...] | None:
    say = reading.findings.say
    listed = values if isinstance(values, list) else _render(values, where, reading)
    if isinstance(listed, Fault):
        return None
    if not isinstance(listed, list):
        say(
            "axis-not-a-list",
            where,
            f"axis `{name}` is not a list",
            hint="an axis is a list, or a template that yields one",
        )
        return None
    if not listed:
        say("axis-empty", where, f"axis `{name}` has no values, so there would be no jobs")
        return None
    return _read_points(name, listed, where, reading, written=isinstance(values, list))


def _read_points(
    name: str, listed: list[Any], where: Path, reading: AxisReading, *, written: bool
) -> tuple[Point, ...] | None:
    """Read an axis's values; those that a template yields have their place where the template stands."""
    say = reading.findings.say
    points: dict[str, tuple[int, Point]] = {}
    good = True
    for index, raw in enumerate(listed):
        at = (*where, index) if written else where
        value = _render(raw, at, reading) if written else raw
        long = not isinstance(value, Fault) and is_long(value)
        label = None if isinstance(value, Fault) or long else label_of(value)
        if isinstance(value, Fault):
            good = False
        elif long:
            say("axis-label-long", at, f"value {index + 1} of axis `{name}` {_LONG}", hint=_SHORTER)
            good = False
        elif label is None:
            hint = _label_hint(value)
            say("axis-label", at, f"value {index + 1} of axis `{name}` has no label", hint=hint)
            good = False
        elif label in points:
            twins = f"values {points[label][0] + 1} and {index + 1} of axis `{name}` have the same label `{label}`"
            own = _LABELLED if isinstance(value, Mapping) else "a mapping with an `id` of its own tells values apart"
            say("axis-label-twice", at, twins, hint=own)
            good = False
        else:
            points[label] = index, Point(label, value)
    return tuple(point for _, point in points.values()) if good else None


def _label_hint(value: Any) -> str | None:
    """Return how to give a label to a value that has none: nothing of it may be a letter or a digit."""
    key = next((key for key in LABEL_KEYS if value.get(key)), None) if isinstance(value, Mapping) else None
    named = value if key is None else value[key]
    if isinstance(named, str) and named.strip():
        way_out = f"`{{id: …, text: {named}}}`" if key is None else "another `id`"
        return f"a label is made of letters and digits, and `{named}` has none: write {way_out}"
    return _LABELLED if isinstance(value, Mapping) else None


def _render(value: Any, where: Path, reading: AxisReading) -> Any:
    """Return a value with its templates rendered; a Fault once it has been said."""
    if not isinstance(value, Mapping | list) and not is_template(value):
        return value
    result: Any = reading.templates.structure(value)
    if not isinstance(result, Fault):
        faults = check_names(result, frozenset(reading.scope))
        result = faults[0] if faults else result.render(reading.scope)
    if isinstance(result, Fault):
        say_fault(reading.findings, result, where)
    return result


def _read_rules(
    raw: Mapping[str, Any], kind: str, where: Path, reading: AxisReading
) -> tuple[Mapping[str, Any], ...] | None:
    rules: list[Mapping[str, Any]] = []
    for index, rule in enumerate(raw.get(kind, [])):
        rules.append({name: _render(value, (*where, kind, index, name), reading) for name, value in rule.items()})
    good = not any(isinstance(value, Fault) for rule in rules for value in rule.values())
    return tuple(rules) if good else None


def _read_zips(
    raw: Mapping[str, Any], axes: Mapping[str, tuple[Point, ...]], where: Path, findings: Findings
) -> tuple[tuple[str, ...], ...] | None:
    groups: list[tuple[str, ...]] = []
    good = True
    for index, group in enumerate(raw.get("zip", [])):
        at = (*where, "zip", index)
        fault = _zip_fault(group, axes, {name for earlier in groups for name in earlier})
        if fault is not None:
            say_fault(findings, fault, at)
            good = False
        groups.append(tuple(group))
    return tuple(groups) if good else None


def _zip_fault(group: list[str], axes: Mapping[str, tuple[Point, ...]], used: set[str]) -> Fault | None:
    unknown = next((name for name in group if name not in axes), None)
    if unknown is not None:
        return Fault("unknown-axis", f"there is no axis `{unknown}` to zip", did_you_mean(unknown, axes), word=unknown)
    twice = next((name for place, name in enumerate(group) if name in used or name in group[:place]), None)
    if twice is not None:
        return Fault("zip-twice", f"the axis `{twice}` is zipped twice", word=twice)
    if len({len(axes[name]) for name in group}) > 1:
        lengths = ", ".join(f"`{name}` has {len(axes[name])}" for name in group)
        return Fault("zip-length", f"zipped axes must be equally long: {lengths}")
    return None


def _check_rules(matrix: Matrix, where: Path, reading: AxisReading) -> bool:
    say = reading.findings.say
    good = True
    for index, rule in enumerate(matrix.exclude):
        for name in rule:
            if name not in matrix.axes:
                at, hint = (*where, "exclude", index, name), did_you_mean(name, matrix.axes)
                say("unknown-axis", at, f"there is no axis `{name}` to exclude from", hint=hint, on_key=True)
                good = False
    for index, rule in enumerate(matrix.include):
        for name, value in rule.items():
            at = (*where, "include", index, name)
            if name not in matrix.axes and not _check_name(name, at, reading):
                good = False
            elif is_long(value):
                say("axis-label-long", at, f"the value of `{name}` {_LONG}", hint=_SHORTER)
                good = False
            elif label_of(value) is None:
                hint = _label_hint(value) or "a text, a number, true or false, or a mapping"
                say("axis-label", at, f"the value of `{name}` has no label", hint=hint)
                good = False
    return good
