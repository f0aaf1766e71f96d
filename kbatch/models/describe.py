"""Model cards as rows of text for `kbatch models`; the caller decides the layout."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kbatch.models.cards import Card, CardSource, root_of
from kbatch.models.parameter_messages import describe_accepted
from kbatch.models.pricing import durations_of, price_range, variants

PACKAGED = "packaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model in the list; each field is a short text for one column. `card` is where its card is from."""

    provider: str
    model: str
    price: str
    duration: str
    audio: str
    pictures: str
    card: str = PACKAGED


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRow:
    """One parameter; `default` is empty when there is none, `accepts` when the type alone says what is accepted."""

    name: str
    type: str
    required: bool
    default: str
    accepts: str
    description: str

    @property
    def facts(self) -> str:
        """The constraints in one line, such as `required, accepts 5 or 10, default 5`; may be empty."""
        facts = (
            "required" if self.required else "",
            f"accepts {self.accepts}" if self.accepts else "",
            f"default {self.default}" if self.default else "",
        )
        return ", ".join(filter(None, facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One variant and its price, such as `pro-audio` and `7 credits/s`; `credits` is None when unknown."""

    variant: str
    credits: int | None
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPage:
    """All parts of a card in reading order; `price_note` is empty where prices are known."""

    key: str
    title: str
    summary: str
    parameters: tuple[ParameterRow, ...]
    prices: tuple[PriceRow, ...]
    price_note: str
    rules: tuple[str, ...]
    render_time: str
    notes: tuple[str, ...]
    sources: tuple[str, ...]


def parameter_rows(card: Card) -> tuple[ParameterRow, ...]:
    """Return one row per parameter, in the document's order."""
    return tuple(_row(card, name, spec) for name, spec in card.parameters.items())


def list_models(cards: Iterable[Card]) -> tuple[ModelRow, ...]:
    """Return one row per model."""
    return tuple(
        ModelRow(
            provider=card.provider,
            model=card.model,
            price=_price_of(card),
            duration=_durations(card),
            audio=_audio(card),
            pictures=", ".join(dict.fromkeys(root_of(path) for path in card.images)) or "none",
            card=origin_of(card),
        )
        for card in cards
    )


def describe(card: Card) -> ModelPage:
    """Return the full description of one model."""
    return ModelPage(
        key=card.key,
        title=card.title,
        summary=card.summary,
        parameters=(_row(card, "prompt", card.prompt), *parameter_rows(card)),
        prices=tuple(_price_row(card, variant) for variant in variants(card)),
        price_note=(card.pricing.note or "") if card.pricing.table else price_sentence(card),
        rules=tuple(rule.description for rule in card.rules),
        render_time=", ".join(
            f"{each.shortest_s}–{each.longest_s} s" + (f" for {each.duration} s" if each.duration else "")
            for each in card.typical
        ),
        notes=_notes(card),
        sources=_sources(card),
    )


def as_json(cards: Iterable[Card]) -> list[dict[str, Any]]:
    """Return cards as JSON values: rows, prices and notes as `describe` gives them, and the parameters' schemas."""
    return [{**asdict(row), **_page(card)} for card in cards for row in list_models([card])]


def price_sentence(card: Card) -> str:
    """Return the price table in one sentence, with its source: `Credits a clip: 5s 4, 10s 7 (Apiframe, 2026-11-21)`."""
    table, source = card.pricing.table, card.pricing.source
    if table is None or source is None:
        return f"Price unknown: {card.pricing.note}"
    rows = ", ".join(
        f"{variant} {'unknown' if credits is None else f'{credits:,}'}" for variant, credits in table.items()
    )
    return f"{card.pricing.unit.capitalize()} a {card.pricing.per}: {rows} ({source.publisher}, {source.read})"


def origin_of(card: Card) -> str:
    """Return where a card is from: `packaged`, or the user's file and whether it stands in a packaged card's place."""
    if card.file is None:
        return PACKAGED
    return f"{card.file}, in place of the packaged card" if card.replaces else card.file


def _page(card: Card) -> dict[str, Any]:
    page = asdict(describe(card))
    page["parameters"] = {"prompt": card.prompt, **card.parameters}
    page["required"] = sorted(card.required)
    page["endpoint"] = card.endpoint.name if card.endpoint else None
    page["unit"], page["per"] = card.pricing.unit, card.pricing.per
    return page


def _row(card: Card, name: str, spec: Mapping[str, Any]) -> ParameterRow:
    default = json.dumps(spec["default"]) if "default" in spec else ""
    return ParameterRow(
        name=name,
        type=_type(card, name, spec),
        required=name in card.required,
        default=default.strip('"') + (" (kbatch's own)" if spec.get("default_by") == "kbatch" else ""),
        accepts=", ".join(_forms(card, name)) or _accepts(spec),
        description=spec["description"],
    )


def _type(card: Card, name: str, spec: Mapping[str, Any]) -> str:
    if name in card.images:
        return "picture"
    kinds = {"array": "list", "object": "mapping"}
    kind = kinds.get(spec["type"], str(spec["type"]))
    return f"{kind} of pictures" if f"{name}[]" in card.images else kind


def _forms(card: Card, name: str) -> tuple[str, ...]:
    return card.images.get(name) or card.images.get(f"{name}[]", ())


def _accepts(spec: Mapping[str, Any]) -> str:
    if "form" in spec:
        return str(spec["form"])
    if "maxItems" in spec:
        least = f"{spec['minItems']} to" if "minItems" in spec else "at most"
        return f"{least} {spec['maxItems']:,} items"
    if "maxLength" in spec:
        least = f"{spec['minLength']} to" if "minLength" in spec else "at most"
        return f"{least} {spec['maxLength']:,} characters"
    return (describe_accepted(spec) or "").replace("`", "")


def _price_row(card: Card, variant: str) -> PriceRow:
    credits = (card.pricing.table or {}).get(variant)
    each = "/s" if card.pricing.per == "second" else " an output" if card.pricing.per == "output" else " a clip"
    usd = f" ({card.pricing.usd[variant]})" if variant in card.pricing.usd else ""
    price = "unknown" if credits is None else f"{credits:,} {card.pricing.unit}{each}{usd}"
    return PriceRow(variant=variant, credits=credits, price=price)


def _notes(card: Card) -> tuple[str, ...]:
    disputes = (f"{one.what} (read {one.read}); it is sent as written" for one in card.disputed)
    doubts = (f"not confirmed by the vendor: {what}; `--first 1` tries it with one job" for what in card.unconfirmed)
    end = card.endpoint
    chosen = (f"sent to the provider's endpoint `{end.name}`: {end.why}",) if end else ()
    return (*card.notes, *disputes, *doubts, *chosen)


def _price_of(card: Card) -> str:
    found = price_range(card)
    if found is None:
        return "unknown"
    also = " or unknown" if None in (card.pricing.table or {}).values() else ""
    return f"{found[0]:,}–{found[1]:,} {card.pricing.unit}{also}"


def _durations(card: Card) -> str:
    values = durations_of(card)
    if isinstance(card.duration, int) or "enum" in card.parameters[card.duration]:
        return " or ".join(map(str, values)) + " s"
    return f"{values[0]}–{values[-1]} s"


def _audio(card: Card) -> str:
    if card.audio is None:
        return "none"
    return "on unless turned off" if card.parameters[card.audio].get("default") else "off unless turned on"


def _sources(card: Card) -> tuple[str, ...]:
    prices = [_cited("prices", card.pricing.source)] if card.pricing.source else []
    endpoint = [_cited(f"endpoint `{card.endpoint.name}`", card.endpoint.source)] if card.endpoint else []
    own = [f"your card {origin_of(card)}"] if card.file else []
    return (*own, _cited("parameters", card.source), *endpoint, *prices, _cited("render time", card.typical_source))


def _cited(what: str, source: CardSource) -> str:
    digest = f", SHA-256 {source.sha256[:12]}…" if source.sha256 else ""
    return f"{what}: “{source.title}”, {source.publisher}, read {source.read}{digest}"
