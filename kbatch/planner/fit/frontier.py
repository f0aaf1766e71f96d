"""Frontiers: the points of which none is both cheaper and less of a loss than another; their sums are exact."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct


class Point(Struct, frozen=True):
    """Credits, points of loss, and what was picked for them: a chain of pairs (earlier picks, pick)."""

    cost: int
    loss: int
    picks: Any = None

    def picked(self) -> tuple[Any, ...]:
        """Return the picks in order."""
        found, chain = [], self.picks
        while chain is not None:
            chain, pick = chain
            found.append(pick)
        return tuple(reversed(found))


def prune(points: Iterable[Point]) -> list[Point]:
    """Return the frontier, dearest first; of equal points the first one stays.

    >>> [(point.cost, point.loss) for point in prune([Point(9, 0), Point(5, 4), Point(6, 5), Point(5, 3)])]
    [(9, 0), (5, 3)]
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.loss, point.cost)):
        if not kept or point.cost < kept[-1].cost:
            kept.append(point)
    return kept


def add(left: list[Point], right: list[Point]) -> list[Point]:
    """Return the frontier of all sums of one point of each; the picks of `right` are single ones."""
    return prune(_sums(left, right))


def _sums(left: list[Point], right: list[Point]) -> Iterator[Point]:
    for one in left:
        for other in right:
            picks = one.picks if other.picks is None else (one.picks, other.picks)
            yield Point(one.cost + other.cost, one.loss + other.loss, picks)
