"""Finds the edits of least loss that fit a limit, and the frontier from the whole campaign down to it; exact."""

from collections.abc import Sequence

from msgspec import Struct

from kbatch.planner.fit.edits import Edit
from kbatch.planner.fit.frontier import Point, add, prune
from kbatch.planner.fit.options import options_of
from kbatch.planner.fit.settings import Pricing
from kbatch.planner.fit.units import units_of
from kbatch.planner.jobs import Job


class EditSet(Struct, frozen=True, kw_only=True):
    """Edits that are made together: what the plan costs with them, and the points of loss."""

    cost: int
    loss: int
    edits: tuple[Edit, ...]
    profile: str | None = None


def frontier_of(jobs: Sequence[Job], pricing: Pricing) -> tuple[EditSet, ...]:
    """Return every best set of edits, the dearest first: the first is the campaign as it is.

    The jobs are those of one provider's plan without an unknown price.
    """
    points = [Point(0, 0)]
    for unit in units_of(jobs):
        options = options_of(unit, pricing)
        points = add(points, [Point(point.cost, point.loss, _only(point)) for point in options])
    return tuple(EditSet(cost=point.cost, loss=point.loss, edits=point.picked()) for point in points)


def best(frontier: Sequence[EditSet], limit: int) -> EditSet | None:
    """Return the set of least loss whose cost is at most the limit, None when there is none."""
    return next((point for point in frontier if point.cost <= limit), None)


def with_profiles(frontier: Sequence[EditSet], profiles: Sequence[EditSet]) -> tuple[EditSet, ...]:
    """Return the frontier of edits and of whole profiles; of equal ones the edits stay."""
    every = [*frontier, *profiles]
    points = prune(Point(one.cost, one.loss, (None, number)) for number, one in enumerate(every))
    return tuple(every[point.picked()[0]] for point in points)


def _only(point: Point) -> Edit | None:
    edit: Edit = point.picked()[0]
    return edit if edit.model or edit.params or edit.takes is not None or edit.without else None
