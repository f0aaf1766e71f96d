"""Model cards: what each provider's model accepts, costs and delivers.

A card is a frozen value with its validators compiled once. The catalog finds a card or names the nearest one. This
module opens no file: its caller passes the bytes of `schemas/models/**`, and a test checks their form.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from kbatch.errors import Bug, Complaint, Problem, did_you_mean
from kbatch.manifest.schema.validate import Validator, strict_validator
from kbatch.models.rules import Dispute, Rule, read_dispute, read_rule


class CardSource(Struct, frozen=True, kw_only=True):
    """A published document; `read` is the day on which it was read (ISO 8601), `sha256` is of its text."""

    title: str
    publisher: str
    read: str
    sha256: str | None = None


class VariantPart(Struct, frozen=True, kw_only=True):
    """One part of a variant's name: a parameter's value with a suffix, or the word `when_true` for a true flag."""

    parameter: str
    suffix: str = ""
    when_true: str | None = None


class Pricing(Struct, frozen=True, kw_only=True):
    """Amounts of `unit` by variant: for a clip, each second or each output; None is unknown, a row or the whole table.

    `outputs` is the parameter that says how many outputs a request makes, `per_usd` how many units a dollar is. `usd`
    has the rows that the card writes in USD, as written: `table` has them in whole units.
    """

    unit: str
    per: str | None
    variant: tuple[VariantPart, ...]
    table: Mapping[str, int | None] | None
    source: CardSource | None
    note: str | None
    outputs: str | None = None
    per_usd: int | None = None
    usd: Mapping[str, str] = {}


class CardEndpoint(Struct, frozen=True, kw_only=True):
    """The provider's endpoint that a model's purchases go to: its name, why, and the document that says so."""

    name: str
    why: str
    source: CardSource


class Typical(Struct, frozen=True, kw_only=True):
    """Usual render time in seconds of clips of `duration` seconds, or of any clip when `duration` is None."""

    duration: int | None
    shortest_s: int
    longest_s: int


class Card(Struct, frozen=True, kw_only=True, eq=False):
    """One model of one provider; cards are compared by identity.

    `parameters` maps names to JSON Schemas in the document's order. `images` maps the path of each image, such as
    `start_image` or `elements[].image`, to the forms that it accepts (`url`, `data`, `file`). `body_key` is the key of
    the parameters in the request (None: top level). `duration` is the parameter that is the clip's length, or the
    length itself. `ratio`, `start`, `end` and `timeline` are the parameters that say the clip's shape, its first and
    last frame and its timed prompts. `endpoint` is where purchases go, None for the provider's default; it is no part
    of the request. `data` is its text, `file` and `sha256` are of a user's card, `replaces` is
    the packaged one in whose place it stands. `other_models` names, by parameter, the provider's models that have what
    this one lacks. `checked_cache` holds the results of `parameters.check`.
    """

    provider: str
    model: str
    version: int
    title: str
    summary: str
    source: CardSource
    prompt: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    required: frozenset[str]
    images: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    body_key: str | None
    pricing: Pricing
    duration: str | int
    audio: str | None
    ratio: str | None
    start: str | None
    end: str | None
    timeline: str | None
    typical: tuple[Typical, ...]
    typical_source: CardSource
    notes: tuple[str, ...]
    validators: Mapping[str, Validator]
    contents: Mapping[str, Validator]
    disputed: tuple[Dispute, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    endpoint: CardEndpoint | None = None
    file: str | None = None
    sha256: str | None = None
    data: bytes = b""
    replaces: "Card | None" = None
    other_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checked_cache: dict[Any, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Card({self.key!r})"

    @property
    def key(self) -> str:
        """The card's name across providers, such as `apiframe/kling-2.1`."""
        return f"{self.provider}/{self.model}"

    @property
    def image_parameters(self) -> frozenset[str]:
        """The parameters that are images or hold some."""
        return frozenset(root_of(path) for path in self.images)

    def duration_s(self, params: Mapping[str, Any]) -> int:
        """Return the length in seconds of the clip that complete parameters buy."""
        seconds: int = self.duration if isinstance(self.duration, int) else params[self.duration]
        return seconds


class Catalog(Struct, frozen=True, kw_only=True):
    """Every card, sorted by provider and model; `unusable` says of providers that are installed why they have none."""

    cards: tuple[Card, ...]
    by_key: Mapping[str, Card]
    unusable: Mapping[str, Problem] = field(default_factory=dict)

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers that have a card, sorted."""
        return tuple(dict.fromkeys(card.provider for card in self.cards))

    @property
    def own(self) -> tuple[Card, ...]:
        """The cards that the user brings."""
        return tuple(card for card in self.cards if card.file)

    def find(self, provider: str, model: str) -> Card | None:
        """Return the card of a provider's model, None when there is none."""
        return self.by_key.get(f"{provider}/{model}")

    def models(self, provider: str) -> tuple[str, ...]:
        """Return the names of a provider's models, sorted."""
        return tuple(card.model for card in self.cards if card.provider == provider)

    def named(self, name: str) -> tuple[Card, ...]:
        """Return the cards that match `kling-2.6` or `apiframe/kling-2.6`: at most one per provider."""
        return tuple(card for card in self.cards if name in (card.model, card.key))

    def explain_missing(self, provider: str, model: str) -> Complaint:
        """Return the complaint about a model that `find` does not find, with the nearest name as its hint."""
        if provider in self.unusable:
            why = self.unusable[provider]
            return Complaint(code=why.code, field=("provider",), message=why.message, hint=why.hint)
        if provider not in self.providers:
            return Complaint(
                code="unknown-provider",
                field=("provider",),
                message=f"there is no provider `{provider}`",
                hint=did_you_mean(provider, self.providers),
            )
        others = [card.provider for card in self.named(model)]
        longer = [name for name in self.models(provider) if name.startswith(model)]
        near = f"did you mean `{longer[0]}`?" if len(longer) == 1 else did_you_mean(model, self.models(provider))
        return Complaint(
            code="unknown-model",
            field=("model",),
            message=f"`{provider}` has no model `{model}`",
            hint=f"`provider: {others[0]}` has it" if others else near,
        )


def read_cards(files: Iterable[tuple[str, bytes]], unusable: Mapping[str, Problem] | None = None) -> Catalog:
    """Read cards from pairs of name and bytes; a name must end in `<provider>/<model>.json`, else it is a Bug."""
    return joined((replace(_card(name, json.loads(data)), data=data) for name, data in files), unusable)


def joined(cards: Iterable[Card], unusable: Mapping[str, Problem] | None = None) -> Catalog:
    """Return the catalog of these cards; two of one name are a Bug."""
    cards = sorted(cards, key=lambda card: card.key)
    known: dict[str, dict[str, list[str]]] = {}
    for card in cards:
        for parameter in card.parameters:
            known.setdefault(card.provider, {}).setdefault(parameter, []).append(card.model)
    cards = [replace(card, checked_cache={}, other_models=_other_models(card, known[card.provider])) for card in cards]
    by_key = {card.key: card for card in cards}
    if len(by_key) != len(cards):
        raise Bug("two model cards have one name")
    return Catalog(cards=tuple(cards), by_key=by_key, unusable=unusable or {})


def root_of(path: str) -> str:
    """Return the parameter that an image's path leads into.

    >>> root_of("elements[].image")
    'elements'
    """
    return path.partition("[")[0].partition(".")[0]


def _other_models(card: Card, known: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(models) for name, models in known.items() if name not in card.parameters}


def _card(name: str, written: Mapping[str, Any]) -> Card:
    provider, model, parameters = written["provider"], written["model"], written["parameters"]
    delivers = written["delivers"]
    if not f"/{name}".endswith(f"/{provider}/{model}.json"):
        raise Bug(f"the model card {name} is that of {provider}/{model}")
    contents = {key: spec["contentSchema"] for key, spec in parameters.items() if "contentSchema" in spec}
    plain = {key: spec for key, spec in parameters.items() if key not in contents and key not in written["images"]}
    return Card(
        provider=provider,
        model=model,
        version=written["card_version"],
        title=written["title"],
        summary=written["summary"],
        source=_source(written["source"]),
        prompt=written["prompt"],
        parameters=parameters,
        required=frozenset(written["required"]),
        images={key: tuple(forms) for key, forms in written["images"].items()},
        rules=tuple(map(read_rule, written["rules"])),
        body_key=written["body"]["parameters"],
        pricing=_pricing(written["pricing"]),
        duration=delivers["duration"],
        audio=delivers["audio"],
        ratio=delivers.get("ratio"),
        start=delivers.get("start"),
        end=delivers.get("end"),
        timeline=delivers.get("timeline"),
        typical=tuple(map(_typical, written["typical_s"]["ranges"])),
        typical_source=_source(written["typical_s"]["source"]),
        notes=tuple(written["notes"]),
        validators={key: strict_validator(spec) for key, spec in plain.items()},
        contents={key: strict_validator(spec) for key, spec in contents.items()},
        disputed=tuple(map(read_dispute, written.get("disputed", ()))),
        unconfirmed=tuple(written.get("unconfirmed", ())),
        endpoint=_endpoint(written["endpoint"]) if "endpoint" in written else None,
    )


def _source(written: Mapping[str, str]) -> CardSource:
    return CardSource(
        title=written["title"], publisher=written["publisher"], read=written["read"], sha256=written.get("sha256")
    )


def _endpoint(written: Mapping[str, Any]) -> CardEndpoint:
    return CardEndpoint(name=written["name"], why=written["why"], source=_source(written["source"]))


def _typical(written: Mapping[str, int]) -> Typical:
    return Typical(duration=written.get("duration"), shortest_s=written["shortest"], longest_s=written["longest"])


def _pricing(written: Mapping[str, Any]) -> Pricing:
    parts = (
        VariantPart(parameter=part["parameter"], suffix=part.get("suffix", ""), when_true=part.get("true"))
        for part in written["variant"]
    )
    rows: Mapping[str, Any] = written["table"] or {}
    amounts = {name: _amount(name, row, written.get("per_usd")) for name, row in rows.items()}
    return Pricing(
        unit=written["unit"],
        per=written["per"],
        variant=tuple(parts),
        table=None if written["table"] is None else amounts,
        source=_source(written["source"]) if written["source"] else None,
        note=written["note"],
        outputs=written.get("outputs"),
        per_usd=written.get("per_usd"),
        usd={name: row for name, row in rows.items() if isinstance(row, str)},
    )


def _amount(variant: str, row: int | str | None, per_usd: int | None) -> int | None:
    """Return a row in whole units: `0.28 USD` at 2,000,000 credits a dollar is 560,000; Bug where it is not whole.

    Nothing is rounded, since a price that is rounded down is less than what is charged.
    """
    if not isinstance(row, str):
        return row
    amount = Decimal(row.removesuffix(_USD)) * (per_usd or 0)
    if amount != amount.to_integral_value() or not amount:
        raise Bug(f"the price of `{variant}`, {row}, is no whole number of units: write it in the provider's own")
    return int(amount)


_USD = " USD"
