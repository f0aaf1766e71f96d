"""Purchases of a plan by shot, model and variant, label and axis value, each with what dropping it saves."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from kbatch.planner.actions import PlanEntry
from kbatch.planner.costs.marginal import Saving, savings_of
from kbatch.planner.costs.parts import Part, name_of, parts_of
from kbatch.planner.jobs import Job


class CostGroup(Struct, frozen=True, kw_only=True):
    """Purchases with one value in common, such as a variant or label: their number, credits and unpriced jobs.

    `saves` is the difference to a plan without that value, None where that plan is not known.
    """

    provider: str
    name: str
    jobs: int
    credits: int
    unpriced: int
    saves: Saving | None = None

    @property
    def saves_otherwise(self) -> bool:
        """Whether dropping it saves more or less than it costs, as with chains and shared requests."""
        return self.saves is not None and (self.saves.credits, self.saves.unpriced) != (self.credits, self.unpriced)


class CostGroups(Struct, frozen=True, kw_only=True):
    """All groups of a plan's purchases, each kind in order of appearance."""

    shots: tuple[CostGroup, ...]
    variants: tuple[CostGroup, ...]
    labels: tuple[CostGroup, ...]
    axes: tuple[CostGroup, ...]


def groups_of(entries: Sequence[PlanEntry], jobs: Sequence[Job] | None) -> CostGroups:
    """Return the groups of purchases; `jobs` are all of the manifest, None where a plan without a group is not known.

    A group may buy nothing itself and yet save purchases, those that need its frames.
    """
    sums = _sums(entries)
    apart = jobs is not None and _depend(entries, jobs)
    saved = savings_of(entries, jobs) if jobs is not None and apart else {}
    made: dict[str, list[CostGroup]] = defaultdict(list)
    for provider, part in {**sums, **saved}:
        number, credits, unpriced = sums.get((provider, part), (0, 0, 0))
        saves = Saving(credits=credits, unpriced=unpriced) if jobs is not None else None
        if apart:
            saves = saved.get((provider, part), Saving(credits=0, unpriced=0))
        group = CostGroup(
            provider=provider, name=name_of(part), jobs=number, credits=credits, unpriced=unpriced, saves=saves
        )
        made[part[0]].append(group)
    return CostGroups(
        shots=tuple(made["shot"]),
        variants=tuple(made["variant"]),
        labels=tuple(made["label"]),
        axes=_varying(made["axis"]),
    )


def _depend(entries: Sequence[PlanEntry], jobs: Sequence[Job]) -> bool:
    """Whether jobs depend on others, or share a request: else each part saves what it costs."""
    return any(job.upstream for job in jobs) or any(entry.shared_with for entry in entries)


def _sums(entries: Sequence[PlanEntry]) -> dict[tuple[str, Part], tuple[int, int, int]]:
    found: dict[tuple[str, Part], list[int]] = {}
    for entry in entries:
        if entry.buys:
            for part in parts_of(entry.job):
                sums = found.setdefault((entry.job.provider, part), [0, 0, 0])
                sums[0] += 1
                sums[1] += entry.credits or 0
                sums[2] += entry.credits is None
    return {key: (jobs, credits, unpriced) for key, (jobs, credits, unpriced) in found.items()}


def _varying(groups: Sequence[CostGroup]) -> tuple[CostGroup, ...]:
    """Return the groups of axes with more than one value; a single value offers no choice of price."""
    values: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        axis, _, value = group.name.partition("=")
        values[axis].add(value)
    return tuple(group for group in groups if len(values[group.name.partition("=")[0]]) > 1)
