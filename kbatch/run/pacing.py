"""When to do the next thing, as arithmetic: time and random numbers come in, seconds to wait go out.

Rules it keeps: no clock, no sleep, no randomness of its own (`jitter` is a number from 0 to 1); a provider's
`Retry-After` is nobody's to shorten, so nothing here ever scales it.
"""

import math
from dataclasses import dataclass, replace

from kbatch.problems import Problem

POLL_FLOOR_S = 5.0
POLL_CEILING_S = 30.0
_OLDEST_WEIGHT = 0.2
_HALVED_ONCE_IN_S = 10.0


def backoff(attempt: int, jitter: float, *, first_s: float = 1.0, cap_s: float = 60.0) -> float:
    """Return the wait before retry number `attempt`, from 0: doubled each time up to a cap, half of it jittered.

    `backoff(3, 0.5)` is 6.0: eight seconds, of which four are sure and four are multiplied by the jitter.
    """
    whole = min(cap_s, first_s * 2.0 ** min(max(attempt, 0), 60))
    return whole * (0.5 + 0.5 * jitter)


def retry_wait(attempt: int, jitter: float, *, retry_after_s: float | None, scale: float = 1.0) -> float:
    """Return the wait before a retry: never less than what the provider asked for, only kbatch's own part scaled."""
    return max(backoff(attempt, jitter) * scale, retry_after_s or 0.0)


def poll_scale(text: str | None, *, loopback: bool) -> float | Problem:
    """Read `KBATCH_POLL_SCALE`, 0.001 to 1, which multiplies kbatch's own waits; 1 where the API is not on loopback."""
    if text is None or not text.strip() or not loopback:
        return 1.0
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0.001 <= scale <= 1:
        message = f"KBATCH_POLL_SCALE is `{text}`, not a number from 0.001 to 1"
        return Problem(code="poll-scale", message=message)
    return scale


# polling


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """How long renders of one model and variant take, in seconds; `seen` counts the observations in it."""

    shortest_s: float
    typical_s: float
    seen: int = 0


def learn(known: Learned, took_s: float) -> Learned:
    """Fold one observed render time in: the typical time moves towards it, the shortest drops at once, rises slowly."""
    weight = max(1.0 / (known.seen + 2), _OLDEST_WEIGHT)
    typical_s = known.typical_s + weight * (took_s - known.typical_s)
    towards = 1.0 if took_s < known.shortest_s else weight / 2
    shortest_s = known.shortest_s + towards * (took_s - known.shortest_s)
    return Learned(shortest_s=min(shortest_s, typical_s), typical_s=typical_s, seen=known.seen + 1)


def first_poll_after(known: Learned, jitter: float) -> float:
    """Return the wait from acceptance to the first poll: the shortest time known, jittered by a tenth downwards."""
    return max(POLL_FLOOR_S, known.shortest_s * (0.9 + 0.1 * jitter))


def next_poll_after(elapsed_s: float, expected_s: float, jitter: float) -> float:
    """Return the wait to the next poll, 5 to 30 s: half of what is left, then a tenth of what it is late.

    Elapsed and expected count from acceptance. Jitter makes it up to a tenth longer, lest many jobs ask at once.
    """
    left_s = expected_s - elapsed_s
    wait = left_s / 2 if left_s > 0 else POLL_FLOOR_S - left_s / 10
    return min(max(wait, POLL_FLOOR_S) * (1.0 + 0.1 * jitter), POLL_CEILING_S)


# rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Gcra:
    """A rate as the generic cell rate algorithm keeps it: one request an interval, `burst` of them at once.

    `due_s` is the theoretical time of the next request on the caller's clock.
    """

    interval_s: float
    burst: int = 1
    due_s: float = 0.0


def reserve(rate: Gcra, now_s: float) -> tuple[Gcra, float]:
    """Take the next place: return the rate with it taken and the seconds to wait before using it.

    With an interval of 2 and a burst of 1, three calls at time 0 wait 0, 2 and 4 seconds.
    """
    due_s = max(rate.due_s, now_s)
    wait_s = max(0.0, due_s - (rate.burst - 1) * rate.interval_s - now_s)
    return replace(rate, due_s=due_s + rate.interval_s), wait_s


def hold(rate: Gcra, until_s: float) -> Gcra:
    """Let nobody go before `until_s`, as a `Retry-After` asks; then one at a time."""
    return replace(rate, due_s=max(rate.due_s, until_s + (rate.burst - 1) * rate.interval_s))


# capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many jobs may run at once: `most` as configured, `now` as learned from refusals, in fractions as it grows."""

    most: int
    now: float
    halved_at_s: float = -math.inf

    @property
    def slots(self) -> int:
        """Whole jobs, at least one."""
        return max(1, math.floor(self.now))


def full(most: int) -> Capacity:
    """Return a capacity that nothing has lessened yet."""
    return Capacity(most=most, now=float(most))


def halved(capacity: Capacity, now_s: float) -> Capacity:
    """Halve on a 429; those that answer calls of the same ten seconds count once."""
    if now_s - capacity.halved_at_s < _HALVED_ONCE_IN_S:
        return capacity
    return replace(capacity, now=max(1.0, capacity.now / 2), halved_at_s=now_s)


def recovered(capacity: Capacity) -> Capacity:
    """Grow on an acceptance, by about one slot for each round of jobs, up to what is configured."""
    return replace(capacity, now=min(float(capacity.most), capacity.now + 1 / capacity.now))
