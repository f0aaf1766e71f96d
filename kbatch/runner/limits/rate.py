"""Calls a minute that a provider allows, as arithmetic: takes the rate and the time, returns the seconds to wait."""

from msgspec import Struct
from msgspec.structs import replace

POLLS_SHARE = 0.75
"""Share of a provider's rate that polls may use; the rest is for submits, since a late start costs more time."""

_BURST = 20  # calls that may go at once; the rate is lowered by as many, so that no minute has more than is allowed


class Gcra(Struct, frozen=True, kw_only=True):
    """State of the generic cell rate algorithm: one request an interval, `burst` of them at once.

    `due_s` is the theoretical time of the next request on the caller's clock.
    """

    interval_s: float
    burst: int = 1
    due_s: float = 0.0


def rate_of(per_minute: int | None, *, scale: float = 1.0, share: float = 1.0) -> Gcra:
    """Return the rate for `per_minute` calls in any minute, times `share`; None means unlimited."""
    if per_minute is None:
        return Gcra(interval_s=0.0)
    return Gcra(interval_s=60.0 * scale / max(1, (per_minute - _BURST) * share), burst=_BURST)


def take_turn(rate: Gcra, now_s: float) -> tuple[Gcra, float]:
    """Take the next call: return the rate after it and the seconds to wait before it.

    With an interval of 2 and a burst of 1, three calls at time 0 wait 0, 2 and 4 seconds.
    """
    due_s = max(rate.due_s, now_s)
    return replace(rate, due_s=due_s + rate.interval_s), wait_before(rate, now_s)


def wait_before(rate: Gcra, now_s: float) -> float:
    """Return the seconds that the next call has to wait; 0 while calls may go at once."""
    return max(0.0, rate.due_s - (rate.burst - 1) * rate.interval_s - now_s)


def hold(rate: Gcra, until_s: float) -> Gcra:
    """Allow no call before `until_s`, as a `Retry-After` asks; then one an interval."""
    return replace(rate, due_s=max(rate.due_s, until_s + (rate.burst - 1) * rate.interval_s))
