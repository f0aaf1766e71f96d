"""What a plan costs, seen from several sides: by model and variant, by label, by axis value, and how long it takes."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kbatch.plan.actions import Action, Entry
from kbatch.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of the purchases: `name` of the part, how many jobs, their credits, and how many of them are unpriced."""

    provider: str
    name: str
    jobs: int
    credits: int
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dearer:
    """What leaving a parameter at its default costs over the cheaper value, in all purchases that do."""

    provider: str
    parameter: str
    default: str
    cheaper: str
    jobs: int
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The sides of a plan; `seconds` is the expected time of the run, the usual shortest and longest."""

    variants: tuple[Share, ...]
    labels: tuple[Share, ...]
    axes: tuple[Share, ...]
    dearer: tuple[Dearer, ...]
    seconds: tuple[int, int]


def summarize(plan: Plan, concurrency: Mapping[str, int]) -> Summary:
    """Return the summary of the purchases; concurrency is per provider, in jobs."""
    bought = plan.purchases
    labels = ((entry, f"{key}={value}") for entry in bought for key, value in sorted(entry.job.draft.labels.items()))
    return Summary(
        variants=_shares((entry, f"{entry.job.model} {entry.job.quote.variant}") for entry in bought),
        labels=_shares(labels),
        axes=_several(_shares((entry, f"{key}={value}") for entry in bought for key, value in entry.job.draft.axes)),
        dearer=_dearer(bought),
        seconds=(expected_seconds(plan, concurrency, 0), expected_seconds(plan, concurrency, 1)),
    )


def _shares(parts: Iterable[tuple[Entry, str]]) -> tuple[Share, ...]:
    counted: dict[tuple[str, str], list[int]] = {}
    for entry, name in parts:
        sums = counted.setdefault((entry.job.draft.provider, name), [0, 0, 0])
        sums[0] += 1
        if entry.credits is None:
            sums[2] += 1
        else:
            sums[1] += entry.credits
    return tuple(
        Share(provider=provider, name=name, jobs=jobs, credits=credits, unpriced=unpriced)
        for (provider, name), (jobs, credits, unpriced) in counted.items()
    )


def _several(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """Keep the axes that have more than one value: one value alone is no price lever."""
    values: dict[str, set[str]] = defaultdict(set)
    for share in shares:
        axis, _, value = share.name.partition("=")
        values[axis].add(value)
    return tuple(share for share in shares if len(values[share.name.partition("=")[0]]) > 1)


def _dearer(bought: Iterable[Entry]) -> tuple[Dearer, ...]:
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


def expected_seconds(plan: Plan, concurrency: Mapping[str, int], which: int) -> int:
    """Return how long the run takes when every render takes its usual shortest (0) or longest (1) time.

    Jobs fill each provider's places longest first; a chained job starts after the jobs whose frames it needs.
    """
    running = [entry for entry in plan.entries if entry.action in (Action.RENDER, Action.POLL)]
    running.sort(key=lambda entry: -entry.job.typical_s[which])
    addresses = {entry.address for entry in running}
    awaited = {need for entry in running for need in entry.job.upstream} & addresses
    places = {name: [0] * max(1, min(concurrency.get(name, 1), len(running))) for name in plan.providers}
    ends: dict[str, int] = {}
    last = 0
    while running:
        later: list[Entry] = []
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
