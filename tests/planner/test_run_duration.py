"""How long a run is expected to take: renders of one length are put on their places in one step."""

import heapq

from hypothesis import given
from hypothesis import strategies as st

from kbatch.planner.summary import fill


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=9),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 60)), max_size=4),
)
def test_many_renders_at_once_are_put_where_one_by_one_they_would_be(
    ends: list[int], work: list[tuple[int, int]]
) -> None:
    """Whatever the places have to do already, each render goes to the one that is free first."""
    ours, theirs = sorted(ends), sorted(ends)
    for seconds, number in work:
        fill(ours, seconds, number)
        for _ in range(number):
            heapq.heapreplace(theirs, theirs[0] + seconds)
    assert sorted(ours) == sorted(theirs)
