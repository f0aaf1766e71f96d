"""When to do the next thing, as arithmetic: time and random numbers come in, seconds to wait go out.

Rules it keeps: no clock, no sleep, no randomness of its own (`jitter` is a number from 0 to 1); a provider's
`Retry-After` is nobody's to shorten, so nothing here ever scales it: it is waited out, or given up if too long.
"""

import math

from msgspec import Struct
from msgspec.structs import replace

from kbatch.problems import Problem

POLL_FLOOR_S = 5.0
POLL_CEILING_S = 30.0
POLLS_SHARE = 0.75
LONGEST_WAIT_S = 600.0
"""The longest wait that a server may ask for: limits are of a minute (Apiframe: about 500 calls), with room for ten.

A pause of hours is no limit any more, but an outage or a mistake: what is paid stays owed, and a later command goes on.
"""
LONGEST_REFUSAL_S = 1800.0
"""How long a provider may refuse all purchases, one wait after the other: 30 tries with kbatch's own back-off.

An upload lives for an hour at least, so pictures that were brought before the first refusal still stand after it.
"""
_BURST = 20
_REMEMBERED = 16
_A_LITTLE, _A_GOOD_DEAL = 0.98, 0.8
_ENOUGH, _ALIKE, _SOONER, _MOSTLY = 8, 1.06, 0.97, 15 / 16
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


class Learned(Struct, frozen=True, kw_only=True):
    """How long renders of one kind take, in seconds: the card's usual shortest, and what was seen of the latest.

    `seen` are pairs, still running at (0: the first poll found it ended) and ended by: what is true lies between them,
    however late anybody came to ask. `met` says that one was met from both sides, `soonest_s` when one was first seen
    to have ended, of those that still hold.
    """

    usual_s: float
    seen: tuple[tuple[float, float], ...] = ()
    soonest_s: float = math.inf
    met: bool = False

    @property
    def shortest_s(self) -> float:
        """The shortest that one may have taken; one that the first poll found ended, a little less than that."""
        shorter = _A_LITTLE if self.met else _A_GOOD_DEAL
        return min(
            ((running_s + ended_s) / 2 if running_s else ended_s * shorter for running_s, ended_s in self.seen),
            default=self.usual_s,
        )

    def first_s(self, *, try_sooner: bool) -> float:
        """When to ask first: as soon as one was seen to have ended where all may be alike, else at the shortest."""
        soonest_s, running_s = self.soonest_s, max((running_s for running_s, _ in self.seen), default=0.0)
        if len(self.seen) < _ENOUGH or not self.met or running_s > _ALIKE * soonest_s:
            return self.shortest_s
        if running_s > soonest_s:
            return (running_s + soonest_s) / 2
        return soonest_s * _SOONER if try_sooner and running_s < soonest_s * _SOONER else soonest_s


def learn(known: Learned, *, running_s: float, ended_s: float) -> Learned:
    """Fold one render in: it was still running at `running_s` (0: it was not asked before) and had ended by `ended_s`.

    The soonest holds, however late others are noticed, until half of the latest were still running then.
    """
    seen = (*known.seen, (running_s, ended_s))[-_REMEMBERED:]
    soonest_s = min(known.soonest_s, ended_s)
    if 2 * sum(running_s >= soonest_s for running_s, _ in seen) >= _REMEMBERED:
        soonest_s = min(ended_s for _, ended_s in seen)
    return replace(known, seen=seen, soonest_s=soonest_s, met=known.met or running_s > 0)


def first_poll_after(known: Learned, jitter: float) -> float:
    """Return the wait from acceptance to the first poll: when a render like those known has just ended.

    One in sixteen asks a little sooner, to find out whether renders have become quicker.
    """
    return max(POLL_FLOOR_S, known.first_s(try_sooner=jitter >= _MOSTLY) * (1.0 + 0.01 * jitter))


def ahead_poll_after(elapsed_s: float, usual_s: float) -> float:
    """Return the wait to the next poll of a render that others wait for: from a third of the usual time on, an eighth.

    An eighth of what has passed since acceptance, that is, so its length is soon known to an eighth.
    """
    return max(POLL_FLOOR_S, elapsed_s / 8 if elapsed_s else usual_s / 3)


def next_poll_after(elapsed_s: float, jitter: float) -> float:
    """Return the wait to the next poll, 5 to 30 s: a twentieth of what has passed since acceptance.

    So a clip is noticed within a few hundredths of its render time. Jitter makes it up to a tenth longer, lest many
    jobs ask at once.
    """
    return min(max(POLL_FLOOR_S, elapsed_s / 20) * (1.0 + 0.1 * jitter), POLL_CEILING_S)


# rate


class Gcra(Struct, frozen=True, kw_only=True):
    """A rate as the generic cell rate algorithm keeps it: one request an interval, `burst` of them at once.

    `due_s` is the theoretical time of the next request on the caller's clock.
    """

    interval_s: float
    burst: int = 1
    due_s: float = 0.0


def rate_of(per_minute: int | None, *, scale: float = 1.0, share: float = 1.0) -> Gcra:
    """Return the rate of so many calls in any minute, or a share of them, a few at once; None is no rate at all."""
    if per_minute is None:
        return Gcra(interval_s=0.0)
    return Gcra(interval_s=60.0 * scale / max(1, (per_minute - _BURST) * share), burst=_BURST)


def reserve(rate: Gcra, now_s: float) -> tuple[Gcra, float]:
    """Take the next place: return the rate with it taken and the seconds to wait before using it.

    With an interval of 2 and a burst of 1, three calls at time 0 wait 0, 2 and 4 seconds.
    """
    due_s = max(rate.due_s, now_s)
    wait_s = max(0.0, due_s - (rate.burst - 1) * rate.interval_s - now_s)
    return Gcra(interval_s=rate.interval_s, burst=rate.burst, due_s=due_s + rate.interval_s), wait_s


def hold(rate: Gcra, until_s: float) -> Gcra:
    """Let nobody go before `until_s`, as a `Retry-After` asks; then one at a time."""
    return replace(rate, due_s=max(rate.due_s, until_s + (rate.burst - 1) * rate.interval_s))


# capacity


class Capacity(Struct, frozen=True, kw_only=True):
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
