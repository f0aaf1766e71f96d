"""Prices that a manifest states itself, in sentences for reviewers, since a manifest may be untrusted."""

from collections.abc import Iterable, Iterator

from kbatch.planner.actions import PlanEntry
from kbatch.report.data.format import count


def stated_prices(entries: Iterable[PlanEntry]) -> Iterator[str]:
    """Yield a sentence for each model and variant whose price is the manifest's own and not its card's."""
    gathered: dict[tuple[str, str, str], list[PlanEntry]] = {}
    for entry in entries:
        if entry.buys and entry.job.quote.source == "manifest":
            key = (entry.job.card.key, entry.job.quote.variant, _whose(entry))
            gathered.setdefault(key, []).append(entry)
    for (name, variant, whose), group in gathered.items():
        working = group[0].job.quote.working.removesuffix(" (price from the manifest)")
        yield f"{whose} of `{name} {variant}`, {working}, in {count(len(group), 'job')}{_needs(group[0])}"


def _whose(entry: PlanEntry) -> str:
    quote = entry.job.quote
    if quote.lowers:
        return f"the manifest lowers the price (the card has {quote.listed or 0:,})"
    if quote.unlisted:
        return "only the manifest states the price"
    return f"the manifest states the price (the card has {quote.listed or 0:,})"


def _needs(entry: PlanEntry) -> str:
    if entry.job.quote.lowers:
        return ": a run needs `--trust-prices`"
    if entry.invented:
        return ": a run needs `--trust-prices`, or approval of this digest"
    if entry.job.quote.unlisted and entry.credits is not None:
        return f"; {entry.credits:,} counts, the most that was charged or stated"
    return ""
