"""What a plan costs less without one of its parts: without a shot, a model, a label or an axis value.

Without a part go its jobs and those that need a frame of them, directly or through others. A request that several jobs
share is bought as long as one of them stays. So a purchase is saved by each part that all jobs of its request depend
on, which one pass over the jobs finds: the figures are those of planning once without each part.
"""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter

from msgspec import Struct

from kbatch.planner.actions import PlanEntry
from kbatch.planner.costs.parts import Part, parts_of
from kbatch.planner.jobs import Job


class Saving(Struct, frozen=True, kw_only=True):
    """The difference in one provider's purchases: known credits, and how many without a known price."""

    credits: int
    unpriced: int


def savings_of(entries: Sequence[PlanEntry], jobs: Iterable[Job]) -> Mapping[tuple[str, Part], Saving]:
    """Return what dropping each part saves, by provider; parts that save nothing are left out.

    `entries` are the plan, `jobs` all of the manifest: a selected job may need the frame of one that is not selected.
    """
    needed = _needed_parts(jobs)
    common: dict[str, frozenset[Part]] = {}
    bought: list[PlanEntry] = []
    for entry in entries:
        job = entry.job
        parts = needed.get(job.address) or frozenset(parts_of(job))
        known = common.get(job.fingerprint)
        common[job.fingerprint] = parts if known is None else known & parts
        if entry.buys:
            bought.append(entry)
    sums: dict[tuple[str, Part], list[int]] = {}
    for entry in bought:
        for part in common[entry.job.fingerprint]:
            both = sums.setdefault((entry.job.provider, part), [0, 0])
            both[0] += entry.credits or 0
            both[1] += entry.credits is None
    return {key: Saving(credits=credits, unpriced=unpriced) for key, (credits, unpriced) in sums.items()}


def _needed_parts(jobs: Iterable[Job]) -> dict[str, frozenset[Part]]:
    """Return for each job of a chain its own parts and those of all jobs before it."""
    by_address = {job.address: job for job in jobs}
    chained = {address: job.upstream for address, job in by_address.items() if job.upstream}
    needed: dict[str, frozenset[Part]] = {}
    for address in TopologicalSorter(chained).static_order():
        if address in by_address:
            job = by_address[address]
            needed[address] = frozenset(parts_of(job)).union(*(needed.get(each, frozenset()) for each in job.upstream))
    return needed
