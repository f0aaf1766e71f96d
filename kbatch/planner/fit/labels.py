"""Which labels of an axis may be left out, and what each number of them costs and loses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from kbatch.planner.fit.frontier import Point, add, prune
from kbatch.planner.fit.loss import loss_of
from kbatch.planner.fit.units import Groups
from kbatch.planner.jobs import Job


class KeptJob(NamedTuple):
    """A job that is made, as it was and as it becomes, with the points that it loses."""

    before: Job
    after: Job
    loss: int


class _Block(Struct, frozen=True, kw_only=True):
    """Labels that are left out together, none where others need them: cost, loss if kept, loss if left out."""

    labels: tuple[str, ...]
    cost: int
    keep: int
    drop: int

    @property
    def may_go(self) -> bool:
        """Whether leaving the labels out is possible and saves something."""
        return bool(self.labels and self.cost)


class Axis:
    """The jobs of a unit by their labels on one axis; labels that share a purchase are left out together."""

    def __init__(self, axis: str, kept: Iterable[KeptJob], costs: Mapping[str, int]) -> None:
        self._costs = costs
        self._labelled: dict[str, list[KeptJob]] = {}
        self._fixed: list[KeptJob] = []
        for job in kept:
            label = dict(job.after.draft.axes).get(axis)
            (self._fixed if label is None else self._labelled.setdefault(label, [])).append(job)
        self._fixed_keys = {job.after.fingerprint for job in self._fixed}

    def points(self) -> list[Point]:
        """Return the frontier; every pick is a tuple of labels, and at least one label is kept."""
        none_kept = [Point(self._cost(self._fixed_keys), sum(job.loss for job in self._fixed))]
        some_kept: list[Point] = []
        alike: dict[tuple[int, int, int, bool], list[_Block]] = {}
        for block in self._blocks():
            alike.setdefault((block.cost, block.keep, block.drop, block.may_go), []).append(block)
        for blocks in alike.values():
            kept, gone = _choices(blocks)
            some_kept = prune([*add(some_kept, prune([*kept, *gone])), *add(none_kept, prune(kept))])
            none_kept = add(none_kept, gone)
        return some_kept

    def _cost(self, keys: Iterable[str]) -> int:
        return sum(self._costs.get(key, 0) for key in keys)

    def _blocks(self) -> Iterator[_Block]:
        groups, first = Groups(), dict[str, str]()
        for label, jobs in self._labelled.items():
            for job in jobs:
                if job.after.fingerprint not in self._fixed_keys:
                    groups.join(first.setdefault(job.after.fingerprint, label), label)
        members: dict[str, list[str]] = {}
        for label in self._labelled:
            members.setdefault(groups.leader(label), []).append(label)
        needed = self._needed()
        for labels in members.values():
            jobs = [job for label in labels for job in self._labelled[label]]
            yield _Block(
                labels=() if needed.intersection(labels) else tuple(labels),
                cost=self._cost({job.after.fingerprint for job in jobs} - self._fixed_keys),
                keep=sum(job.loss for job in jobs),
                drop=sum(loss_of(job.before, None) for job in jobs),
            )

    def _needed(self) -> set[str]:
        """Return the labels whose frames jobs without this label need."""
        if not any(job.after.upstream for jobs in (self._fixed, *self._labelled.values()) for job in jobs):
            return set()
        label_of = {job.after.address: label for label, jobs in self._labelled.items() for job in jobs}
        return {
            label_of[need]
            for label, jobs in (("", self._fixed), *self._labelled.items())
            for job in jobs
            for need in job.after.upstream
            if label_of.get(need, label) != label
        }


def _choices(blocks: Sequence[_Block]) -> tuple[list[Point], list[Point]]:
    """Return the points of equal blocks with some of them kept, and with none; the last ones are left out first."""
    like, number = blocks[0], len(blocks)
    points = []
    for left_out in range(number + 1 if like.may_go else 1):
        labels = tuple(label for block in blocks[number - left_out :] for label in block.labels)
        kept = number - left_out
        points.append(Point(kept * like.cost, kept * like.keep + left_out * like.drop, labels or None))
    return points[:number], points[number:]
