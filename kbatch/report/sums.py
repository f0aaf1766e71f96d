"""Sums of credits in words: each provider's apart, since they never add up."""

from collections.abc import Iterable

from kbatch.plan.actions import Entry


def credits_by_provider(entries: Iterable[Entry]) -> dict[str, int]:
    """Return the known credits of entries by provider; unknown prices are counted elsewhere."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.job.provider] = sums.get(entry.job.provider, 0) + (entry.credits or 0)
    return sums


def credits_of(entries: Iterable[Entry]) -> str:
    """Return what entries cost: `279 credits`, or with two providers `24 apiframe credits and 5 aimlapi credits`."""
    sums = credits_by_provider(entries)
    if len(sums) == 1:
        return f"{next(iter(sums.values())):,} credits"
    return " and ".join(f"{credits:,} {provider} credits" for provider, credits in sums.items())
