"""Sums of credits in words: each provider's apart, since they never add up."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from kbatch.planner.actions import PlanEntry
from kbatch.planner.payers import Share
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
