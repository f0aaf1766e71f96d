"""Waits are numbers out of numbers: tables, and a clock that is a variable."""

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.errors import Problem
from kbatch.providers.base import Accepted, NotAccepted, NotNow, Reason, Running, Unknown
from kbatch.runner.limits.capacity import Capacity, full, halved, recovered
from kbatch.runner.limits.polling.render_time_estimate import (
    RenderTimeEstimate,
    first_poll_after,
    learn,
    next_poll_after,
)
from kbatch.runner.limits.rate import Gcra, hold, take_turn
from kbatch.runner.limits.retry import backoff, pause, poll_scale, retry, retry_wait, temporary

UNIT = st.floats(0, 1)


@pytest.mark.parametrize(
    ("attempt", "jitter", "wait"),
    [
        pytest.param(0, 0.0, 0.5, id="first-shortest"),
        pytest.param(0, 1.0, 1.0, id="first-longest"),
        pytest.param(3, 0.5, 6.0, id="as-documented"),
        pytest.param(6, 1.0, 60.0, id="capped"),
        pytest.param(100_000, 1.0, 60.0, id="no-overflow"),
        pytest.param(-1, 1.0, 1.0, id="before-the-first"),
    ],
)
def test_backoff_doubles_up_to_a_cap(attempt, jitter, wait):
    """Each attempt waits twice as long, up to a minute, jittered downwards by at most half."""
    assert backoff(attempt, jitter) == wait


@pytest.mark.parametrize(
    ("asked", "scale", "wait"),
    [
        pytest.param(None, 1.0, 2.0, id="own"),
        pytest.param(None, 0.001, 0.002, id="own-scaled"),
        pytest.param(30.0, 0.001, 30.0, id="asked-never-scaled"),
        pytest.param(1.0, 1.0, 2.0, id="own-is-longer"),
        pytest.param(0.0, 1.0, 2.0, id="asked-for-nothing"),
    ],
)
def test_a_retry_waits_at_least_what_was_asked(asked, scale, wait):
    """`Retry-After` bounds the wait from below and is not scaled."""
    assert retry_wait(1, 1.0, retry_after_s=asked, scale=scale) == wait


@pytest.mark.parametrize(
    ("text", "loopback", "scale"),
    [
        (None, True, 1.0),
        ("", True, 1.0),
        ("0.001", True, 0.001),
        ("1", True, 1.0),
        ("0.5", True, 0.5),
        ("0.001", False, 1.0),
        ("nonsense", False, 1.0),
    ],
)
def test_the_poll_scale_counts_on_loopback_only(text, loopback, scale):
    """Elsewhere it is 1, whatever is written."""
    assert poll_scale(text, loopback=loopback) == scale


@pytest.mark.parametrize("text", ["0", "0.0009", "1.01", "-1", "nan", "inf", "fast"])
def test_a_poll_scale_out_of_range_is_a_problem(text):
    """It is refused, not clamped."""
    assert isinstance(poll_scale(text, loopback=True), Problem)


def rendered(took_s, known, jitter=0.0):
    """Return when a job that takes `took_s` is polled, the last time finding it ended, and what is known then."""
    times, running_s = [first_poll_after(known, jitter)], 0.0
    while times[-1] < took_s:
        running_s = times[-1]
        times.append(running_s + next_poll_after(running_s, jitter))
    return times, learn(known, running_s=running_s, ended_s=times[-1])


@given(st.lists(st.floats(1, 5000), min_size=1, max_size=40), st.floats(0, 1))
def test_what_is_learned_stays_within_what_was_seen(took, jitter):
    """The shortest time known is never above the longest render seen lately and noticed late, and never below zero."""
    known = RenderTimeEstimate(usual_s=60.0)
    noticed = []
    for took_s in took:
        times, known = rendered(took_s, known, jitter)
        noticed.append(times[-1])
    assert 0 < known.shortest_s <= max(noticed[-16:])
    assert len(known.seen) <= 16


@pytest.mark.parametrize("took_s", [60.0, 100.0, 200.0, 900.0])
def test_a_steady_model_is_met_on_time(took_s):
    """After some renders of one length each is noticed within a twentieth of it or 5 s, by three polls at most."""
    known = RenderTimeEstimate(usual_s=60.0)
    for _ in range(40):
        times, known = rendered(took_s, known)
    late, polls = [], []
    for _ in range(50):
        times, known = rendered(took_s, known)
        late.append(times[-1] - took_s)
        polls.append(len(times))
    assert sum(late) / len(late) <= max(took_s / 20, 5.0)
    assert sum(polls) / len(polls) <= 3


def test_renders_that_are_alike_take_one_poll_mostly():
    """Where the latest renders may all be alike, the first poll aims at when one was first seen to have ended."""
    alike = RenderTimeEstimate(usual_s=60.0)
    for number in range(8):
        assert first_poll_after(alike, 0.0) < 100.0
        alike = learn(alike, running_s=99.0, ended_s=100.0 + number)
    assert first_poll_after(alike, 0.0) == 100.0
    assert first_poll_after(learn(alike, running_s=104.0, ended_s=107.0), 0.0) == 102.0
    assert first_poll_after(learn(alike, running_s=107.0, ended_s=109.0), 0.0) < 100.0


def test_who_comes_late_to_ask_teaches_nobody_to_be_late():
    """Hundreds of renders that were noticed late, as the rate held up their polls, do not tell how long one takes."""
    known = learn(RenderTimeEstimate(usual_s=60.0), running_s=98.0, ended_s=101.0)
    for number in range(500):
        known = learn(known, running_s=90.0 if number % 2 else 0.0, ended_s=130.0 + number / 10)
    assert first_poll_after(known, 0.0) == 101.0


def test_a_model_that_got_slower_is_followed():
    """Once half of the latest were still running when one was first seen to have ended, that no longer holds."""
    known = RenderTimeEstimate(usual_s=60.0)
    for _ in range(16):
        known = learn(known, running_s=99.0, ended_s=100.0)
    for _ in range(16):
        known = learn(known, running_s=199.0, ended_s=200.0)
    assert first_poll_after(known, 0.0) == 200.0


def test_one_in_sixteen_asks_sooner_unless_one_was_just_seen_running():
    """So a model that got quicker is found out by a few polls, and none is spent where the bounds are close."""
    known = learn(RenderTimeEstimate(usual_s=60.0), running_s=99.0, ended_s=100.0)
    for _ in range(16):
        known = learn(known, running_s=0.0, ended_s=100.0)
    sooner = [first_poll_after(known, jitter / 1000) < 100.0 for jitter in range(1000)]
    assert sum(sooner) in (62, 63)
    asked = learn(known, running_s=97.5, ended_s=100.0)
    assert not any(first_poll_after(asked, jitter / 1000) < 100.0 for jitter in range(1000))


def test_a_model_that_got_faster_is_noticed():
    """A render that the first poll finds ended lets the next one be asked sooner, until one is met still running."""
    known = RenderTimeEstimate(usual_s=60.0)
    for _ in range(12):
        times, known = rendered(20.0, known)
    assert known.bracketed
    assert times[-1] <= 26.0


@given(st.floats(1, 2000), st.floats(1, 600), st.floats(0, 1))
def test_polls_are_few_and_never_late_by_more_than_the_ceiling(took_s, usual_s, jitter):
    """An ended job is noticed within 30 s or at the first poll, with 5 s or more between polls: far fewer than one."""
    times, _ = rendered(took_s, RenderTimeEstimate(usual_s=usual_s), jitter)
    late = times[-1] - took_s
    assert late <= 30.0 or len(times) == 1
    assert all(later - earlier >= 5.0 - 1e-6 for earlier, later in pairwise(times))
    assert len(times) <= 1 + took_s / 5


@given(st.floats(0, 10_000), st.floats(0, 1))
def test_a_wait_between_polls_is_bounded(elapsed_s, jitter):
    """Never below 5 s, which the provider asks for, never above 30."""
    assert 5.0 <= next_poll_after(elapsed_s, jitter) <= 30.0


def test_a_rate_spaces_calls_after_its_burst():
    """Two at once, then one every two seconds; waiting gives the burst back."""
    rate = Gcra(interval_s=2.0, burst=2)
    waits = []
    for _ in range(4):
        rate, wait = take_turn(rate, 0.0)
        waits.append(wait)
    assert waits == [0.0, 0.0, 2.0, 4.0]
    rate, wait = take_turn(rate, 100.0)
    assert wait == 0.0
    assert take_turn(rate, 100.0)[1] == 0.0


@given(
    interval_s=st.integers(1, 5),
    burst=st.integers(1, 5),
    gaps=st.lists(st.integers(0, 6), min_size=1, max_size=40),
)
def test_no_window_holds_more_than_the_rate_allows(interval_s, burst, gaps):
    """In any stretch of time at most burst + length/interval calls go out."""
    rate, now, sent = Gcra(interval_s=float(interval_s), burst=burst), 0.0, []
    for gap in gaps:
        now += gap
        rate, wait = take_turn(rate, now)
        sent.append(now + wait)
    for index, start in enumerate(sent):
        for count, end in enumerate(sent[index:], start=1):
            assert count <= burst + (end - start) / interval_s


def test_a_hold_lets_nobody_through_before_its_end():
    """After a `Retry-After` of 30 s the next call waits for it, and a shorter one changes nothing."""
    rate = hold(Gcra(interval_s=1.0, burst=3), 30.0)
    assert take_turn(rate, 0.0)[1] == 30.0
    assert hold(rate, 10.0) == rate
    assert take_turn(hold(Gcra(interval_s=1.0), 30.0), 40.0)[1] == 0.0


def test_capacity_is_halved_once_for_one_burst_of_refusals():
    """Eight 429 of the same moment halve once; the next ones, later, again, down to one."""
    capacity = full(8)
    for _ in range(8):
        capacity = halved(capacity, 100.0)
    assert capacity.slots == 4
    for at in (110.0, 120.0, 130.0, 140.0):
        capacity = halved(capacity, at)
    assert capacity.slots == 1


def test_capacity_recovers_by_about_one_a_round_and_no_further_than_configured():
    """From 4 of 8, each round of acceptances brings about one more slot, until 8."""
    capacity = halved(full(8), 0.0)
    for slots in (4, 5, 6, 7):
        assert capacity.slots == slots
        for _ in range(slots + 1):
            capacity = recovered(capacity)
    for _ in range(20):
        capacity = recovered(capacity)
    assert capacity == Capacity(most=8, now=8.0, halved_at_s=0.0)


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        pytest.param(NotNow(message="HTTP 503"), 0.0, id="no-state"),
        pytest.param(NotNow(message="HTTP 429", retry_after_s=7.0), 7.0, id="asked-to-wait"),
        pytest.param(NotNow(message="HTTP 401", stop=Reason.KEY, retry_after_s=7.0), None, id="key-refused"),
        pytest.param(NotAccepted(reason=Reason.RATE, message="", retry_after_s=7.0), 7.0, id="rate"),
        pytest.param(NotAccepted(reason=Reason.UNAVAILABLE, message=""), 0.0, id="unavailable"),
        pytest.param(NotAccepted(reason=Reason.NO_CONNECTION, message=""), 0.0, id="not-sent"),
        pytest.param(NotAccepted(reason=Reason.CREDITS, message="", retry_after_s=7.0), None, id="no-credits"),
        pytest.param(Unknown(message="", retry_after_s=7.0), None, id="unknown-is-never-retried"),
        pytest.param(Accepted(job_id="a", credits=1), None, id="accepted"),
    ],
)
def test_only_a_temporary_outcome_is_asked_again(outcome: object, asked: float | None) -> None:
    """By what it says, and after what it asks for; a send whose outcome is unknown is none of them."""
    assert temporary(outcome) == asked


@pytest.mark.parametrize(
    ("outcomes", "waits"),
    [
        pytest.param([NotNow(message="1"), Running(), NotNow(message="3")], [(0, 0.0)], id="ends-with-an-answer"),
        pytest.param(
            [NotNow(message=str(n)) for n in range(9)], [(0, 0.0), (1, 0.0), (2, 0.0)], id="ends-with-the-tries"
        ),
        pytest.param([NotNow(message="1", retry_after_s=601.0)] * 9, [], id="asked-for-too-long"),
        pytest.param(
            [NotNow(message="1", retry_after_s=600.0)] * 2 + [Running()], [(0, 600.0), (1, 600.0)], id="longest"
        ),
    ],
)
@pytest.mark.anyio
async def test_an_outcome_is_returned_after_no_more_than_the_tries(outcomes, waits) -> None:
    """The last outcome is returned, without a wait after it; `Retry-After` is waited in full or not at all."""
    asked: list[object] = []
    slept: list[float] = []

    async def ask() -> object:
        asked.append(outcomes[len(asked)])
        return asked[-1]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    wait = partial(pause, name="a", scale=0.5, jitter=1.0, sleep=sleep)
    assert await retry(4, ask, wait) is asked[-1]
    assert len(asked) == len(waits) + 1
    assert slept == [retry_wait(n, 1.0, retry_after_s=asked_s, scale=0.5) for n, asked_s in waits]
