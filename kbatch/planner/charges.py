"""What receipts were charged, and the largest charge that is known of each model: what a ceiling has to count.

A charge that no provider told counts as its quote, or as the largest known of its model and variant where that is more;
without a quote as the largest known of its model; it is unknown where there is none, and never 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.known_charges import Known, known_charges, told_of
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState


class Spent(Struct, frozen=True, kw_only=True):
    """Per provider what a budget bears already, and how many charges in it are unknown and count nothing."""

    credits: Mapping[str, int] = field(default_factory=dict)
    untold: Mapping[str, int] = field(default_factory=dict)


def charged(renders: Mapping[str, Receipt]) -> dict[str, int]:
    """Return what receipts were charged, per provider: what the provider reported, else what was planned."""
    spent: Counter[str] = Counter()
    for receipt in renders.values():
        for one in records_of(receipt):
            spent[one.provider] += charge_of(one) or 0
    return dict(spent)


def charge_of(receipt: Receipt) -> int | None:
    """Return what one attempt costs as far as is known: after a failure only what the provider says it kept."""
    if receipt.state is ReceiptState.UNKNOWN:
        return 0
    told = receipt.credits.reported
    if receipt.state is ReceiptState.FAILED:
        return told or 0
    return receipt.credits.planned if told is None else told


def spent_before(entries: Sequence[PlanEntry], renders: Mapping[str, Receipt]) -> Spent:
    """Return what a budget bears already: all charges, and what unknown outcomes hold that are not in this plan."""
    planned = {entry.job.fingerprint for entry in entries if entry.action is Action.UNKNOWN}
    known = known_charges(renders)
    credits: dict[str, int] = {}
    untold: list[Receipt] = []
    for fingerprint, receipt in renders.items():
        for number, one in enumerate(records_of(receipt)):
            if one.state is ReceiptState.UNKNOWN:
                amount = 0 if not number and fingerprint in planned else one.credits.planned
            else:
                amount = charge_of(one)
                if amount is not None and one.credits.reported is None and one.state is not ReceiptState.FAILED:
                    amount = max(amount, known.of(one.provider, one.model, one.variant) or 0)
            if amount is None:
                untold.append(one)
            credits[one.provider] = credits.get(one.provider, 0) + (amount or 0)
    return _with_untold(credits, untold, known, _stated(entries))


def _with_untold(credits: dict[str, int], untold: Iterable[Receipt], known: Known, stated: Known) -> Spent:
    """Count what no provider told and nobody quoted by the largest figure that there is for it."""
    without: Counter[str] = Counter()
    for one in untold:
        kind = (one.provider, one.model, one.variant)
        figures = [figure for figure in (known.worst(*kind), stated.worst(*kind)) if figure is not None]
        credits[one.provider] += max(figures, default=0)
        without[one.provider] += not figures
    return Spent(credits=credits, untold=dict(+without))


def _stated(entries: Iterable[PlanEntry]) -> Known:
    """Return the prices that the manifest states for what its cards have no price of."""
    stated: dict[tuple[str, str, str | None], int] = {}
    for entry in entries:
        quote = entry.job.quote
        if quote.unlisted and quote.credits is not None:
            told_of(stated, (entry.job.provider, entry.job.model, quote.variant), quote.credits)
    return Known(charges=stated)
