"""The AI/ML API's public list, `GET /v1/models?id=…&include=pricing`: prices in USD, read as credits.

Source: the vendor's page "Model Catalogue API", read 2026-11-30. One dollar is 2,000,000 credits; nothing is rounded
here. `price` is for `per` units, and a model is matched by `id` and `aliases`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from kbatch.models.published.price_list import Measure, PublishedPrice, PublishedRate
from kbatch.providers.aimlapi_records import CREDITS_PER_USD
from kbatch.providers.prices.strict_json import Misread, digest, entries, name, positive
from kbatch.providers.prices.translation import ReadList
from kbatch.providers.responses import encoded

_MOST_MODELS = 5000
_MOST_VARIANTS = 500
_MOST_ALIASES = 100
_WORD = re.compile(r"[a-z][a-z0-9 _-]{0,39}")
_SECONDS = frozenset(("second", "seconds", "sec", "s"))
_CLIPS = frozenset(("generation", "generations", "video", "videos", "clip", "request", "output"))


class AimlapiList:
    """The list of `aimlapi`."""

    def path(self, models: Collection[str]) -> str:
        """Return path and query for these models only."""
        return f"/v1/models?id={','.join(map(encoded, sorted(models)))}&include=pricing"

    def read(self, document: Mapping[str, Any], models: Collection[str]) -> ReadList:
        """Read the wanted models; Misread when the list itself is not of the documented form."""
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in entries(document, "data", _MOST_MODELS):
            for called in set(_names(entry)):
                found.setdefault(called, []).append(entry)
        prices: dict[str, PublishedPrice] = {}
        unread: dict[str, str] = {}
        for model in models:
            of_it = [entry for entry in found.get(model, ()) if entry["id"] == model] or found.get(model, [])
            try:
                if len(of_it) > 1:
                    raise Misread("it stands twice in the list")
                for entry in of_it:
                    prices[model] = _price(entry)
            except Misread as error:
                unread[model] = str(error)
        return ReadList(prices=prices, gone=frozenset(model for model in models if model not in found), unread=unread)


def _names(entry: Mapping[str, Any]) -> Iterator[str]:
    yield name(entry.get("id"), "id")
    aliases = entry.get("aliases", [])
    if not isinstance(aliases, list) or len(aliases) > _MOST_ALIASES:
        raise Misread("`aliases` is no list")
    yield from (name(alias, "aliases") for alias in aliases)


def _price(entry: Mapping[str, Any]) -> PublishedPrice:
    pricing = entry.get("pricing")
    if pricing is None:
        return _varies(entry)
    if not isinstance(pricing, dict):
        raise Misread("`pricing` is no object")
    kind = pricing.get("kind")
    if kind == "variable":
        return _varies(entry)
    if pricing.get("currency") != "USD":
        raise Misread("`currency` is not USD")
    if kind == "fixed":
        units = entries(pricing, "units", _MOST_VARIANTS)
        if len(units) != 1:  # several are added up by rules that the page does not give
            return _varies(entry)
        rates = [_rate(units[0], units[0].get("measure", units[0].get("name")), {})]
    elif kind == "variants":
        rates = [_variant(one) for one in entries(pricing, "variants", _MOST_VARIANTS)]
    else:
        raise Misread("`kind` is none of fixed, variants, variable")
    measures = {rate.measure for rate in rates}
    if len(measures) != 1 or Measure.VARIES in measures:
        return _varies(entry)
    amounts = [rate.amount for rate in rates]
    low, high = min(amounts), max(amounts)
    return PublishedPrice(
        measure=measures.pop(), low=low, high=high, sha256=digest({"pricing": entry.get("pricing")}), rates=tuple(rates)
    )


def _varies(entry: Mapping[str, Any]) -> PublishedPrice:
    return PublishedPrice(measure=Measure.VARIES, low=None, high=None, sha256=digest({"pricing": entry.get("pricing")}))


def _variant(written: Mapping[str, Any]) -> PublishedRate:
    when = written.get("when")
    if not isinstance(when, dict) or not all(isinstance(value, str | bool | Decimal) for value in when.values()):
        raise Misread("`when` is no object of plain values")
    return _rate(written, written.get("unit"), {name(key, "when"): _plain(value) for key, value in when.items()})


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _rate(written: Mapping[str, Any], unit: Any, when: Mapping[str, Any]) -> PublishedRate:
    price, per = positive(written.get("price"), "price"), positive(written.get("per"), "per")
    word = name(unit, "unit").lower()
    if not _WORD.fullmatch(word):
        raise Misread("`unit` is no word")  # it is shown to reviewers
    measure = Measure.SECOND if word in _SECONDS else Measure.CLIP if word in _CLIPS else Measure.VARIES
    times = "a" if per == 1 else f"for {written['per']}"
    amount: Fraction = price * CREDITS_PER_USD / per
    return PublishedRate(amount=amount, measure=measure, text=f"{written['price']} USD {times} {word}", when=when)
