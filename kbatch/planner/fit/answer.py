"""The answer to what makes a plan fit: the chosen edits, and the best ones around them."""

from msgspec import Struct

from kbatch.planner.fit.description import EditLine, name_of
from kbatch.planner.fit.solve import EditSet


class Fit(Struct, frozen=True, kw_only=True):
    """How one provider's part of a plan can fit: `wanted` is the limit, `held` what unknown outcomes hold of it.

    `chosen` has the least loss of all sets of edits that fit; where none does, it is the cheapest one. `after` is the
    plan's figure with it. `frontier` has the best sets, the dearest first.
    """

    provider: str
    unit: str
    expected: int
    wanted: int
    held: int
    fits: bool
    chosen: EditSet
    lines: tuple[EditLine, ...]
    after: int
    frontier: tuple[EditSet, ...]

    @property
    def best_three(self) -> tuple[EditSet, ...]:
        """The sets that fit at the least loss, at most three, none where the campaign fits as it is."""
        fitting = [one for one in self.frontier if one.cost + self.held <= self.wanted]
        return () if fitting and not name_of(fitting[0]) else tuple(fitting[:3])
