"""Cost of a plan by shot, by model and variant, by label and by axis value, and the expected time of its run."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.costs.groups import CostGroup, groups_of
from kbatch.planner.jobs import Job
from kbatch.planner.plan import Plan
from kbatch.planner.written_values import as_written

_RUNNING = (Action.RENDER, Action.POLL)


class CostlyDefaultTotal(Struct, frozen=True, kw_only=True):
    """Extra credits of all purchases that leave a parameter at its default instead of the cheaper value."""

    provider: str
    parameter: str
    default: str
    cheaper: str
    jobs: int
    credits: int


class Summary(Struct, frozen=True, kw_only=True):
    """Costs of a plan by group; `seconds` is the expected duration of the run, usual shortest and longest."""

    shots: tuple[CostGroup, ...]
    variants: tuple[CostGroup, ...]
    labels: tuple[CostGroup, ...]
    axes: tuple[CostGroup, ...]
    costly_defaults: tuple[CostlyDefaultTotal, ...]
    seconds: tuple[int, int]


def summarize(plan: Plan, concurrency: Mapping[str, int], jobs: Sequence[Job] | None = None) -> Summary:
    """Return the summary of a plan's purchases; concurrency is jobs at once by provider.

    `jobs` are all of the manifest: with them each group says what dropping it saves.
    """
    groups = groups_of(plan.entries, jobs)
    return Summary(
        shots=groups.shots,
        variants=groups.variants,
        labels=groups.labels,
        axes=groups.axes,
        costly_defaults=_costly_defaults(plan.purchases),
        seconds=expected_seconds(plan, concurrency),
    )


def _costly_defaults(bought: Iterable[PlanEntry]) -> tuple[CostlyDefaultTotal, ...]:
    gathered: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for entry in bought:
        for found in entry.job.costly_defaults:
            if found.parameter != entry.job.card.duration:
                key = (entry.job.provider, found.parameter, as_written(found.default), as_written(found.cheaper))
                gathered[key].append(found.saves)
    return tuple(
        CostlyDefaultTotal(
            provider=key[0], parameter=key[1], default=key[2], cheaper=key[3], jobs=len(saves), credits=sum(saves)
        )
        for key, saves in gathered.items()
    )


def expected_seconds(plan: Plan, concurrency: Mapping[str, int]) -> tuple[int, int]:
    """Return the duration of the run in seconds, when every render takes its usual shortest or longest time.

    Jobs take each provider's slots longest first; a chained job starts after its upstream jobs.
    """
    running = [entry for entry in plan.entries if entry.action in _RUNNING]
    work = _chained_seconds if any(entry.job.upstream for entry in running) else _seconds
    most = {name: max(1, min(concurrency.get(name, 1), len(running))) for name in plan.providers}
    shortest, longest = (
        work(running, {name: [0] * number for name, number in most.items()}, which) for which in (0, 1)
    )
    return shortest, longest


def _seconds(running: Iterable[PlanEntry], places: Mapping[str, list[int]], which: int) -> int:
    renders = Counter((entry.job.provider, entry.job.typical_s[which]) for entry in running)
    for (provider, seconds), number in sorted(renders.items(), key=lambda item: -item[0][1]):
        fill(places[provider], seconds, number)
    return max((end for free in places.values() for end in free), default=0)


def fill(free: list[int], seconds: int, number: int) -> None:
    """Assign `number` renders of one length to slots, each to the first free one; `free` is a heap of end times.

    While all end times are within one render of each other, each slot gets one in turn, so whole rounds are added in
    one step.
    """
    while number:
        if number >= len(free) and max(free) - free[0] <= seconds:
            rounds, number = divmod(number, len(free))
            free[:] = [end + rounds * seconds for end in free]
        else:
            heapq.heapreplace(free, free[0] + seconds)
            number -= 1


def _chained_seconds(running: list[PlanEntry], places: Mapping[str, list[int]], which: int) -> int:
    running = sorted(running, key=lambda entry: -entry.job.typical_s[which])
    addresses = {entry.address for entry in running}
    awaited = {need for entry in running for need in entry.job.upstream} & addresses
    ends: dict[str, int] = {}
    last = 0
    while running:
        later: list[PlanEntry] = []
        for entry in running:
            needs = [need for need in entry.job.upstream if need in addresses]
            if any(need not in ends for need in needs):
                later.append(entry)
                continue
            free = places[entry.job.provider]
            end = max((free[0], *(ends[need] for need in needs))) + entry.job.typical_s[which]
            heapq.heapreplace(free, end)
            last = max(last, end)
            if entry.address in awaited:
                ends[entry.address] = end
        if len(later) == len(running):
            break
        running = later
    return last
