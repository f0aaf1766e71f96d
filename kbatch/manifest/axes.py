"""Reads the `matrix` of a manifest or a shot: axes from lists, templates and data rows, labels, and the rules on them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kbatch.manifest.drafts import Path
from kbatch.manifest.findings import Findings
from kbatch.manifest.labels import label_of
from kbatch.manifest.matrix import Matrix, Point
from kbatch.manifest.template import Fault, Templates, check_names, is_template
from kbatch.problems import did_you_mean

RESERVED = frozenset(("vars", "data", "matrix", "shot", "take", "slug", "labels", "last_frame", "first_frame", "loop", "self"))
_NAME = re.compile(r"[^\W\d]\w*\Z")
_RULES = ("include", "exclude", "zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading a matrix needs: the compiled templates, the names and values they may use, and where to complain."""

    templates: Templates
    scope: Mapping[str, Any]
    findings: Findings


def read_matrix(raw: Mapping[str, Any], where: Path, reading: Reading, taken: frozenset[str] = frozenset()) -> Matrix | None:
    """Return the matrix, or None when something in it is wrong; `taken` are names that an axis may not have."""
    axes: dict[str, tuple[Point, ...]] = {}
    good = True
    for name, values in raw.items():
        if name in _RULES:
            continue
        points = _read_axis(name, values, (*where, name), reading) if _check_name(name, (*where, name), reading, taken) else None
        if points is None:
            good = False
        else:
            axes[name] = points
    if not good:
        return None
    exclude = _read_rules(raw, "exclude", where, reading)
    include = _read_rules(raw, "include", where, reading)
    zips = _read_zips(raw, axes, where, reading.findings)
    if exclude is None or include is None or zips is None:
        return None
    matrix = Matrix(axes=axes, zips=zips, exclude=exclude, include=include)
    return matrix if _check_rules(matrix, where, reading, taken) else None


def _check_name(name: str, where: Path, reading: Reading, taken: frozenset[str]) -> bool:
    say = reading.findings.say
    if not _NAME.match(name):
        hint = "letters, digits and `_`, so that templates can use it"
        say("axis-name", where, f"`{name}` cannot name an axis", hint=hint, on_key=True)
        return False
    if name in RESERVED or name in _RULES:
        say("name-reserved", where, f"`{name}` has a meaning of its own in templates", hint="choose another name", on_key=True)
        return False
    if name in taken:
        hint = "an axis, a variable and a top-level axis cannot share a name"
        say("name-taken", where, f"`{name}` is already a name of the manifest", hint=hint, on_key=True)
        return False
    return True


def _read_axis(name: str, values: Any, where: Path, reading: Reading) -> tuple[Point, ...] | None:
    say = reading.findings.say
    listed = _render(values, where, reading)
    if isinstance(listed, Fault):
        return None
    if not isinstance(listed, list | tuple | range):
        say("axis-not-a-list", where, f"axis `{name}` is not a list", hint=f"write `{name}: [{values}]`" if not is_template(values) else None)
        return None
    if not listed:
        say("axis-empty", where, f"axis `{name}` has no values, so the shot would have no jobs")
        return None
    points: list[Point] = []
    labels: dict[str, int] = {}
    good = True
    written = isinstance(values, list)
    for index, raw in enumerate(listed):
        at = (*where, index) if written else where
        value = _render(raw, at, reading) if written else raw
        if isinstance(value, Fault):
            good = False
            continue
        label = label_of(value)
        if label is None:
            hint = "a mapping is labelled by its `id`, `key`, `slug` or `name`" if isinstance(value, Mapping) else None
            say("axis-label", at, f"value {index + 1} of axis `{name}` has no label", hint=hint)
            good = False
        elif label in labels:
            other = f"values {labels[label] + 1} and {index + 1} of axis `{name}` have the same label `{label}`"
            say("axis-label-twice", at, other, hint="give each a mapping with an `id` of its own")
            good = False
        else:
            labels[label] = index
            points.append(Point(label, value))
    return tuple(points) if good else None


def _render(value: Any, where: Path, reading: Reading) -> Any:
    """Return a value with its template rendered, if it is one; a Fault once it has been said."""
    if not is_template(value):
        return value
    template = reading.templates.compile(value)
    if not isinstance(template, Fault):
        faults = check_names(template, frozenset(reading.scope))
        result = faults[0] if faults else template.render(reading.scope)
    else:
        result = template
    if isinstance(result, Fault):
        reading.findings.say(result.code, where, result.message, hint=result.hint, word=result.word)
    return result


def _read_rules(raw: Mapping[str, Any], kind: str, where: Path, reading: Reading) -> tuple[Mapping[str, Any], ...] | None:
    rules: list[Mapping[str, Any]] = []
    good = True
    for index, rule in enumerate(raw.get(kind, [])):
        values = {name: _render(value, (*where, kind, index, name), reading) for name, value in rule.items()}
        good = good and not any(isinstance(value, Fault) for value in values.values())
        rules.append(values)
    return tuple(rules) if good else None


def _read_zips(raw: Mapping[str, Any], axes: Mapping[str, tuple[Point, ...]], where: Path, findings: Findings) -> tuple[tuple[str, ...], ...] | None:
    groups: list[tuple[str, ...]] = []
    used: set[str] = set()
    good = True
    for index, group in enumerate(raw.get("zip", [])):
        at = (*where, "zip", index)
        unknown = [name for name in group if name not in axes]
        if unknown:
            findings.say("unknown-axis", at, f"there is no axis `{unknown[0]}` to zip", hint=did_you_mean(unknown[0], axes), word=unknown[0])
            good = False
        elif used & set(group) or len(set(group)) != len(group):
            findings.say("zip-twice", at, "an axis is zipped twice")
            good = False
        elif len({len(axes[name]) for name in group}) > 1:
            lengths = ", ".join(f"`{name}` has {len(axes[name])}" for name in group)
            findings.say("zip-length", at, f"zipped axes must be equally long: {lengths}")
            good = False
        used.update(group)
        groups.append(tuple(group))
    return tuple(groups) if good else None


def _check_rules(matrix: Matrix, where: Path, reading: Reading, taken: frozenset[str]) -> bool:
    say = reading.findings.say
    good = True
    for index, rule in enumerate(matrix.exclude):
        for name in rule:
            if name not in matrix.axes:
                hint = did_you_mean(name, matrix.axes)
                say("unknown-axis", (*where, "exclude", index, name), f"there is no axis `{name}` to exclude from", hint=hint, on_key=True)
                good = False
    for index, rule in enumerate(matrix.include):
        for name, value in rule.items():
            at = (*where, "include", index, name)
            if name not in matrix.axes and not _check_name(name, at, reading, taken):
                good = False
            elif value is None or isinstance(value, list) or (isinstance(value, Mapping) and label_of(value) is None):
                say("axis-label", at, f"the value of `{name}` has no label", hint="a mapping is labelled by its `id`, `key`, `slug` or `name`")
                good = False
    return good
