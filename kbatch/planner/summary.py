"""What a plan costs, seen from several sides: by model and variant, by label, by axis value, and how long it takes."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.plan import Plan

_RUNNING = (Action.RENDER, Action.POLL)


class Share(Struct, frozen=True, kw_only=True):
    """A part of the purchases: `name` of the part, how many jobs, their credits, and how many of them are unpriced."""

    provider: str
    name: str
    jobs: int
    credits: int
    unpriced: int


class Dearer(Struct, frozen=True, kw_only=True):
    """What leaving a parameter at its default costs over the cheaper value, in all purchases that do."""

    provider: str
    parameter: str
    default: str
    cheaper: str
    jobs: int
    credits: int


class Summary(Struct, frozen=True, kw_only=True):
    """The sides of a plan; `seconds` is the expected time of the run, the usual shortest and longest."""

    variants: tuple[Share, ...]
    labels: tuple[Share, ...]
    axes: tuple[Share, ...]
    dearer: tuple[Dearer, ...]
    seconds: tuple[int, int]


def summarize(plan: Plan, concurrency: Mapping[str, int]) -> Summary:
    """Return the summary of the purchases; concurrency is per provider, in jobs."""
    bought = plan.purchases
    return Summary(
        variants=_shares(bought, lambda entry: ((entry.job.model, entry.job.quote.variant),), " "),
        labels=_shares(bought, lambda entry: sorted(entry.job.draft.labels.items()), "="),
        axes=_several(_shares(bought, lambda entry: entry.job.draft.axes, "=")),
        dearer=_dearer(bought),
        seconds=expected_seconds(plan, concurrency),
    )


def _shares(
    bought: Iterable[PlanEntry], parts_of: Callable[[PlanEntry], Iterable[tuple[str, str]]], between: str
) -> tuple[Share, ...]:
    """Return the parts that purchases belong to, each named by its two words, in the order in which they are met."""
    counted: dict[tuple[str, tuple[str, str]], list[int]] = {}
    for entry in bought:
        provider, credits = entry.job.provider, entry.credits
        for part in parts_of(entry):
            sums = counted.get((provider, part))
            if sums is None:
                sums = counted[provider, part] = [0, 0, 0]
            sums[0] += 1
            sums[1] += credits or 0
            sums[2] += credits is None
    return tuple(
        Share(provider=provider, name=between.join(part), jobs=jobs, credits=credits, unpriced=unpriced)
        for (provider, part), (jobs, credits, unpriced) in counted.items()
    )


def _several(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """Keep the axes that have more than one value: one value alone is no price lever."""
    values: dict[str, set[str]] = defaultdict(set)
    for share in shares:
        axis, _, value = share.name.partition("=")
        values[axis].add(value)
    return tuple(share for share in shares if len(values[share.name.partition("=")[0]]) > 1)


def _dearer(bought: Iterable[PlanEntry]) -> tuple[Dearer, ...]:
    gathered: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for entry in bought:
        for found in entry.job.dearer:
            if found.parameter != entry.job.card.duration:
                key = (entry.job.provider, found.parameter, _word(found.default), _word(found.cheaper))
                gathered[key].append(found.saves)
    return tuple(
        Dearer(provider=key[0], parameter=key[1], default=key[2], cheaper=key[3], jobs=len(saves), credits=sum(saves))
        for key, saves in gathered.items()
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def expected_seconds(plan: Plan, concurrency: Mapping[str, int]) -> tuple[int, int]:
    """Return how long the run takes when every render takes its usual shortest time, and its usual longest.

    Jobs fill each provider's places longest first; a chained job starts after the jobs whose frames it needs.
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
    """Put `number` renders of one length on places, each on the one that is free first; `free` is a heap of ends.

    While no end lies further back than one render, each place gets one in turn: that is done in one step.
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
