"""The options of a unit: a setting, how many takes, and the labels of one axis that are left out."""

from collections.abc import Iterator

from msgspec.structs import replace

from kbatch.planner.fit.frontier import Point, prune
from kbatch.planner.fit.labels import Axis, KeptJob
from kbatch.planner.fit.loss import loss_of
from kbatch.planner.fit.settings import Pricing, Setting, cheaper_settings
from kbatch.planner.jobs import Job


def options_of(unit: tuple[Job, ...], pricing: Pricing) -> list[Point]:
    """Return the frontier of a unit; each pick is an `Edit`, one without any change where all stays as it is."""
    points: list[Point] = []
    for setting in cheaper_settings(unit, pricing):
        for takes in _takes(setting):
            points += _with_takes(setting, takes)
    return prune(points)


def _takes(setting: Setting) -> Iterator[int | None]:
    """Yield how many takes may be made: all, or fewer where no other job needs a frame of a later one."""
    yield None
    takes = {job.address: job.draft.take for job in setting.after}
    needed = max((takes.get(need, 1) for job in setting.after for need in job.upstream), default=1)
    yield from range(max(takes.values()) - 1, needed - 1, -1)


def _with_takes(setting: Setting, takes: int | None) -> list[Point]:
    """Return the points of a setting with at most this many takes: all labels kept, and some of one axis left out."""
    jobs = list(map(KeptJob, setting.before, setting.after, setting.losses))
    kept = jobs if takes is None else [job for job in jobs if job.before.draft.take <= takes]
    lost = sum(loss_of(job.before, None) for job in jobs if takes is not None and job.before.draft.take > takes)
    edit = replace(setting.edit, takes=takes)
    cost = sum(setting.costs.get(key, 0) for key in {job.after.fingerprint for job in kept})
    points = [Point(cost, lost + sum(job.loss for job in kept), (None, edit))]
    for axis in dict.fromkeys(axis for job in kept for axis, _ in job.after.draft.axes):
        for point in Axis(axis, kept, setting.costs).points():
            labels = tuple(sorted(label for pick in point.picked() for label in pick))
            if labels:
                points.append(Point(point.cost, lost + point.loss, (None, replace(edit, without=((axis, labels),)))))
    return points
