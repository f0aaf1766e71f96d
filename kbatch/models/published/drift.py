"""Holds cards and quotes against published prices; says both figures and the card's date, and changes nothing.

A list's amounts a second are not documented as those of a second or of a whole clip (Apiframe's SDK, read 2026-11-30),
so a quote agrees when it is within the bounds under one of both readings.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from msgspec import Struct

from kbatch.models.cards import Card
from kbatch.models.pricing import Quote, price_range
from kbatch.models.published.price_list import Measure, PriceList, PublishedPrice

LIVE = "live"
"""The source of a quote that only a public list names."""

_MEASURES = {"clip": Measure.CLIP, "second": Measure.SECOND, "output": Measure.OUTPUT}


class Priced(Struct, frozen=True, kw_only=True):
    """A request that is quoted: its card, complete parameters, length in seconds, number of outputs, and quote."""

    card: Card
    params: Mapping[str, Any]
    seconds: int
    quote: Quote

    @property
    def outputs(self) -> int:
        """How many outputs it makes."""
        name = self.card.pricing.outputs
        return int(self.params[name]) if name is not None else 1


def quote_drift(asked: Priced, published: PriceList) -> str | None:
    """Return how a known quote contradicts the list, None where it does not, or where the list says nothing of it."""
    card, quote = asked.card, asked.quote
    if card.model in published.gone:
        return f"{card.key} is not in the list any more ({dated(card)})"
    price = published.prices.get(card.model)
    if price is None or quote.credits is None or (price.low is None and quote.source != LIVE):
        return None
    whose = f"{card.key} {quote.variant} is quoted at {quote.credits:,} {quote.unit} ({_from(asked)})"
    if quote.source not in ("manifest", LIVE) and _differs(card, price):
        return f"{card.key} is priced by the {card.pricing.per} ({dated(card)}), the list says by the {price.measure}"
    exact = price.exact(asked.params, asked.seconds, asked.outputs)
    if exact is not None and quote.credits != exact[0]:
        if quote.source == "manifest" and quote.credits > exact[0]:
            return None
        return f"{whose}, the list says {exact[0]:,} ({exact[1].text})"
    if exact is None and quote.source == LIVE:
        return f"{whose}, the list names no such price now"
    if exact is None and not any(low <= quote.credits <= high for low, high in _bounds(asked, price)):
        if quote.source == "manifest" and all(quote.credits > high for _, high in _bounds(asked, price)):
            return None  # a price of one's own may be above every known one
        return f"{whose}, the list says {figures(price)}"
    return None


def card_drift(card: Card, published: PriceList) -> Iterator[tuple[str, bool]]:
    """Yield how a card differs from the list, and whether that contradicts a price of it.

    It is gone, has another measure, or another lowest or highest price; within the list's bounds no price is wrong.
    """
    if card.model in published.gone:
        yield "not in the list any more", True
    price = published.prices.get(card.model)
    known = price_range(card)
    if price is None or price.low is None or price.high is None:
        return
    if known is None:
        return  # what no document says is no difference; `--live` quotes it
    if _differs(card, price):
        words = f"priced by the {card.pricing.per} on the card, by the {price.measure} in the list ({figures(price)})"
        yield words, True
    elif (price.low, price.high) not in _ranges(card, known):
        within = any(price.low <= low and high <= price.high for low, high in _ranges(card, known))
        yield f"{known[0]:,}–{known[1]:,} on the card, {figures(price)} in the list", not within


def figures(price: PublishedPrice) -> str:
    """Return a published price in words: `3–7 a second`."""
    if price.low is None or price.high is None:
        return "that it varies"
    amounts = number(price.low) if price.low == price.high else f"{number(price.low)}–{number(price.high)}"
    return amounts if price.measure is Measure.VARIES else f"{amounts} {_ARTICLES[price.measure]}"


_ARTICLES = {Measure.CLIP: "a clip", Measure.SECOND: "a second", Measure.OUTPUT: "an output"}


def number(amount: Fraction) -> str:
    """Return an amount of a list: whole as `1,312,500`, else as a decimal, cut and marked where it has no end."""
    if amount.denominator == 1:
        return f"{amount.numerator:,}"
    whole, rest = divmod(amount.numerator * 1000, amount.denominator)
    return f"{whole // 1000:,}.{whole % 1000:03d}{'…' if rest else ''}"


def dated(card: Card) -> str:
    """Return the date of a card's prices, or of its document where it has none."""
    return f"card of {(card.pricing.source or card.source).read}"


def _from(asked: Priced) -> str:
    words = {"manifest": "the manifest's `prices`", LIVE: "the list, when the plan was made"}
    return words.get(asked.quote.source) or dated(asked.card)


def _differs(card: Card, price: PublishedPrice) -> bool:
    known = _MEASURES.get(card.pricing.per or "")
    alike = {Measure.CLIP, Measure.OUTPUT} if card.pricing.outputs is None else set()  # a clip is its one output
    return not (known is None or price.measure in (known, Measure.VARIES) or {known, price.measure} <= alike)


def _bounds(asked: Priced, price: PublishedPrice) -> Iterator[tuple[Fraction, Fraction]]:
    """Yield the bounds of a request under each reading of the list."""
    if price.low is not None and price.high is not None:
        yield price.low, price.high
        times = {Measure.SECOND: asked.seconds, Measure.OUTPUT: asked.outputs}.get(price.measure, 1)
        yield price.low * times, price.high * times


def _ranges(card: Card, known: tuple[int, int]) -> Iterator[tuple[Fraction, Fraction]]:
    yield Fraction(known[0]), Fraction(known[1])
    amounts = [amount for amount in (card.pricing.table or {}).values() if amount is not None]
    yield Fraction(min(amounts)), Fraction(max(amounts))
