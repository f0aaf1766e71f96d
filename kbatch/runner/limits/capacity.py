"""How many jobs a provider runs at once, as arithmetic: halved by a 429, recovered by acceptances."""

import math

from msgspec import Struct
from msgspec.structs import replace

_HALVED_ONCE_IN_S = 10.0  # jobs that start together are refused together, and count as one refusal


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
