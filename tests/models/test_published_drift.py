"""A card against a published price: what differs, what contradicts, and which figures are said."""

from fractions import Fraction

import pytest
from packaged_cards import card_of

from kbatch.models.published.drift import card_drift, figures, number
from kbatch.models.published.price_list import Measure, PriceList, PublishedPrice


def published(model: str, measure: Measure, low: int | None, high: int | None) -> PriceList:
    """Return a list with one model."""
    amounts = (None if low is None else Fraction(low), None if high is None else Fraction(high))
    price = PublishedPrice(measure=measure, low=amounts[0], high=amounts[1], sha256="0" * 64)
    return PriceList(source="https://a.example/list", asked_at="2026-11-30T12:00:00Z", prices={model: price})


@pytest.mark.parametrize(
    ("model", "measure", "low", "high", "drift"),
    [
        ("kling-2.1", Measure.CLIP, 3, 10, []),
        ("kling-2.1", Measure.OUTPUT, 3, 10, []),
        ("kling-2.1", Measure.CLIP, 3, 12, [("3–10 on the card, 3–12 a clip in the list", False)]),
        ("kling-2.1", Measure.CLIP, 4, 10, [("3–10 on the card, 4–10 a clip in the list", True)]),
        ("kling-2.1", Measure.CLIP, 3, 9, [("3–10 on the card, 3–9 a clip in the list", True)]),
        ("kling-2.1", Measure.SECOND, 3, 10, [("priced by the clip on the card, by the second in the list", True)]),
        ("kling-2.1", Measure.VARIES, None, None, []),
        ("kling-3.0", Measure.SECOND, 3, 7, []),
        ("kling-3.0", Measure.SECOND, 9, 105, []),
        ("kling-3.0", Measure.SECOND, 4, 7, [("9–105 on the card, 4–7 a second in the list", True)]),
        ("kling-3.0", Measure.CLIP, 9, 105, [("priced by the second on the card, by the clip in the list", True)]),
    ],
)
def test_how_a_card_differs(
    model: str, measure: Measure, low: int | None, high: int | None, drift: list[tuple[str, bool]]
) -> None:
    """Wider bounds differ and contradict nothing; a price outside them, or another unit, contradicts."""
    found = list(card_drift(card_of(model), published(model, measure, low, high)))
    assert [contradicts for _, contradicts in found] == [contradicts for _, contradicts in drift]
    assert all(said.startswith(words) for (said, _), (words, _) in zip(found, drift, strict=True))


def test_a_model_that_is_gone_contradicts() -> None:
    """A list without the model is no list in which nothing differs."""
    empty = PriceList(source="s", asked_at="t", prices={}, gone=frozenset({"kling-2.1"}))
    assert list(card_drift(card_of("kling-2.1"), empty)) == [("not in the list any more", True)]


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Fraction(2_625_000), "2,625,000"),
        (Fraction(5, 2), "2.500"),
        (Fraction(1, 3), "0.333…"),
        (Fraction(10**20 + 1, 10), "10,000,000,000,000,000,000.100"),
    ],
)
def test_amounts_are_exact_in_words(amount: Fraction, words: str) -> None:
    """No figure passes through a float; one without an end is marked."""
    assert number(amount) == words


def test_a_varying_price_has_no_figures() -> None:
    """It is said that it varies."""
    price = published("m", Measure.VARIES, None, None).prices["m"]
    assert figures(price) == "that it varies"
