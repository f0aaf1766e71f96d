"""Chains: which job a frame call means, and the order in which chained jobs are rendered."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_manifests import drafted, resolved

from kbatch.manifest.chains import in_order, upstream_of
from kbatch.manifest.drafts import Frame

HERO = """
        shots:
          - id: hero
            prompt: "{{ city }} {{ light }}"
            takes: 2
            matrix: {city: [Lisbon, Tokyo], light: [golden hour, dusk], include: [{city: Oslo, light: night}]}
          - id: reveal
            prompt: "{{ city }}"
            matrix: {city: [Lisbon, Tokyo]}
            params: {start_image: "{{ CALL }}"}
        """


def frames(call: str) -> list[object]:
    """Return what `reveal` of Lisbon and Tokyo begins with."""
    found = drafted(HERO.replace("CALL", call))
    return [draft.params["start_image"] for draft in found.drafts if draft.shot == "reveal"]


CALLS = {
    "by-label": ("last_frame('hero', light='golden-hour')", ["hero[city=lisbon,light=golden-hour]"]),
    "by-value": ("last_frame('hero', light='Golden Hour')", ["hero[city=lisbon,light=golden-hour]"]),
    "another-city": (
        "last_frame('hero', light='dusk', city='Oslo' if false else 'Tokyo')",
        ["hero[city=tokyo,light=dusk]"],
    ),
    "second-take": ("last_frame('hero', take=2, light='dusk')", ["hero[city=lisbon,light=dusk]@2"]),
    "created-by-include": ("last_frame('hero', city='Oslo', light='night')", ["hero[city=oslo,light=night]"]),
}


@pytest.mark.parametrize(("call", "first"), CALLS.values(), ids=CALLS)
def test_axes_that_both_have_match_by_value(call: str, first: list[str]) -> None:
    """What the call names wins, what it does not name is the asking job's own; the take is 1 unless named."""
    assert frames(call)[0] == Frame("last", first[0])


def test_each_job_has_the_frame_of_its_own_upstream() -> None:
    """The two cities of `reveal` begin with the two cities of `hero`."""
    assert frames("last_frame('hero', light='dusk')") == [
        Frame("last", "hero[city=lisbon,light=dusk]"),
        Frame("last", "hero[city=tokyo,light=dusk]"),
    ]


def test_a_first_frame_is_another_frame() -> None:
    """`first_frame` means the same job and the other end of its clip."""
    assert frames("first_frame('hero', light='dusk')")[0] == Frame("first", "hero[city=lisbon,light=dusk]")


def test_a_frame_may_stand_in_for_a_picture_in_some_jobs_only() -> None:
    """An expression that is a frame for one job and a file for another chains only the first."""
    assert frames("last_frame('hero', light='dusk') if city == 'Tokyo' else 'a.png'")[0] == "a.png"


WRONG = {
    "unknown-shot": ("last_frame('heroo')", "unknown-shot", "did you mean `hero`?"),
    "unknown-axis": ("last_frame('hero', lights='dusk')", "unknown-axis", "did you mean `light`?"),
    "ambiguous": ("last_frame('hero')", "ambiguous-frame", "name the axis: light=…"),
    "no-such-value": ("last_frame('hero', light='noon')", "no-such-job", None),
    "no-such-take": ("last_frame('hero', light='dusk', take=3)", "no-such-job", None),
    "no-such-combination": ("last_frame('hero', light='night')", "no-such-job", None),
    "take-that-is-no-number": ("last_frame('hero', take='2')", "template-failed", None),
    "two-shots": ("last_frame('hero', 'hero')", "template-failed", None),
}


@pytest.mark.parametrize(("call", "code", "hint"), WRONG.values(), ids=WRONG)
def test_a_call_that_means_no_one_job_is_refused(call: str, code: str, hint: str | None) -> None:
    """Nothing is guessed: not the shot, not the axis, not one of several jobs."""
    (problem,) = resolved(HERO.replace("CALL", call)).problems
    assert problem.code == code
    assert hint is None or problem.hint == hint


def test_a_frame_of_a_shot_without_jobs_is_refused() -> None:
    """A shot that `when` leaves nothing of has no frame to give."""
    found = resolved(
        """
        shots:
          - {id: hero, prompt: a, when: false}
          - {id: reveal, prompt: b, params: {start_image: "{{ last_frame('hero') }}"}}
        """
    )
    assert found.codes == ["no-jobs", "no-such-job"]


def test_a_cycle_names_its_jobs_and_lines() -> None:
    """Three shots that wait for each other are one problem, marked at the first of them."""
    found = resolved(
        """
        shots:
          - {id: free, prompt: a}
          - {id: one, prompt: a, params: {start_image: "{{ last_frame('three') }}"}}
          - {id: two, prompt: a, params: {start_image: "{{ last_frame('one') }}"}}
          - id: three
            prompt: a
            params: {end_image: "{{ last_frame('free') }}", start_image: "{{ last_frame('two') }}"}
        """
    )
    (problem,) = found.problems
    assert problem.code == "cycle"
    assert problem.message == "these jobs wait for each other: `one` → `three` → `two` → `one` (lines 8, 9, 12)"
    assert problem.mark is not None
    assert (problem.mark.line, problem.mark.width) == (8, len("three"))


def test_upstreams_are_listed_once() -> None:
    """A job that takes two frames of one other job waits for it once."""
    params = {"start_image": Frame("last", "a"), "end_image": Frame("first", "a"), "x": Frame("last", "b"), "y": "a"}
    assert upstream_of(params) == ("a", "b")


GRAPHS = st.dictionaries(
    st.integers(0, 7).map(str), st.lists(st.integers(0, 7).map(str), max_size=3, unique=True), min_size=1
).map(lambda graph: {node: tuple(need for need in needs if need in graph) for node, needs in graph.items()})


@given(GRAPHS)
def test_the_order_puts_every_upstream_first_or_names_a_cycle(graph: dict[str, tuple[str, ...]]) -> None:
    """Every job stands once and after all that it needs; where that cannot be, a closed path is named."""
    order, cycle = in_order(graph)
    if not cycle:
        assert sorted(order) == sorted(graph)
        assert all(order.index(need) < order.index(node) for node, needs in graph.items() for need in needs)
    else:
        assert cycle[0] == cycle[-1]
        assert all(need in graph[node] for node, need in pairwise(cycle))
