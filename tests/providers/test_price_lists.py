"""Both public price lists are read strictly: exact amounts, the wanted models only, nothing malformed as agreement."""

import json
from fractions import Fraction
from typing import Any

import pytest

from kbatch.models.published.price_list import ListUnread, Measure, PriceList, PublishedPrice
from kbatch.providers.aimlapi import AIMLAPI
from kbatch.providers.apiframe import APIFRAME
from kbatch.providers.base import Answer, NoAnswer, Provider, Reply
from kbatch.providers.prices.strict_json import MOST_BYTES
from kbatch.providers.prices.translations import read, translation_of

KLING = "kling-video/v2.1/pro/image-to-video"


def heard(provider: Provider, reply: Reply, *models: str) -> PriceList | ListUnread:
    """Return what a reply comes to."""
    translation = translation_of(provider)
    assert translation is not None
    return read(reply, translation, models, "https://a.example/list", "2026-11-30T12:00:00Z")


def body(value: Any) -> Answer:
    """Return a 200 with this JSON, or with these bytes."""
    return Answer(
        status=200, headers={"etag": '"t"'}, body=value if isinstance(value, bytes) else json.dumps(value).encode()
    )


def frame(**changes: Any) -> dict[str, Any]:
    """Return an entry of Apiframe's list."""
    return {"id": "m", "costMin": 3, "costMax": 10, "pricingMode": "flat", "label": "M", **changes}


def model(pricing: Any, **changes: Any) -> dict[str, Any]:
    """Return an entry of AI/ML's list."""
    return {"id": KLING, "aliases": [f"klingai/{KLING}"], "type": "video", "pricing": pricing, **changes}


def fixed(**unit: Any) -> dict[str, Any]:
    """Return a fixed price of one unit."""
    return {
        "kind": "fixed",
        "currency": "USD",
        "units": [{"name": "video", "measure": "second", "price": 0.1, "per": 1, **unit}],
    }


@pytest.mark.parametrize(
    ("entry", "measure", "low", "high"),
    [
        (frame(), Measure.CLIP, 3, 10),
        (frame(pricingMode="per-second"), Measure.SECOND, 3, 10),
        (frame(pricingMode="per-output", costMin="2.5"), Measure.OUTPUT, Fraction(5, 2), 10),
    ],
)
def test_apiframes_list_has_bounds(entry: dict[str, Any], measure: Measure, low: Any, high: Any) -> None:
    """Lowest and highest amount are exact, and what the list lacks is gone."""
    found = heard(APIFRAME, body({"models": [frame(id="other", costMin="odd"), entry]}), "m", "absent")
    assert isinstance(found, PriceList)
    price = found.prices["m"]
    assert (price.measure, price.low, price.high) == (measure, low, high)
    assert (found.gone, found.unread, found.etag) == (frozenset({"absent"}), {}, '"t"')


@pytest.mark.parametrize(
    "entry",
    [
        frame(costMin=None),
        frame(costMin="3 credits"),
        frame(costMin=True),
        frame(costMin=-1),
        frame(costMax=10**13),
        frame(costMin=11),
        frame(pricingMode=["flat"]),
        frame(pricingMode="per second"),
        {"id": "m"},
    ],
)
def test_a_malformed_entry_of_apiframe_is_unread(entry: dict[str, Any]) -> None:
    """Such a model has neither a price nor is it gone."""
    found = heard(APIFRAME, body({"models": [entry]}), "m")
    assert isinstance(found, PriceList)
    assert (set(found.prices), found.gone, set(found.unread)) == (set(), frozenset(), {"m"})


@pytest.mark.parametrize(
    "reply",
    [
        NoAnswer(message="cut", maybe_sent=True),
        Answer(status=503, body=b"down"),
        Answer(status=302, headers={"location": "https://b.example"}),
        Answer(status=304),
        body(b""),
        body(b"<html>"),
        body(b'{"models": [], "models": []}'),
        body(b'{"models": [{"id": "m", "costMin": NaN}]}'),
        body(b'{"models": [{"id": "m", "costMin": 1e' + b"9" * 50 + b"}]}"),
        body(b"[" * 100_000),
        body(b" " * (MOST_BYTES + 1)),
        body([]),
        body({"models": {}}),
        body({"models": ["m"]}),
        body({"models": [{"id": 5}]}),
        body({"models": [{"id": "x" * 201}]}),
    ],
)
def test_what_is_no_list_is_unread(reply: Reply) -> None:
    """No such answer is a list, so it can agree to nothing and no model is gone."""
    assert isinstance(heard(APIFRAME, reply, "m"), ListUnread)


def test_a_model_that_stands_twice_is_unread() -> None:
    """Two entries of one model contradict each other, in both lists."""
    found = heard(APIFRAME, body({"models": [frame(), frame(costMax=99)]}), "m")
    assert isinstance(found, PriceList)
    assert set(found.unread) == {"m"}
    found = heard(AIMLAPI, body({"data": [model(fixed()), model(fixed(price=2))]}), KLING)
    assert isinstance(found, PriceList)
    assert (set(found.unread), found.prices) == ({KLING}, {})


def aimlapi_price(entry: dict[str, Any]) -> PublishedPrice:
    """Return the price that AI/ML's list has of the model."""
    found = heard(AIMLAPI, body({"data": [model(fixed(), id="other/model", aliases=[]), entry]}), KLING)
    assert isinstance(found, PriceList)
    return found.prices[KLING]


VARIANTS = {
    "kind": "variants",
    "dimensions": ["duration", "mode"],
    "variants": [
        {"when": {"duration": 5}, "price": 0.35, "unit": "generation", "per": 1},
        {"when": {"duration": "10", "mode": "pro"}, "price": 1, "unit": "generation", "per": 3},
        {"when": {"duration": 10, "mode": "std"}, "price": 0.7, "unit": "generation", "per": 1},
    ],
    "currency": "USD",
}


@pytest.mark.parametrize(
    ("pricing", "params", "seconds", "credits"),
    [
        (fixed(), {}, 5, 1_000_000),
        (fixed(price="0.1"), {}, 5, 1_000_000),
        (fixed(price=0.1, per=3), {}, 5, 333_334),
        (fixed(price=1.3, measure="generation"), {}, 10, 2_600_000),
        (fixed(measure="token"), {}, 5, None),
        (VARIANTS, {"duration": 5}, 5, 700_000),
        (VARIANTS, {"duration": 10, "mode": "pro"}, 10, 666_667),
        (VARIANTS, {"duration": 10, "mode": "std"}, 10, 1_400_000),
        (VARIANTS, {"duration": 10}, 10, None),
        (VARIANTS, {"duration": True}, 5, None),
        ({"kind": "variable"}, {}, 5, None),
        (None, {}, 5, None),
        ({**fixed(), "units": fixed()["units"] * 2}, {}, 5, None),
    ],
)
def test_the_exact_quote_of_aimlapi(pricing: Any, params: dict[str, Any], seconds: int, credits: int | None) -> None:
    """A dollar is 2,000,000 credits, `price` is for `per` units, and only the end is rounded, upwards."""
    found = aimlapi_price(model(pricing)).exact(params, seconds, 1)
    assert (found[0] if found else None) == credits


@pytest.mark.parametrize(
    "pricing",
    [
        {**fixed(), "currency": "EUR"},
        fixed(price=0),
        fixed(price=-1),
        fixed(per=0),
        fixed(per=None),
        fixed(price="cheap"),
        {"kind": "variants", "currency": "USD", "variants": {"price": 1}},
        {**VARIANTS, "variants": [{"when": {"duration": [5]}, "price": 1, "unit": "video", "per": 1}]},
        {"kind": "new"},
        fixed(measure="second](https://evil.example)"),
        fixed(measure=7),
        "cheap",
    ],
)
def test_a_malformed_price_of_aimlapi_is_unread(pricing: Any) -> None:
    """What is not of a documented form is neither a price nor none."""
    found = heard(AIMLAPI, body({"data": [model(pricing)]}), KLING)
    assert isinstance(found, PriceList)
    assert (found.prices, set(found.unread), found.gone) == ({}, {KLING}, frozenset())


def test_a_model_is_found_by_its_alias_and_first_by_its_id() -> None:
    """Another model's alias never stands in for a model that has an entry of its own."""
    alias = model(fixed(price=9), id="new/name", aliases=[KLING])
    assert aimlapi_price(alias).low == 18_000_000
    found = heard(AIMLAPI, body({"data": [alias, model(fixed())]}), KLING)
    assert isinstance(found, PriceList)
    assert found.prices[KLING].low == 200_000


def test_the_hash_is_of_the_prices_only() -> None:
    """An entry whose words change is the same price to an approval; one whose price changes is another."""
    same, other = aimlapi_price(model(fixed(), info={"name": "New"})), aimlapi_price(model(fixed(price=0.2)))
    assert aimlapi_price(model(fixed())).sha256 == same.sha256 != other.sha256
