"""The number of jobs that run at once at a provider, as arithmetic: a 429 halves it, acceptances restore it."""

import math

from msgspec import Struct
from msgspec.structs import replace

_HALVED_ONCE_IN_S = 10.0  # jobs that start together are refused together, and count as one refusal


class Capacity(Struct, frozen=True, kw_only=True):
    """Jobs that may run at once: `most` as configured, `now` as adapted to refusals; fractional while it grows."""

    most: int
    now: float
    halved_at_s: float = -math.inf

    @property
    def slots(self) -> int:
        """Whole jobs, at least one."""
        return max(1, math.floor(self.now))


def full(most: int) -> Capacity:
    """Return an unreduced capacity."""
    return Capacity(most=most, now=float(most))


def halved(capacity: Capacity, now_s: float) -> Capacity:
    """Halve on a 429; several within ten seconds count once."""
    if now_s - capacity.halved_at_s < _HALVED_ONCE_IN_S:
        return capacity
    return replace(capacity, now=max(1.0, capacity.now / 2), halved_at_s=now_s)


def recovered(capacity: Capacity) -> Capacity:
    """Grow on an acceptance, by about one slot for each round of jobs, up to what is configured."""
    return replace(capacity, now=min(float(capacity.most), capacity.now + 1 / capacity.now))
