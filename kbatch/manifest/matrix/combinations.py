"""A matrix: axes, `zip`, `exclude` and `include` become combinations, as GitHub Actions defines them.

The product of the axes has the first axis outermost. `exclude` removes partial matches, then each `include` extends the
original combinations whose values it does not contradict, or else adds a combination of its own. The size is known
before anything is expanded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import product
from math import prod
from operator import or_
from typing import Any

from msgspec import Struct

from kbatch.manifest.matrix.labels import label_of


class AxisValue(Struct, frozen=True):
    """One value of an axis with the label that stands for it in addresses."""

    label: str
    value: Any


class Matrix(Struct, frozen=True, kw_only=True):
    """Axes in declared order with their rules; `zips` are groups of axes of equal length that advance together."""

    axes: Mapping[str, tuple[AxisValue, ...]]
    zips: tuple[tuple[str, ...], ...] = ()
    exclude: tuple[Mapping[str, Any], ...] = ()
    include: tuple[Mapping[str, Any], ...] = ()


class Combination(Struct, frozen=True, gc=False):
    """One point of the matrix: `shown` are the (axis, label) pairs of the address, `values` all names it defines."""

    shown: tuple[tuple[str, str], ...]
    values: Mapping[str, Any]


class Expanded(Struct, frozen=True, kw_only=True):
    """The combinations in order, and the rules (`exclude` or `include`, index) that matched nothing."""

    combinations: tuple[Combination, ...]
    idle: tuple[tuple[str, int], ...]


EMPTY = Matrix(axes={})
_MOST_KINDS = 20_000


def most(matrix: Matrix) -> int:
    """Return how many combinations there are at most: the product of the axes and the includes."""
    return product_of(matrix) + len(matrix.include) or 1


def product_of(matrix: Matrix) -> int:
    """Return how many combinations the axes make before any rule, 0 without axes."""
    return prod(len(matrix.axes[group[0]]) for group in _groups(matrix)) if matrix.axes else 0


def work_of(matrix: Matrix) -> int:
    """Return how often a rule is held against a combination, or against an axis's value, by `count` and `expand`."""
    rules = len(matrix.exclude) + len(matrix.include)
    values = sum(map(len, matrix.axes.values()))
    return rules * (product_of(matrix) + values)


def count(matrix: Matrix) -> int:
    """Return how many combinations `expand` makes, without making one.

    Values that the same rules let through are counted together, so it is the number of rules that costs, not the size;
    where even that is too much, the answer is `most`.
    """
    rules = (*matrix.exclude, *matrix.include)
    if not rules:
        return most(matrix)
    excluding, everything = (1 << len(matrix.exclude)) - 1, (1 << len(rules)) - 1
    known = [number for number, rule in enumerate(matrix.exclude) if not rule.keys() - matrix.axes.keys()]
    counts = Counter({(everything & ~excluding) | sum(1 << number for number in known): 1})
    for group in _groups(matrix):
        passes = Counter(_passes(rules, dict(zip(group, row, strict=True))) for row in _rows(matrix, group))
        counts = _crossed(counts, passes)
        if len(counts) > _MOST_KINDS:
            return most(matrix)
    kept = {mask: number for mask, number in counts.items() if not mask & excluding} if matrix.axes else {}
    extending = reduce(or_, kept, 0) >> len(matrix.exclude)
    return sum(kept.values()) + len(matrix.include) - extending.bit_count()


def _passes(rules: Sequence[Mapping[str, Any]], points: Mapping[str, AxisValue]) -> int:
    """Return a bit for each rule that these points do not contradict."""
    mask = 0
    for number, rule in enumerate(rules):
        if all(_same(point, rule[name]) for name, point in points.items() if name in rule):
            mask |= 1 << number
    return mask


def _crossed(counts: Counter[int], passes: Counter[int]) -> Counter[int]:
    crossed: Counter[int] = Counter()
    for mask, number in counts.items():
        for other, times in passes.items():
            crossed[mask & other] += number * times
    return crossed


def expand(matrix: Matrix) -> Expanded:
    """Return all combinations; a matrix without axes and includes has exactly one, the empty one."""
    ruled = matrix.exclude or matrix.include or matrix.zips
    if not ruled or not (matrix.axes or matrix.include):
        return Expanded(combinations=tuple(_every(matrix)), idle=())
    idle: list[tuple[str, int]] = []
    kept = list(_points(matrix)) if matrix.axes else []
    for index, rule in enumerate(matrix.exclude):
        rest = [point for point in kept if not _matches(point, rule)]
        if len(rest) == len(kept):
            idle.append(("exclude", index))
        kept = rest
    originals = [{name: point.value for name, point in combination.items()} for combination in kept]
    created: list[Combination] = []
    for rule in matrix.include:
        extended = False
        for point, values in zip(kept, originals, strict=True):
            if all(_same(point[name], rule[name]) for name in rule if name in point):
                values.update((name, value) for name, value in rule.items() if name not in point)
                extended = True
        if not extended:
            created.append(_created(matrix, rule))
    order = list(matrix.axes)
    combinations = [
        Combination(tuple((name, point[name].label) for name in order), values)
        for point, values in zip(kept, originals, strict=True)
    ]
    return Expanded(combinations=(*combinations, *created), idle=tuple(idle))


def _every(matrix: Matrix) -> Iterator[Combination]:
    """Yield the product of all axes, the empty combination where there is none; they share their pairs."""
    names = tuple(matrix.axes)
    pairs = product(*([(name, point.label) for point in points] for name, points in matrix.axes.items()))
    rows = product(*([point.value for point in points] for points in matrix.axes.values()))
    for shown, row in zip(pairs, rows, strict=True):
        yield Combination(shown, dict(zip(names, row, strict=True)))


def cross(outer: Sequence[Combination], inner: Sequence[Combination]) -> tuple[Combination, ...]:
    """Return every outer combination with every inner one, the outer axes first."""
    if len(outer) == 1 and not outer[0].values:
        return tuple(inner)
    return tuple(
        Combination((*one.shown, *other.shown), {**one.values, **other.values}) for one in outer for other in inner
    )


def _groups(matrix: Matrix) -> list[tuple[str, ...]]:
    """Return the axes in groups that advance together, each group where its first axis is declared."""
    groups: list[tuple[str, ...]] = []
    done: set[str] = set()
    for name in matrix.axes:
        if name not in done:
            group = next((zipped for zipped in matrix.zips if name in zipped), (name,))
            groups.append(group)
            done.update(group)
    return groups


def _points(matrix: Matrix) -> Iterator[dict[str, AxisValue]]:
    groups = _groups(matrix)
    columns = [_rows(matrix, group) for group in groups]
    names = [name for group in groups for name in group]
    for row in product(*columns):
        yield dict(zip(names, (point for cell in row for point in cell), strict=True))


def _rows(matrix: Matrix, group: tuple[str, ...]) -> list[tuple[AxisValue, ...]]:
    """Return the values of a group of axes, side by side."""
    return list(zip(*(matrix.axes[name] for name in group), strict=True))


def _matches(point: Mapping[str, AxisValue], rule: Mapping[str, Any]) -> bool:
    return all(name in point and _same(point[name], value) for name, value in rule.items())


def _same(point: AxisValue, value: Any) -> bool:
    """Whether a rule's value means this point: the same value, its label, or for a mapping a part of it."""
    if isinstance(value, Mapping) and isinstance(point.value, Mapping):
        return all(key in point.value and equal(point.value[key], part) for key, part in value.items())
    return equal(point.value, value) or (isinstance(value, str) and value == point.label)


def equal(one: Any, other: Any) -> bool:
    """Whether two YAML values are the same; unlike in Python, `true` is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _created(matrix: Matrix, rule: Mapping[str, Any]) -> Combination:
    order = [name for name in matrix.axes if name in rule] + [name for name in rule if name not in matrix.axes]
    shown = tuple((name, label_of(rule[name]) or "") for name in order)
    values = {name: _axis_value(matrix, name, value) for name, value in rule.items()}
    return Combination(shown, values)


def _axis_value(matrix: Matrix, name: str, value: Any) -> Any:
    """Return the axis's own value where an include names it by its label, so that data rows stay whole."""
    for point in matrix.axes.get(name, ()):
        if _same(point, value):
            return point.value
    return value
