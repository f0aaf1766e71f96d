"""Sums of credits in words: each provider's apart, since they never add up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from kbatch.planner.actions import PlanEntry
from kbatch.planner.costs.groups import CostGroup
from kbatch.planner.payers import Share
from kbatch.planner.summary import Summary
from kbatch.report.data.format import count


def credits_by_provider(entries: Iterable[PlanEntry]) -> dict[str, int]:
    """Return the known credits of entries by provider; unknown prices are counted elsewhere."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.job.provider] = sums.get(entry.job.provider, 0) + (entry.credits or 0)
    return sums


def paid_by(shares: Mapping[str, Share]) -> str:
    """Return who pays a provider: `paid by default: 2 jobs, 30 credits; bob: 1 job, 15 credits`."""
    parts = []
    for name, share in shares.items():
        credits = "unknown credits" if share.credits is None else f"{share.credits:,} credits"
        parts.append(f"{name}: {count(share.jobs, 'job')}, {credits}")
    return f"paid by {'; '.join(parts)}"


def credits_of(entries: Iterable[PlanEntry]) -> str:
    """Return the cost of entries: `279 credits`, or with two providers `24 apiframe credits and 5 aimlapi credits`."""
    sums = credits_by_provider(entries)
    if len(sums) == 1:
        return f"{next(iter(sums.values())):,} credits"
    return " and ".join(f"{credits:,} {provider} credits" for provider, credits in sums.items())


def priced(credits: int, unpriced: int) -> str:
    """Return a sum with the number of jobs whose price is not known: `25`, `25 + 1 ?`."""
    return f"{credits:,} + {unpriced:,} ?" if unpriced else f"{credits:,}"


_MOST_OF_SIDE = 20
"""Rows of one side of a plan's costs on a page."""


def rows_of_sides(summary: Summary) -> Iterator[tuple[str, CostGroup]]:
    """Yield a plan's costs by shot, model, label and axis value: each side's dearest, and the others in one row."""
    for title, groups in (
        ("shot", summary.shots),
        ("model and variant", summary.variants),
        ("label", summary.labels),
        ("axis value", summary.axes),
    ):
        ordered = dearest(groups)
        for group in (*ordered[:_MOST_OF_SIDE], *remainder(ordered[_MOST_OF_SIDE:])):
            yield title, group


def saving_of(group: CostGroup) -> str:
    """Return what dropping a group saves, nothing where that is what it costs or is not known."""
    return priced(group.saves.credits, group.saves.unpriced) if group.saves and group.saves_otherwise else ""


def dearest(groups: Iterable[CostGroup]) -> list[CostGroup]:
    """Return groups in the order in which they are shown: what costs most first."""
    return sorted(groups, key=lambda group: (-group.credits, -group.unpriced, group.name))


def remainder(groups: Sequence[CostGroup]) -> list[CostGroup]:
    """Return one row for each provider's groups that are not shown; what dropping all of them saves is not known."""
    return [
        CostGroup(
            provider=provider,
            name=f"… and {sum(group.provider == provider for group in groups):,} more",
            jobs=sum(group.jobs for group in groups if group.provider == provider),
            credits=sum(group.credits for group in groups if group.provider == provider),
            unpriced=sum(group.unpriced for group in groups if group.provider == provider),
        )
        for provider in dict.fromkeys(group.provider for group in groups)
    ]


_CENT = Decimal("0.01")


def dollars(usd_per_credit: Decimal | None, credits: int | None) -> str:
    """Return credits in USD, nothing where no rate is given; a positive amount is never shown as $0.00.

    >>> dollars(Decimal("0.01"), 430), dollars(Decimal("0.0000005"), 5)
    ('$4.30', 'less than $0.01')
    """
    if usd_per_credit is None or credits is None:
        return ""
    usd = usd_per_credit * credits
    return "less than $0.01" if 0 < usd < _CENT else f"${usd:,.2f}"


def dollars_at(usd_per_credit: Decimal | None, credits: int | None) -> str:
    """Return the same with the rate, which a manifest states: `$4.30 at $0.01 a credit`."""
    said = dollars(usd_per_credit, credits)
    return f"{said} at ${usd_per_credit:f} a credit" if said else ""
