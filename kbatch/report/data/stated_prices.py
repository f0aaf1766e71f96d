"""Prices that no packaged card has, those of a public list too, and parameters that no document has, for reviewers."""

import json
from collections.abc import Iterable, Iterator

from kbatch.models.pricing import MANIFEST
from kbatch.models.published.drift import LIVE
from kbatch.planner.actions import PlanEntry
from kbatch.report.data.format import count, one_line

_MOST = 20
_LONGEST = 200


def stated_prices(entries: Iterable[PlanEntry]) -> Iterator[str]:
    """Yield a sentence for each model and variant whose price is not the packaged card's."""
    gathered: dict[tuple[str, str, str], list[PlanEntry]] = {}
    for entry in entries:
        if entry.buys and (entry.job.quote.stated or entry.job.quote.source == LIVE):
            key = (entry.job.card.key, entry.job.quote.variant, _whose(entry))
            gathered.setdefault(key, []).append(entry)
    for (name, variant, whose), group in gathered.items():
        working = group[0].job.quote.working.removesuffix(" (price from the manifest)")
        yield f"{whose} of `{name} {variant}`, {working}, in {count(len(group), 'job')}{_needs(group[0])}"


def _whose(entry: PlanEntry) -> str:
    quote, card = entry.job.quote, entry.job.card
    if quote.source == LIVE:
        return "the provider's public list has the price"
    who = "the manifest" if quote.source == MANIFEST else f"the card {card.file}"
    listed = f"(the {'packaged ' if card.file else ''}card has {quote.listed or 0:,})"
    if quote.unlisted:
        return f"only {who} states the price"
    return f"{who} {'lowers' if quote.lowers else 'states'} the price {listed}"


def _needs(entry: PlanEntry) -> str:
    if entry.job.quote.lowers:
        return ": a run needs `--trust-prices`"
    if entry.invented:
        return ": a run needs `--trust-prices`, or approval of this digest"
    if entry.job.quote.unlisted and entry.credits is not None:
        return f"; {entry.credits:,} counts, the most that was charged or stated"
    return ""


def stated_extras(entries: Iterable[PlanEntry]) -> Iterator[str]:
    """Yield a sentence for each model and each different `extra` of the jobs that a run would send."""
    gathered: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if (entry.buys or entry.resend) and entry.job.extra:
            text = json.dumps(entry.job.extra, ensure_ascii=False, sort_keys=True)
            gathered.setdefault((entry.job.card.key, text), []).append(entry.address)
    for (name, text), addresses in list(gathered.items())[:_MOST]:
        jobs = f"{count(len(addresses), 'job')}, first `{addresses[0]}`"
        sent = one_line(text, _LONGEST)
        yield f"`{name}` is sent {sent} as written, which no document has, in {jobs}: a run needs `--allow-extra`"
    if len(gathered) > _MOST:
        yield f"and {len(gathered) - _MOST:,} more with parameters that no document has"
