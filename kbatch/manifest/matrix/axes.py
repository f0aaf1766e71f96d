"""Reads the `matrix` of a manifest or a shot: axes from lists, templates and data rows, their labels, and the rules."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from kbatch.errors import did_you_mean
from kbatch.manifest.drafts import Path
from kbatch.manifest.faulty import FAULTY, Faulty, mapping_of
from kbatch.manifest.findings import Findings
from kbatch.manifest.matrix.combinations import EMPTY, AxisValue, Matrix
from kbatch.manifest.matrix.labels import LABEL_KEYS, LONGEST_LABEL, is_long, label_of
from kbatch.manifest.templates.faults import ECHO, Fault, say_fault
from kbatch.manifest.templates.template import Template, Templates, check_names, is_template

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
"""Names that no variable or axis can have, since templates have another meaning for them."""

_NAME = re.compile(r"[^\W\d]\w*\Z")
_RULES = ("include", "exclude", "zip")
_LONG = f"would have a label of more than {LONGEST_LABEL:,} characters, and every job's name repeats it"
_SHORTER = "a mapping with an `id` of its own is named by that: `{id: dusk, text: …}`"
_LABELLED = "a mapping is labelled by its `id`, `key`, `slug` or `name`"


class AxisReading(Struct, frozen=True, kw_only=True):
    """Context of reading a matrix: the compiled templates, the values they may use, and the findings.

    `taken` are names that an axis may not have.
    """

    templates: Templates
    scope: Mapping[str, Any]
    findings: Findings
    taken: frozenset[str]
    any_name: bool = False


class ReadMatrix(Struct, frozen=True, kw_only=True):
    """A matrix as far as it could be read.

    `faulty` are names without a value, since their fault is reported: such an axis has one point. `short` are axes
    that lack values. `any_name`: further names may exist that could not be read.
    """

    matrix: Matrix
    faulty: frozenset[str] = frozenset()
    short: frozenset[str] = frozenset()
    any_name: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of it could be read."""
        return not (self.faulty or self.short or self.any_name)


_NO_VALUE = (AxisValue("…", FAULTY),)


class _Making(Struct):
    """A matrix while it is read."""

    axes: dict[str, tuple[AxisValue, ...]] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)
    short: set[str] = field(default_factory=set)

    def give_up(self, names: Iterable[str]) -> None:
        """Count names as faulty: nothing that depends on their values can be checked."""
        self.faulty.update(names)
        self.axes.update((name, _NO_VALUE) for name in self.axes if name in self.faulty)


def read_matrix(raw: Any, where: Path, reading: AxisReading) -> ReadMatrix:
    """Return the valid part of a matrix; its faults are reported."""
    if not isinstance(raw, Mapping):
        return ReadMatrix(matrix=EMPTY, any_name=isinstance(raw, Faulty))
    making = _Making()
    for name, values in raw.items():
        if name not in _RULES:
            good = _check_name(name, (*where, name), reading)
            points, full = _read_axis(name, values, (*where, name), reading)
            making.axes[name] = points or _NO_VALUE
            making.short |= set() if full else {name}
            if not (good and points):
                making.give_up([name])
    exclude = _read_rules(raw, "exclude", where, reading, making)
    include = _read_rules(raw, "include", where, reading, making)
    zips = _read_zips(raw, making, where, reading.findings)
    unsure = making.faulty | making.short
    idle = [rule for rule in include if unsure & rule.keys()]
    making.give_up(name for rule in idle for name in rule if name not in making.axes)
    matrix = Matrix(
        axes=making.axes,
        zips=zips,
        exclude=tuple(rule for rule in exclude if rule.keys() <= making.axes.keys()),
        include=tuple(rule for rule in include if rule not in idle),
    )
    return ReadMatrix(matrix=matrix, faulty=frozenset(making.faulty), short=frozenset(making.short))


def name_fault(name: str) -> str | None:
    """Return the hint why no variable or axis can have this name, None when one can."""
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


def _read_axis(name: str, values: Any, where: Path, reading: AxisReading) -> tuple[tuple[AxisValue, ...], bool]:
    """Return the valid values of an axis, and whether these are all."""
    say = reading.findings.say
    listed = values if isinstance(values, list | Faulty) else _render(values, where, reading)
    if isinstance(listed, Fault | Faulty):
        return (), False
    if not isinstance(listed, list):
        say(
            "axis-not-a-list",
            where,
            f"axis `{name}` is not a list",
            hint="an axis is a list, or a template that yields one",
        )
        return (), False
    if not listed:
        say("axis-empty", where, f"axis `{name}` has no values, so there would be no jobs")
        return (), False
    return _read_points(name, listed, where, reading, written=isinstance(values, list))


def _read_points(
    name: str, listed: list[Any], where: Path, reading: AxisReading, *, written: bool
) -> tuple[tuple[AxisValue, ...], bool]:
    """Read an axis's values; those that a template yields have the place of the template."""
    say = reading.findings.say
    points: dict[str, tuple[int, AxisValue]] = {}
    good = True
    for index, raw in enumerate(listed):
        at = (*where, index) if written else where
        value = _render(raw, at, reading) if written else raw
        faulty = isinstance(value, Fault | Faulty)
        long = not faulty and is_long(value)
        label = None if faulty or long else label_of(value)
        if faulty:
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
            points[label] = index, AxisValue(label, value)
    return tuple(point for _, point in points.values()), good


def _label_hint(value: Any) -> str | None:
    """Return the hint for a value without a label, in which no character is a letter or a digit."""
    key = next((key for key in LABEL_KEYS if value.get(key)), None) if isinstance(value, Mapping) else None
    named = value if key is None else value[key]
    if isinstance(named, str) and named.strip():
        way_out = f"`{{id: …, text: {named}}}`" if key is None else "another `id`"
        return f"a label is made of letters and digits, and `{named}` has none: write {way_out}"
    return _LABELLED if isinstance(value, Mapping) else None


def _render(value: Any, where: Path, reading: AxisReading) -> Any:
    """Return a value with its templates rendered; a Fault that is reported where one fails."""
    if not isinstance(value, Mapping | list) and not is_template(value):
        return value
    result: Any = reading.templates.structure(value)
    if reading.any_name and isinstance(result, Template) and not result.names <= reading.scope.keys():
        return ECHO
    if not isinstance(result, Fault):
        faults = check_names(result, frozenset(reading.scope))
        result = faults[0] if faults else result.render(reading.scope)
    if isinstance(result, Fault):
        say_fault(reading.findings, result, where)
    return result


def _read_rules(
    raw: Mapping[str, Any], kind: str, where: Path, reading: AxisReading, making: _Making
) -> tuple[Mapping[str, Any], ...]:
    """Return the valid rules; the effect of an invalid one is unknown."""
    written = raw.get(kind, [])
    if isinstance(written, Faulty):
        making.give_up(making.axes)
        return ()
    rules: list[Mapping[str, Any]] = []
    for index, rule in enumerate(written):
        at = (*where, kind, index)
        if isinstance(rule, Faulty):
            making.give_up([*making.axes, *mapping_of(rule.raw)])
            continue
        rendered = {name: _render(value, (*at, name), reading) for name, value in rule.items()}
        fault = any(isinstance(value, Fault | Faulty) for value in rendered.values())
        check = _check_exclude if kind == "exclude" else _check_include
        right = check(
            {name: value for name, value in rendered.items() if not isinstance(value, Fault | Faulty)},
            at,
            making,
            reading,
        )
        if fault or not right:
            unknown_axis = kind == "exclude" and not rule.keys() <= making.axes.keys()
            making.give_up(making.axes if unknown_axis else rule)
        else:
            rules.append(rendered)
    return tuple(rules)


def _read_zips(raw: Mapping[str, Any], making: _Making, where: Path, findings: Findings) -> tuple[tuple[str, ...], ...]:
    groups: list[tuple[str, ...]] = []
    written = raw.get("zip", [])
    if isinstance(written, Faulty):
        making.give_up(making.axes)
        return ()
    for index, group in enumerate(written):
        if isinstance(group, Faulty) or any(isinstance(name, Faulty) for name in group):
            making.give_up(making.axes)
            continue
        fault = _zip_fault(group, making, {name for earlier in groups for name in earlier})
        if fault is not None:
            say_fault(findings, fault, (*where, "zip", index))
        if fault is not None or not (making.faulty | making.short).isdisjoint(group):
            making.give_up(group)
        else:
            groups.append(tuple(group))
    return tuple(group for group in groups if making.faulty.isdisjoint(group))


def _zip_fault(group: list[str], making: _Making, used: set[str]) -> Fault | None:
    axes, unsure = making.axes, making.faulty | making.short
    unknown = next((name for name in group if name not in axes), None)
    if unknown is not None:
        return Fault("unknown-axis", f"there is no axis `{unknown}` to zip", did_you_mean(unknown, axes), word=unknown)
    twice = next((name for place, name in enumerate(group) if name in used or name in group[:place]), None)
    if twice is not None:
        return Fault("zip-twice", f"the axis `{twice}` is zipped twice", word=twice)
    if unsure.isdisjoint(group) and len({len(axes[name]) for name in group}) > 1:
        lengths = ", ".join(f"`{name}` has {len(axes[name])}" for name in group)
        return Fault("zip-length", f"zipped axes must be equally long: {lengths}")
    return None


def _check_exclude(rule: Mapping[str, Any], where: Path, making: _Making, reading: AxisReading) -> bool:
    say = reading.findings.say
    unknown = [name for name in rule if name not in making.axes]
    for name in unknown:
        hint = did_you_mean(name, making.axes)
        say("unknown-axis", (*where, name), f"there is no axis `{name}` to exclude from", hint=hint, on_key=True)
    return not unknown


def _check_include(rule: Mapping[str, Any], where: Path, making: _Making, reading: AxisReading) -> bool:
    say = reading.findings.say
    good = True
    for name, value in rule.items():
        at = (*where, name)
        if name not in making.axes and not _check_name(name, at, reading):
            good = False
        elif is_long(value):
            say("axis-label-long", at, f"the value of `{name}` {_LONG}", hint=_SHORTER)
            good = False
        elif label_of(value) is None:
            hint = _label_hint(value) or "a text, a number, true or false, or a mapping"
            say("axis-label", at, f"the value of `{name}` has no label", hint=hint)
            good = False
    return good
