"""Charges that count against ceilings: what receipts were charged, and estimates where no charge was reported.

A charge that the provider did not report counts as its quote, or as the largest known charge of its model and variant
where that is more; without a quote, as the largest known charge of its model. Without either it is unknown, never 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.known_charges import KnownCharges, keep_largest, known_charges
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState
from kbatch.receipts.refunds.refund_claim import refund_of


class Spent(Struct, frozen=True, kw_only=True):
    """Credits per provider that count against its budget, and the number of charges whose amount is unknown."""

    credits: Mapping[str, int] = field(default_factory=dict)
    unknown_charges: Mapping[str, int] = field(default_factory=dict)


def charged(renders: Mapping[str, Receipt]) -> dict[str, int]:
    """Return the charges of all receipts in credits per provider: the reported charge, else the quote."""
    spent: Counter[str] = Counter()
    for receipt in renders.values():
        for one in records_of(receipt):
            spent[one.provider] += charge_of(one) or 0
    return dict(spent)


def charge_of(receipt: Receipt) -> int | None:
    """Return the known cost of one attempt after refunds in credits, None when unknown."""
    return receipt.net_charge


def spent_before(entries: Sequence[PlanEntry], renders: Mapping[str, Receipt]) -> Spent:
    """Return all charges so far, with what unknown outcomes outside this plan hold."""
    planned = {entry.job.fingerprint for entry in entries if entry.action is Action.UNKNOWN}
    known = known_charges(renders)
    credits: dict[str, int] = {}
    unknown_charges: list[Receipt] = []
    for fingerprint, receipt in renders.items():
        for number, one in enumerate(records_of(receipt)):
            if one.state is ReceiptState.UNKNOWN:
                amount = 0 if not number and fingerprint in planned else one.credits.planned
            else:
                amount = charge_of(one)
                if amount is not None and one.credits.reported is None and one.state is not ReceiptState.FAILED:
                    worst = known.of(one.provider, one.model, one.variant) or 0
                    amount = max(amount, worst - refund_of(one.refund_claim))
            if amount is None:
                unknown_charges.append(one)
            credits[one.provider] = credits.get(one.provider, 0) + (amount or 0)
    return _with_unknown_charges(credits, unknown_charges, known, _stated(entries))


def _with_unknown_charges(
    credits: dict[str, int], unknown_charges: Iterable[Receipt], known: KnownCharges, stated: KnownCharges
) -> Spent:
    """Add charges without report and quote, each at the largest known charge or stated price of its model."""
    without: Counter[str] = Counter()
    for one in unknown_charges:
        kind = (one.provider, one.model, one.variant)
        figures = [figure for figure in (known.worst(*kind), stated.worst(*kind)) if figure is not None]
        credits[one.provider] += max(figures, default=0)
        without[one.provider] += not figures
    return Spent(credits=credits, unknown_charges=dict(+without))


def _stated(entries: Iterable[PlanEntry]) -> KnownCharges:
    """Return the prices that the manifest states for models whose card has none."""
    stated: dict[tuple[str, str, str | None], int] = {}
    for entry in entries:
        quote = entry.job.quote
        if quote.unlisted and quote.credits is not None:
            keep_largest(stated, (entry.job.provider, entry.job.model, quote.variant), quote.credits)
    return KnownCharges(charges=stated)
