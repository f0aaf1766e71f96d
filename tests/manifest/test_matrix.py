"""Matrices: GitHub Actions' documented examples to the letter, and what holds for any matrix at all."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbatch.manifest.matrix.combinations import EMPTY, AxisValue, Combination, Matrix, count, cross, equal, expand, most
from kbatch.manifest.matrix.labels import label_of


def matrix(axes: Mapping[str, list[Any]], **rules: Any) -> Matrix:
    """Return a matrix of plain values."""
    points = {name: tuple(AxisValue(label_of(value) or "", value) for value in values) for name, values in axes.items()}
    return Matrix(axes=points, **{name: tuple(rule) for name, rule in rules.items()})


def values_of(made: Matrix) -> list[dict[str, Any]]:
    """Return what each combination defines."""
    return [dict(combination.values) for combination in expand(made).combinations]


def address(combination: Combination) -> str:
    """Return the part of an address that shows a combination."""
    return ",".join(f"{name}={label}" for name, label in combination.shown)


# the examples of GitHub's documentation, "Running variations of jobs in a workflow" (docs.github.com)


def test_include_extends_and_adds_as_github_documents() -> None:
    """The documented example of fruits and animals makes the six documented jobs, in that order."""
    fruits = matrix(
        {"fruit": ["apple", "pear"], "animal": ["cat", "dog"]},
        include=[
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    )
    assert values_of(fruits) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_exclude_removes_partial_matches_as_github_documents() -> None:
    """Of the documented twelve combinations the one named in full and the two of a partial rule are left out."""
    versions = matrix(
        {"os": ["macos-latest", "windows-latest"], "version": [12, 14, 16], "environment": ["staging", "production"]},
        exclude=[
            {"os": "macos-latest", "version": 12, "environment": "production"},
            {"os": "windows-latest", "version": 16},
        ],
    )
    everything = product(["macos-latest", "windows-latest"], [12, 14, 16], ["staging", "production"])
    gone = {
        ("macos-latest", 12, "production"),
        ("windows-latest", 16, "staging"),
        ("windows-latest", 16, "production"),
    }
    assert [tuple(one.values()) for one in values_of(versions)] == [one for one in everything if one not in gone]
    assert len(values_of(versions)) == 9


def test_include_expands_configurations_as_github_documents() -> None:
    """`npm: 6` goes to the one combination that it names in full, and nowhere else."""
    nodes = matrix(
        {"os": ["windows-latest", "ubuntu-latest"], "node": [14, 16]},
        include=[{"os": "windows-latest", "node": 16, "npm": 6}],
    )
    assert values_of(nodes) == [
        {"os": "windows-latest", "node": 14},
        {"os": "windows-latest", "node": 16, "npm": 6},
        {"os": "ubuntu-latest", "node": 14},
        {"os": "ubuntu-latest", "node": 16},
    ]


def test_include_adds_configurations_as_github_documents() -> None:
    """A version that no axis has becomes a combination of its own."""
    added = matrix(
        {"os": ["macos-latest", "windows-latest", "ubuntu-latest"], "version": [12, 14, 16]},
        include=[{"os": "windows-latest", "version": 17}],
    )
    assert len(values_of(added)) == 10
    assert values_of(added)[-1] == {"os": "windows-latest", "version": 17}


def test_include_alone_makes_the_combinations_as_github_documents() -> None:
    """Without axes each entry of `include` is one job."""
    sites = [{"site": "production", "datacenter": "site-a"}, {"site": "staging", "datacenter": "site-b"}]
    assert values_of(matrix({}, include=sites)) == sites


def test_exclude_comes_before_include_as_github_documents() -> None:
    """What was excluded can be brought back by an include."""
    back = matrix({"os": ["mac", "win"]}, exclude=[{"os": "win"}], include=[{"os": "win"}])
    assert values_of(back) == [{"os": "mac"}, {"os": "win"}]


def test_an_included_value_gives_way_to_a_later_one_and_never_to_an_original() -> None:
    """A later include overwrites what an earlier one added; what an axis says is never overwritten."""
    added = matrix({"a": [1, 2]}, include=[{"b": "x"}, {"a": 1, "b": "y"}, {"a": 3, "b": "z"}])
    assert values_of(added) == [{"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 3, "b": "z"}]


def test_an_include_does_not_extend_what_another_one_made() -> None:
    """Includes look at the original combinations only."""
    added = matrix({"a": [1]}, include=[{"a": 2}, {"a": 2, "b": "x"}])
    assert values_of(added) == [{"a": 1}, {"a": 2}, {"a": 2, "b": "x"}]


# kbatch's own


def test_the_first_axis_is_outermost() -> None:
    """The last axis changes fastest."""
    found = [address(one) for one in expand(matrix({"a": [1, 2], "b": ["x", "y"]})).combinations]
    assert found == ["a=1,b=x", "a=1,b=y", "a=2,b=x", "a=2,b=y"]


def test_no_axes_make_one_combination() -> None:
    """A shot without a matrix is one job."""
    assert expand(EMPTY).combinations == (Combination((), {}),)
    assert (count(EMPTY), most(EMPTY)) == (1, 1)


def test_what_an_include_adds_shows_in_addresses_only_of_what_it_creates() -> None:
    """Keys added to an existing combination do not show; those of a created one do, the axes first."""
    made = matrix({"b": [1], "a": [1]}, include=[{"c": "x"}, {"c": "y", "a": 2, "b": 3}])
    assert [address(one) for one in expand(made).combinations] == ["b=1,a=1", "b=3,a=2,c=y"]


def test_an_include_by_label_keeps_the_data_row() -> None:
    """A created combination that names an axis value by its label has the whole row, not the word."""
    rows = [{"id": "Parka", "price": 9}, {"id": "flask", "price": 3}]
    made = matrix({"product": rows, "city": ["Rome"]}, include=[{"product": "parka", "city": "Oslo"}])
    assert values_of(made)[-1] == {"product": rows[0], "city": "Oslo"}


def test_zipped_axes_advance_together_where_the_first_of_them_stands() -> None:
    """Two zipped axes of two values and one of two make four combinations, shown in declared order."""
    made = matrix({"a": [1, 2], "x": ["p", "q"], "b": [3, 4]}, zips=[("a", "b")])
    found = [address(one) for one in expand(made).combinations]
    assert found == ["a=1,x=p,b=3", "a=1,x=q,b=3", "a=2,x=p,b=4", "a=2,x=q,b=4"]


def test_a_rule_that_matches_nothing_is_reported() -> None:
    """The index of each idle rule is reported; a rule whose matches an earlier rule removed is idle too."""
    rules = [{"a": 3}, {"a": 1}, {"a": 1, "b": "x"}]
    assert expand(matrix({"a": [1, 2], "b": ["x"]}, exclude=rules)).idle == (("exclude", 0), ("exclude", 2))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1, True), (1, 1.0, True), (True, 1, False), (0, False, False), ("1", 1, False), ({"a": 1}, {"a": 1}, True)],
)
def test_values_are_compared_as_yaml_has_them(one: object, other: object, same: bool) -> None:
    """Unlike in Python, true is not 1."""
    assert equal(one, other) is same


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"a": "golden-hour"}, 1),
        ({"a": "Golden Hour"}, 1),
        ({"a": "GOLDEN HOUR"}, 2),
        ({"a": {"id": "x"}}, 1),
        ({"a": {"id": "x", "n": 2}}, 2),
        ({"a": "x"}, 1),
    ],
    ids=["label", "value", "neither", "part-of-a-mapping", "contradicting-mapping", "label-of-a-mapping"],
)
def test_a_rule_means_a_value_its_label_or_a_part_of_a_mapping(rule: dict[str, Any], left: int) -> None:
    """A rule may name a value as it was written, by its label, or by some of a mapping's fields."""
    made = matrix({"a": ["Golden Hour", {"id": "x", "n": 1}]}, exclude=[rule])
    assert len(expand(made).combinations) == left


def test_the_size_of_a_huge_matrix_is_known_at_once() -> None:
    """A matrix of 10¹² combinations, with rules, is counted exactly and nothing is expanded."""
    axes = {name: list(range(1000)) for name in "abcd"}
    made = matrix(axes, exclude=[{"a": 0}, {"a": 1, "b": 1}], include=[{"e": 1}, {"a": -1}, {"a": 5, "f": 2}])
    assert count(made) == 1000**4 - 1000**3 - 1000**2 + 1
    assert most(made) == 1000**4 + 3


NAMES = "abc"
SMALL = st.integers(0, 2)
AXES = st.dictionaries(st.sampled_from(NAMES), st.lists(SMALL, min_size=1, max_size=3, unique=True), max_size=3)
RULE = st.dictionaries(st.sampled_from(NAMES), SMALL, min_size=1, max_size=3)
INCLUDE = st.dictionaries(st.sampled_from(NAMES + "xy"), SMALL, min_size=1, max_size=3)


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Make any small matrix with rules on its axes, two equally long ones zipped now and then."""
    axes = draw(AXES)
    exclude = [rule for rule in draw(st.lists(RULE, max_size=4)) if rule.keys() <= axes.keys()]
    pairs = [(one, other) for one in axes for other in axes if one < other and len(axes[one]) == len(axes[other])]
    zips = [draw(st.sampled_from(pairs))] if pairs and draw(st.booleans()) else []
    return matrix(axes, exclude=exclude, include=draw(st.lists(INCLUDE, max_size=4)), zips=zips)


@settings(max_examples=300)
@given(matrices())
def test_the_count_is_the_size_of_the_expansion(made: Matrix) -> None:
    """`count` returns the size of `expand`, and never more than `most`."""
    assert count(made) == len(expand(made).combinations) <= most(made)


@given(matrices())
def test_exclusion_removes_exactly_the_partial_matches(made: Matrix) -> None:
    """What is left is the product of the axes, in its order, without whatever a rule matches in all its keys."""
    bare = Matrix(axes=made.axes, zips=made.zips)
    rules = Matrix(axes=made.axes, zips=made.zips, exclude=made.exclude)
    left = [
        values
        for values in values_of(bare)
        if not any(all(values.get(name) == value for name, value in rule.items()) for rule in made.exclude)
    ]
    assert values_of(rules) == (left if made.axes else [{}])


@given(matrices())
def test_an_axis_is_never_overwritten(made: Matrix) -> None:
    """Every original combination keeps its axes' values whatever the includes say."""
    kept = values_of(Matrix(axes=made.axes, zips=made.zips, exclude=made.exclude)) if made.axes else []
    whole = values_of(made)
    for before, after in zip(kept, whole, strict=False):
        assert {name: after[name] for name in before} == before


@given(AXES, st.lists(RULE, max_size=3))
def test_addresses_are_unique(axes: dict[str, list[int]], rules: list[dict[str, int]]) -> None:
    """Axes with unique labels make combinations with unique addresses."""
    exclude = [rule for rule in rules if rule.keys() <= axes.keys()]
    found = [address(one) for one in expand(matrix(axes, exclude=exclude)).combinations]
    assert len(found) == len(set(found))


@given(AXES)
def test_zipping_an_axis_with_its_twin_changes_no_count(axes: dict[str, list[int]]) -> None:
    """An axis that advances with another adds no combinations."""
    if not axes:
        return
    first = next(iter(axes))
    made = matrix({**axes, "twin": axes[first]}, zips=[(first, "twin")])
    assert count(made) == count(matrix(axes))
    assert all(one[first] == one["twin"] for one in values_of(made))


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)))
def test_without_rules_the_product_is_what_rules_leave_alone(axes: dict[str, list[int]]) -> None:
    """A rule that matches nothing changes nothing, so a matrix that has none is expanded as one that has."""
    with_a_rule = [{**dict.fromkeys(axes, 9)}] if axes else []
    assert expand(matrix(axes)).combinations == expand(matrix(axes, exclude=with_a_rule)).combinations


@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), st.integers()), min_size=1, max_size=3),
    st.lists(st.dictionaries(st.sampled_from("cd"), st.integers()), max_size=3),
)
def test_crossing_puts_the_outer_axes_first(outer: list[dict[str, int]], inner: list[dict[str, int]]) -> None:
    """Each outer combination meets each inner one; the empty one of a manifest without a matrix adds nothing."""
    ones, others = ([Combination(tuple(map(_pair, made.items())), made) for made in each] for each in (outer, inner))
    crossed = [((*one.shown, *other.shown), {**one.values, **other.values}) for one in ones for other in others]
    assert [(made.shown, made.values) for made in cross(ones, others)] == crossed


def _pair(item: tuple[str, int]) -> tuple[str, str]:
    return item[0], str(item[1])
