"""Whether due jobs are polled by list: decisions as tables, on a clock that is a variable."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.runner.limits.polling.list_polling import (
    LIST_SHARE,
    MANY,
    Lists,
    Step,
    after_failure,
    after_reading,
    after_single,
    asks_for_failed,
    next_page_pays,
    next_step,
    overlooked,
    polled_singly,
    reached,
    shown,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
CALL_S = 0.125
READ = Lists(read_s=100.0, pages=2, ended=40, readings=1)


def ago(seconds: float) -> datetime:
    """Return a time before noon."""
    return NOON - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("lists", "now_s", "in_flight", "call_s", "expected"),
    [
        pytest.param(Lists(), 0.0, MANY - 1, 0.0, Step.SINGLE, id="few-in-flight"),
        pytest.param(Lists(), 0.0, MANY, 0.0, Step.LIST, id="many-in-flight"),
        pytest.param(Lists(), 0.0, 1, CALL_S, Step.LIST, id="few-while-calls-wait"),
        pytest.param(READ, 104.9, MANY, 0.0, Step.WAIT, id="read-just-now"),
        pytest.param(READ, 105.0, MANY, 0.0, Step.LIST, id="after-the-documented-five-seconds"),
        pytest.param(READ, 106.2, MANY, CALL_S, Step.WAIT, id="two-pages-while-calls-wait"),
        pytest.param(READ, 106.25, MANY, CALL_S, Step.LIST, id="after-their-share-of-the-rate"),
        pytest.param(after_failure(Lists(), now_s=0.0), 4.9, MANY, CALL_S, Step.SINGLE, id="list-failed"),
        pytest.param(after_failure(Lists(), now_s=0.0), 5.0, MANY, CALL_S, Step.LIST, id="list-tried-again"),
    ],
)
def test_how_a_due_job_is_polled(lists: Lists, now_s: float, in_flight: int, call_s: float, expected: Step) -> None:
    """By list with many in flight or a rate that is used up, singly else and while the list fails."""
    step, wait_s = next_step(lists, now_s=now_s, in_flight=in_flight, age_s=0.0, call_s=call_s)
    assert step is expected
    assert (wait_s > 0) is (expected is Step.WAIT)


@pytest.mark.parametrize(
    ("ended", "age_s", "wait_s"),
    [
        pytest.param(5, 300.0, 5.0, id="worth-it"),
        pytest.param(4, 300.0, 15.0, id="not-worth-it"),
        pytest.param(0, 150.0, 10.0, id="a-fifteenth-of-the-render"),
        pytest.param(0, 30.0, 5.0, id="no-less-than-documented"),
    ],
)
def test_a_list_that_showed_little_is_read_less_often(ended: int, age_s: float, wait_s: float) -> None:
    """The wait for more grows with the render, so that noticing late stays a small share of it."""
    lists = after_reading(Lists(), now_s=0.0, pages=1, ended=ended)
    for now_s, step in ((wait_s - 0.01, Step.WAIT), (wait_s, Step.LIST)):
        assert next_step(lists, now_s=now_s, in_flight=MANY, age_s=age_s, call_s=0.0)[0] is step


@given(pages=st.lists(st.integers(1, 25), min_size=1, max_size=30), call_s=st.floats(0.01, 1.0))
def test_lists_take_no_more_than_their_share_while_calls_wait(pages: list[int], call_s: float) -> None:
    """However many pages the readings have, all but the last come to their share of the calls at most."""
    lists, now_s = Lists(), 0.0
    for count in pages:
        while (found := next_step(lists, now_s=now_s, in_flight=999, age_s=0.0, call_s=call_s))[0] is Step.WAIT:
            now_s += max(found[1], 1e-6)
        assert found[0] is Step.LIST
        lists = after_reading(lists, now_s=now_s, pages=count, ended=9)
    assert sum(pages[:-1]) <= LIST_SHARE * now_s / call_s + 1e-3


def test_pauses_after_failures_double_up_to_a_minute() -> None:
    """A list that fails for good costs one call a minute."""
    lists, pauses = Lists(), []
    for _ in range(6):
        lists = after_failure(lists, now_s=0.0)
        pauses.append(lists.failed_until_s)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert after_reading(lists, now_s=0.0, pages=1, ended=0).failures == 0


@pytest.mark.parametrize(
    ("sent", "end", "last", "expected"),
    [
        pytest.param(ago(10), ago(20), False, True, id="the-page-goes-further-back"),
        pytest.param(ago(10), ago(5), False, False, id="the-page-ends-before"),
        pytest.param(ago(10), ago(11), False, False, id="within-the-clocks-second"),
        pytest.param(ago(10), None, False, False, id="the-page-has-no-times"),
        pytest.param(None, ago(20), False, False, id="its-time-is-not-known"),
        pytest.param(None, None, True, True, id="the-whole-list-was-read"),
    ],
)
def test_which_jobs_pages_have_reached(sent: datetime | None, end: datetime | None, last: bool, expected: bool) -> None:
    """Only a job that would be on the pages counts as absent from them."""
    assert reached(sent, end, last_page=last) is expected


@pytest.mark.parametrize(
    ("due", "pages", "expected"),
    [
        pytest.param([ago(30)] * 9, 1, True, id="nine-on-the-next-pages"),
        pytest.param([ago(30)], 1, False, id="one-is-polled-singly"),
        pytest.param([ago(5)] * 9, 1, False, id="all-reached"),
        pytest.param([ago(1000)] * 9, 1, False, id="too-far-down-for-nine"),
        pytest.param([ago(1000)] * 200, 1, True, id="not-for-two-hundred"),
        pytest.param([ago(1000)] * 2000, 25, False, id="no-more-than-25-pages"),
    ],
)
def test_a_page_is_read_where_it_saves_calls(due: list[datetime], pages: int, expected: bool) -> None:
    """A page that covers ten seconds leads to a job of 1,000 s ago after a hundred more."""
    assert next_page_pays(due, page_began=NOON, page_end=ago(10), pages=pages) is expected
    assert not next_page_pays(due, page_began=None, page_end=None, pages=pages)


def test_a_list_is_doubted_until_it_has_shown_a_job() -> None:
    """One absent job of each reading is its witness; of a list that has proven itself one in 32 polls is single."""
    lists = after_reading(Lists(), now_s=0.0, pages=1, ended=0)
    assert polled_singly(lists, 1)
    lists = after_single(lists)
    assert not polled_singly(lists, 1)
    lists = shown(after_reading(lists, now_s=0.0, pages=1, ended=1))
    assert [absences for absences in range(1, 97) if polled_singly(lists, absences)] == [32, 64, 96]


def test_a_list_that_overlooks_three_ends_is_closed_for_a_while() -> None:
    """One that ended between the list and its single poll is no reason."""
    lists = shown(Lists())
    for _ in range(2):
        lists = overlooked(lists, now_s=0.0)
        assert next_step(lists, now_s=0.0, in_flight=MANY, age_s=0.0, call_s=0.0)[0] is Step.LIST
    assert (
        next_step(overlooked(shown(lists), now_s=0.0), now_s=0.0, in_flight=MANY, age_s=0.0, call_s=0.0)[0] is Step.LIST
    )
    lists = overlooked(lists, now_s=0.0)
    assert next_step(lists, now_s=0.0, in_flight=MANY, age_s=0.0, call_s=0.0)[0] is Step.SINGLE
    lists = overlooked(after_reading(lists, now_s=5.0, pages=1, ended=0), now_s=5.0)
    assert lists.failed_until_s == 15.0, "the pause grows until the list shows a job"


def test_failed_jobs_are_asked_for_with_every_fourth_reading() -> None:
    """Nobody waits for the clip of a failed job."""
    assert [asks_for_failed(Lists(readings=number)) for number in range(8)] == [False, False, False, True] * 2
