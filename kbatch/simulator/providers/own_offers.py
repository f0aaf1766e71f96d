"""Models that a user brings, as this simulator sells them: an own reading of a card's JSON, apart from kbatch's.

A price that the card does not know is pretended, as that of the AI/ML model is (`offers`), so that a rehearsal has
something to add up: the dearest that the card knows, where it knows any.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import product
from typing import Any

from kbatch.simulator.exchange import AIMLAPI
from kbatch.simulator.providers.fields import (
    Complaint,
    RequestField,
    anything_in_an_object,
    choice,
    flag,
    image,
    integer,
    link,
    many,
    matching,
    needed,
    number,
    record,
    text,
    text_of_json,
)
from kbatch.simulator.providers.offers import PRETENDED_AIMLAPI_CREDITS_PER_SECOND, Offer, Values

PRETENDED_CREDITS = 10
_WIDEST = 10**9
_MANY = 1_000


def offers_of_cards(cards: Iterable[bytes]) -> tuple[Offer, ...]:
    """Return the offers of cards whose form is right."""
    return tuple(_offer(json.loads(card)) for card in cards)


def _offer(card: Mapping[str, Any]) -> Offer:
    provider, model = card["provider"], card["model"]
    data = provider == AIMLAPI  # to the others pictures come as URLs
    sent = {path: image() if data and "data" in forms else link() for path, forms in card["images"].items()}
    fields = {
        name: _required(_field(spec, name, sent), name in card["required"]) for name, spec in card["parameters"].items()
    }
    key, delivers, pricing = card["body"]["parameters"], card["delivers"], card["pricing"]
    if key is None:
        prompt = text(1) if "prompt" in card["required"] else text()
        fields |= {"model": needed(choice(model)), "prompt": _required(prompt, "prompt" in card["required"])}
    defaults = {name: spec["default"] for name, spec in card["parameters"].items() if "default" in spec}
    length = delivers["duration"]
    values = [_values(card["parameters"][part["parameter"]]) for part in pricing["variant"]]
    variant = _variant(pricing["variant"])
    names = [part["parameter"] for part in pricing["variant"]]
    variants = {variant(dict(zip(names, row, strict=True))) for row in product(*values)} or {"flat"}
    prices = {name: _price(card, row) for name, row in (pricing["table"] or {}).items() if row is not None}
    span = (length,) if isinstance(length, int) else _values(card["parameters"][length])
    return Offer(
        provider=provider,
        model=model,
        parameters=fields,
        defaults=defaults,
        variant=variant,
        prices={
            name: prices.get(name) or max(prices.values(), default=_pretended(provider)) for name in sorted(variants)
        },
        by_second=pricing["per"] == "second",
        times=pricing.get("outputs"),
        rules=tuple(_rule(rule) for rule in card["rules"]),
        duration=tuple(span),
        body_key=key,
        length=length,
        audio=delivers["audio"],
        ratio=delivers.get("ratio"),
        start=delivers.get("start"),
        end=delivers.get("end"),
        timeline=delivers.get("timeline"),
    )


def _pretended(provider: str) -> int:
    return 5 * PRETENDED_AIMLAPI_CREDITS_PER_SECOND if provider == AIMLAPI else PRETENDED_CREDITS


def _price(card: Mapping[str, Any], row: int | str) -> int:
    if isinstance(row, int):
        return row
    return int(Decimal(row.split()[0]) * card["pricing"]["per_usd"])


def _variant(parts: Iterable[Mapping[str, str]]) -> Callable[[Values], str]:
    def name(values: Values) -> str:
        words = []
        for part in parts:
            value = values[part["parameter"]]
            words.append((part["true"] if value else "") if "true" in part else f"{value}{part.get('suffix', '')}")
        return "-".join(filter(None, words)) or "flat"

    return name


def _values(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    if "enum" in spec:
        return tuple(spec["enum"])
    return (False, True) if spec["type"] == "boolean" else tuple(range(spec["minimum"], spec["maximum"] + 1))


def _required(field: RequestField, required: bool) -> RequestField:
    return needed(field) if required else field


def _field(spec: Mapping[str, Any], path: str, images: Mapping[str, RequestField]) -> RequestField:
    if path in images:
        return images[path]
    if "contentSchema" in spec:
        return text_of_json(_field(spec["contentSchema"], path, {}))
    if "enum" in spec:
        return choice(*spec["enum"])
    match spec["type"]:
        case "integer":
            return integer(spec.get("minimum", -_WIDEST), spec.get("maximum", _WIDEST))
        case "number":
            return number(spec.get("minimum"), spec.get("maximum"))
        case "boolean":
            return flag()
        case "array":
            item = _field(spec["items"], f"{path}[]", images)
            return many(item, least=spec.get("minItems", 0), most=spec.get("maxItems", _MANY))
        case "object" if "properties" in spec:
            inner = {name: _field(one, f"{path}.{name}", images) for name, one in spec["properties"].items()}
            return record({name: _required(one, name in spec["required"]) for name, one in inner.items()})
        case "object":
            return anything_in_an_object()
        case _ if "pattern" in spec:
            return matching(re.compile(spec["pattern"], re.ASCII), spec["form"])
        case _:
            return text(spec.get("minLength", 0), spec.get("maxLength"))


def _rule(rule: Mapping[str, Any]) -> Callable[[Values], list[Complaint]]:
    def check(values: Values) -> list[Complaint]:
        name = rule["parameter"]
        if name not in values:
            return []
        if "needs" in rule:
            needs = rule["needs"]
            return [] if values.get(needs["parameter"]) in needs["in"] else [(name, rule["description"])]
        parts, sums = values[name], rule["sums"]
        parts = json.loads(parts) if isinstance(parts, str) else parts
        return [] if sum(part[sums["item"]] for part in parts) == values[sums["to"]] else [(name, rule["description"])]

    return check
