"""Apiframe's public list, `GET /v2/models?modality=video`: the lowest and the highest price of each model in credits.

Source: the vendor's Node SDK, OpenAPI of 2026-07-16: `costMin`, `costMax`, `pricingMode`.
"""

from collections.abc import Collection, Mapping
from typing import Any

from kbatch.models.published.price_list import Measure, PublishedPrice
from kbatch.providers.prices.strict_json import Misread, amount, digest, entries, name
from kbatch.providers.prices.translation import ReadList

_MODES = {"flat": Measure.CLIP, "per-second": Measure.SECOND, "per-output": Measure.OUTPUT}
_PRICES = ("costMin", "costMax", "pricingMode")
_MOST_MODELS = 2000


class ApiframeList:
    """The list of `apiframe`; it has no tag."""

    def path(self, models: Collection[str]) -> str:
        """Return path and query; the list cannot be asked for single models."""
        return "/v2/models?modality=video"

    def read(self, document: Mapping[str, Any], models: Collection[str]) -> ReadList:
        """Read the wanted models; Misread when the list itself is not of the documented form."""
        found: dict[str, dict[str, Any]] = {}
        unread: dict[str, str] = {}
        for entry in entries(document, "models", _MOST_MODELS):
            model = name(entry.get("id"), "id")
            if model in found:
                unread[model] = "it stands twice in the list"
            found[model] = entry
        prices = {}
        for model in models:
            if model in found and model not in unread:
                try:
                    prices[model] = _price(found[model])
                except Misread as error:
                    unread[model] = str(error)
        gone = frozenset(model for model in models if model not in found)
        wanted = {model: why for model, why in unread.items() if model in models}
        return ReadList(prices=prices, gone=gone, unread=wanted)


def _price(entry: Mapping[str, Any]) -> PublishedPrice:
    if not any(name in entry for name in _PRICES):
        raise Misread("the list names no price of it")  # only id, label and modality are required
    low, high = amount(entry.get("costMin"), "costMin"), amount(entry.get("costMax"), "costMax")
    mode = entry.get("pricingMode")
    if not isinstance(mode, str) or mode not in _MODES:
        raise Misread("`pricingMode` is none of flat, per-second, per-output")
    if low > high:
        raise Misread("`costMin` is above `costMax`")
    return PublishedPrice(
        measure=_MODES[mode], low=low, high=high, sha256=digest({name: entry[name] for name in _PRICES})
    )
