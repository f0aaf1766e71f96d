"""Decides whether due jobs are polled singly or by the provider's job list, how often, and how many pages are read.

Pure: no clock, no sleep; times in seconds, dates by the provider's clock. One page of a hundred jobs costs as much of
the provider's rate as one poll, so it is asked where many jobs are in flight. The list is asked for ended jobs only,
newest first: a job that is not in it has not ended, or stands further down, or was overlooked. So absence proves
nothing: a job that was reached and not found is polled singly now and then, one that was not reached at once.
"""

import math
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from kbatch.runner.limits.polling.render_time_estimate import POLL_FLOOR_S

MANY = 16
"""Jobs in flight from which the list is asked: with fewer, single polls are three a second, and show progress."""
LIST_SHARE = 0.04
"""Share of the provider's rate for lists while calls wait for it: 1,000 jobs may take 10% longer than their submits."""
_ENOUGH = 5  # ended jobs that a reading is worth: it then costs a fifth of a call a job
_WAIT_FOR_MORE = 15  # a reading that showed fewer is followed by none for a fifteenth of a render: 3% late on average
_MOST_WAIT_S = 15.0
_MOST_PAGES = 25  # 2,500 jobs: more than run at once anywhere; what is further down is polled singly
_FAILED_EVERY = 4  # readings of completed jobs to one of failed ones: failures are rare, and no clip waits for them
_CREATED_BEFORE = timedelta(seconds=2)  # a `Date` is in whole seconds, and the time since is by another clock
_LONGEST_PAUSE_S = 60.0  # between two tries to read a list that failed; meanwhile jobs are polled singly
_ABSENCES = 32  # due polls by list until a job is polled singly: some minutes, so that few need one
_DOUBTS = 3  # jobs that had ended unseen: one may have ended between the list and its single poll, three did not


class Step(Enum):
    """How a due job is polled: by itself, by reading the list, or later."""

    SINGLE = "single"
    LIST = "list"
    WAIT = "wait"


class Lists(Struct, frozen=True, kw_only=True):
    """State of polling by list: the latest of `readings` ended at `read_s`, was of so many `pages`, and showed `ended`.

    `scale` multiplies the waits, not the rate. After `failures` no list is read before `failed_until_s`.

    `doubts` counts the jobs that a list did not show and a single poll found ended, since a list last showed one;
    `proven` once one did. Until then one absent job of each reading is polled singly, as its witness.
    """

    scale: float = 1.0
    read_s: float = -math.inf
    pages: int = 0
    ended: int = 0
    failed_until_s: float = 0.0
    failures: int = 0
    readings: int = 0
    witnessed: int = 0
    doubts: int = 0
    proven: bool = False


def next_step(lists: Lists, *, now_s: float, in_flight: int, age_s: float, call_s: float) -> tuple[Step, float]:
    """Return how a due job of this age is polled, and the seconds to wait for a `WAIT`.

    `call_s` is the time between two calls while calls wait for the provider's rate, else 0. Waiting calls are a reason
    for lists even with few jobs in flight, and for few lists: with 8 calls a second, of which 4% may be lists, a
    reading of two pages is followed by none for 6.25 s.
    """
    if (in_flight < MANY and call_s == 0) or now_s < lists.failed_until_s:
        return Step.SINGLE, 0.0
    floor_s = POLL_FLOOR_S * lists.scale
    if lists.ended < _ENOUGH:
        floor_s = min(max(floor_s, age_s / _WAIT_FOR_MORE), _MOST_WAIT_S * lists.scale)
    wait_s = lists.read_s + max(floor_s, lists.pages * call_s / LIST_SHARE) - now_s
    # The rate may become free meanwhile, so it is looked at again before a long wait is over.
    return (Step.LIST, 0.0) if wait_s <= 0 else (Step.WAIT, min(wait_s, max(wait_s / 4, floor_s)))


def asks_for_failed(lists: Lists) -> bool:
    """Whether this reading also asks for failed jobs."""
    return lists.readings % _FAILED_EVERY == _FAILED_EVERY - 1


def after_reading(lists: Lists, *, now_s: float, pages: int, ended: int) -> Lists:
    """Return the state after a reading of so many pages that showed so many jobs in flight to have ended."""
    failures = 0 if lists.doubts < _DOUBTS else lists.failures
    return replace(lists, read_s=now_s, pages=pages, ended=ended, failures=failures, readings=lists.readings + 1)


def after_failure(lists: Lists, *, now_s: float) -> Lists:
    """Return the state after a list that could not be read: the pause is doubled each time, up to a minute."""
    pause_s = min(_LONGEST_PAUSE_S, POLL_FLOOR_S * 2.0 ** min(lists.failures, 10)) * lists.scale
    return replace(lists, failures=lists.failures + 1, failed_until_s=now_s + pause_s)


def reached(sent: datetime | None, page_end: datetime | None, *, last_page: bool) -> bool:
    """Whether a job that was sent then would be on the pages that were read, the last of which ends at `page_end`."""
    if last_page:
        return True
    return sent is not None and page_end is not None and page_end < sent - _CREATED_BEFORE


def next_page_pays(
    due: Collection[datetime], *, page_began: datetime | None, page_end: datetime | None, pages: int
) -> bool:
    """Whether another page costs fewer calls than single polls of the due jobs that were not reached.

    `due` are the times at which they were sent. The pages that lead to the oldest one are estimated from the time that
    the last page covers.
    """
    if pages >= _MOST_PAGES or page_began is None or page_end is None:
        return False
    below = [sent for sent in due if not reached(sent, page_end, last_page=False)]
    if len(below) < 2:
        return False
    span = max(page_began - page_end, timedelta(seconds=1))
    return len(below) > (page_end - (min(below) - _CREATED_BEFORE)) / span


def polled_singly(lists: Lists, absences: int) -> bool:
    """Whether a job that so many readings have reached and not shown is polled singly now.

    A list that has shown another job's end is doubted seldom: a job that it does not show is still rendering.
    """
    return absences % _ABSENCES == 0 or (not lists.proven and lists.witnessed < lists.readings)


def after_single(lists: Lists) -> Lists:
    """Return the state after `polled_singly`: the latest reading has had its witness."""
    return replace(lists, witnessed=lists.readings)


def shown(lists: Lists) -> Lists:
    """Return the state after a list has shown the end of a job."""
    return replace(lists, proven=True, doubts=0)


def overlooked(lists: Lists, *, now_s: float) -> Lists:
    """Return the state after a single poll found a job ended that lists did not show; the third closes the list."""
    lists = replace(lists, proven=False, doubts=lists.doubts + 1)
    return after_failure(lists, now_s=now_s) if lists.doubts >= _DOUBTS else lists
