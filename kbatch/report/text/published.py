"""The cards beside the providers' public price lists: a row for each model, as it is shown and as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from kbatch.errors import ExitCode
from kbatch.models.cards import Card
from kbatch.models.describe import list_models
from kbatch.models.published.drift import card_drift, dated, figures
from kbatch.models.published.price_list import Lists, PriceList


class PublishedRow(Struct, frozen=True, kw_only=True):
    """One model: the card's date and price, what the list says (None: not read, or no list), and how the card differs.

    `contradicts` says that a price of the card is outside the list's bounds. `unread` says why nothing was read; it is
    never agreement. `source` and `asked_at` are None where no list was read.
    """

    model: str
    card: str
    card_price: str
    published: str | None
    drift: str | None
    contradicts: bool
    unread: str | None
    source: str | None
    asked_at: str | None


def rows(cards: Iterable[Card], lists: Lists) -> tuple[PublishedRow, ...]:
    """Return one row per card."""
    return tuple(_row(card, lists) for card in cards)


def _row(card: Card, lists: Lists) -> PublishedRow:
    found, (about,) = lists.get(card.provider), list_models([card])
    price = about.price
    if not isinstance(found, PriceList):
        why = f"{card.provider} has no public price list" if found is None else f"{found.source}: {found.message}"
        source = None if found is None else found.source
        return PublishedRow(
            model=card.key,
            card=dated(card),
            card_price=price,
            published=None,
            drift=None,
            contradicts=False,
            unread=why,
            source=source,
            asked_at=None,
        )
    drift = list(card_drift(card, found))
    listed = found.prices.get(card.model)
    return PublishedRow(
        model=card.key,
        card=dated(card),
        card_price=price,
        published=None if listed is None else "varies" if listed.low is None else figures(listed),
        drift="; ".join(words for words, _ in drift) or None,
        contradicts=any(contradicts for _, contradicts in drift),
        unread=found.unread.get(card.model),
        source=found.source,
        asked_at=found.asked_at,
    )


def exit_code(found: Iterable[PublishedRow], *, diff: bool) -> ExitCode:
    """Return 5 where a list that exists was not read, 1 where `--diff` found drift, else 0."""
    unread = any(row.unread and row.source for row in found)
    drift = diff and any(row.drift for row in found)
    return ExitCode.worst((ExitCode.PROVIDER,) * unread + (ExitCode.NOT_AS_ASKED,) * drift)


def as_json(found: Iterable[PublishedRow]) -> dict[str, Any]:
    """Return the rows in the form of `models --live --format json`."""
    return {"models": [asdict(row) for row in found]}


def lines(found: tuple[PublishedRow, ...], *, diff: bool) -> Iterator[str]:
    """Yield the rows as text: all of them, or with `diff` those that differ or were not read."""
    shown = [row for row in found if not diff or row.drift or (row.unread and row.source)]
    width = max((len(row.model) for row in shown), default=0)
    for row in shown:
        words = row.drift and f"differs: {row.drift}"
        same = f"{row.card_price} on the card, {row.published} in the list"
        words = words or (f"not read: {row.unread}" if row.unread else same)
        yield f"{row.model:<{width}}  {words} ({row.card})"
    for source, asked_at in dict.fromkeys((row.source, row.asked_at) for row in found if row.asked_at):
        yield f"asked {source} at {asked_at}"
    if diff and not shown:
        yield "no card differs from its provider's list"
