"""How long renders of one kind take, and when to poll them, as arithmetic over the renders seen so far.

Rules it keeps: no clock, no sleep, no randomness of its own (`jitter` is a number from 0 to 1); all times in seconds.
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
    """How long renders of one kind take, in seconds: the card's usual shortest, and what was seen of the latest.

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
        """The shortest that one may have taken; one that the first poll found ended, a little less than that."""
        shorter = _BELOW_WHEN_BRACKETED if self.bracketed else _BELOW_OTHERWISE
        return min(
            ((running_s + ended_s) / 2 if running_s else ended_s * shorter for running_s, ended_s in self.seen),
            default=self.usual_s,
        )

    def first_s(self, *, try_sooner: bool) -> float:
        """When to ask first: as soon as one was seen to have ended where all may be alike, else at the shortest."""
        soonest_s, running_s = self.soonest_s, max((running_s for running_s, _ in self.seen), default=0.0)
        if len(self.seen) < _ENOUGH_SEEN or not self.bracketed or running_s > _ALIKE * soonest_s:
            return self.shortest_s
        if running_s > soonest_s:
            return (running_s + soonest_s) / 2
        return soonest_s * _SOONER if try_sooner and running_s < soonest_s * _SOONER else soonest_s


def learn(known: RenderTimeEstimate, *, running_s: float, ended_s: float) -> RenderTimeEstimate:
    """Fold one render in: it was still running at `running_s` (0: it was not asked before) and had ended by `ended_s`.

    The soonest holds, however late others are noticed, until half of the latest were still running then.
    """
    seen = (*known.seen, (running_s, ended_s))[-_REMEMBERED:]
    soonest_s = min(known.soonest_s, ended_s)
    if 2 * sum(running_s >= soonest_s for running_s, _ in seen) >= _REMEMBERED:
        soonest_s = min(ended_s for _, ended_s in seen)
    return replace(known, seen=seen, soonest_s=soonest_s, bracketed=known.bracketed or running_s > 0)


def first_poll_after(known: RenderTimeEstimate, jitter: float) -> float:
    """Return the wait from acceptance to the first poll: when a render like those known has just ended.

    One in sixteen asks a little sooner, to find out whether renders have become quicker.
    """
    return max(POLL_FLOOR_S, known.first_s(try_sooner=jitter >= _PROBING_JITTER) * (1.0 + 0.01 * jitter))


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
