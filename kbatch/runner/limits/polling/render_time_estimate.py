"""Estimates how long renders of one kind take, and when to poll them, from the renders seen so far.

Pure arithmetic: no clock, no sleep, no randomness (`jitter` is a number from 0 to 1); all times in seconds.
"""

import math

from msgspec import Struct
from msgspec.structs import replace

POLL_FLOOR_S = 5.0
"""The least time between two polls of a job: Apiframe documents to poll every 5 to 10 s."""
POLL_CEILING_S = 30.0
"""The most time between two polls of a job: a clip's link lives for hours, but a person waits for it."""

# Chosen by the benchmark `polling` (polls a job, and how late a clip is noticed), not derived.
_REMEMBERED = 16  # the latest renders, so that the estimate follows a provider that changes its speed
# A first poll that finds its render finished tells an upper bound only, so the estimate goes below it: by little when
# a lower bound is known from another render, else by a fifth (0.8 to the third power is a half).
_BELOW_WHEN_BRACKETED, _BELOW_OTHERWISE = 0.98, 0.8
_ENOUGH_SEEN = 8  # renders before they may count as alike: half of those remembered
_ALIKE = 1.06  # within this ratio of the soonest, renders count as alike
_SOONER = 0.97  # how much earlier the probing poll asks: nearer than the ratio above, so it stays among those alike
_PROBING_JITTER = 15 / 16  # one render in sixteen probes: one poll more in each window of those remembered


class RenderTimeEstimate(Struct, frozen=True, kw_only=True):
    """Times of renders of one kind, in seconds: `usual_s` from the model card, and the latest observations.

    `seen` are pairs: still running at (0: the first poll found it finished) and finished by; the true time lies between
    them, however late the poll was. `bracketed`: some render was polled both before and after it finished.
    `soonest_s` is the earliest time at which a render was seen to have finished, of those that still hold.
    """

    usual_s: float
    seen: tuple[tuple[float, float], ...] = ()
    soonest_s: float = math.inf
    bracketed: bool = False

    @property
    def shortest_s(self) -> float:
        """The shortest time that a render may have taken; reduced when the first poll found it finished."""
        shorter = _BELOW_WHEN_BRACKETED if self.bracketed else _BELOW_OTHERWISE
        return min(
            ((running_s + ended_s) / 2 if running_s else ended_s * shorter for running_s, ended_s in self.seen),
            default=self.usual_s,
        )

    def first_s(self, *, try_sooner: bool) -> float:
        """Time of the first poll: `soonest_s` when all renders take about as long, else `shortest_s`."""
        soonest_s, running_s = self.soonest_s, max((running_s for running_s, _ in self.seen), default=0.0)
        if len(self.seen) < _ENOUGH_SEEN or not self.bracketed or running_s > _ALIKE * soonest_s:
            return self.shortest_s
        if running_s > soonest_s:
            return (running_s + soonest_s) / 2
        return soonest_s * _SOONER if try_sooner and running_s < soonest_s * _SOONER else soonest_s


def learn(known: RenderTimeEstimate, *, running_s: float, ended_s: float) -> RenderTimeEstimate:
    """Add one render: it was still running at `running_s` (0: not polled before) and had ended by `ended_s`.

    `soonest_s` stays until half of the remembered renders were still running at that time.
    """
    seen = (*known.seen, (running_s, ended_s))[-_REMEMBERED:]
    soonest_s = min(known.soonest_s, ended_s)
    if 2 * sum(running_s >= soonest_s for running_s, _ in seen) >= _REMEMBERED:
        soonest_s = min(ended_s for _, ended_s in seen)
    return replace(known, seen=seen, soonest_s=soonest_s, bracketed=known.bracketed or running_s > 0)


def first_poll_after(known: RenderTimeEstimate, jitter: float) -> float:
    """Return the seconds from acceptance to the first poll: when a render is expected to have just ended.

    One in sixteen polls a little sooner, to notice when renders become faster.
    """
    return max(POLL_FLOOR_S, known.first_s(try_sooner=jitter >= _PROBING_JITTER) * (1.0 + 0.01 * jitter))


def ahead_poll_after(elapsed_s: float, usual_s: float) -> float:
    """Return the seconds to the next poll of the first render of a kind, while others wait for its time.

    The first poll comes after a third of the usual time, each later one after an eighth of the elapsed time, so the
    render time is known to an eighth.
    """
    return max(POLL_FLOOR_S, elapsed_s / 8 if elapsed_s else usual_s / 3)


def next_poll_after(elapsed_s: float, jitter: float) -> float:
    """Return the seconds to the next poll, 5 to 30: a twentieth of the time since acceptance.

    So a finished clip is noticed within about 5% of its render time. Jitter adds up to a tenth, so that jobs do not
    poll all at once.
    """
    return min(max(POLL_FLOOR_S, elapsed_s / 20) * (1.0 + 0.1 * jitter), POLL_CEILING_S)
