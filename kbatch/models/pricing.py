"""What a request costs, in whole units of its provider, with the working written out.

An unknown price is None and never 0. A manifest's own price may fill an unknown price or raise a known one; where it
lowers one, the quote says so and the caller decides whether that is allowed.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from msgspec import Struct, field

from kbatch.errors import Complaint, did_you_mean
from kbatch.models import problem_codes
from kbatch.models.body import body_of, parameters_of
from kbatch.models.cards import Card, Catalog
from kbatch.models.rules import check_rule

OWN_CARD, MANIFEST = "own-card", "manifest"
FLAT = "flat"
"""The variant of a clip whose price no parameter changes."""


class Amounts(Struct, frozen=True, kw_only=True):
    """How much a request asks for: the clip's seconds, and how many outputs."""

    seconds: int
    outputs: int = 1


class Rate(Struct, frozen=True, kw_only=True):
    """Credits for one clip, for each second of it, or for each output."""

    credits: int
    per_second: bool
    per_output: bool = False

    def total(self, asked: Amounts) -> int:
        """Return the credits of a request for this much."""
        return self.credits * (asked.seconds if self.per_second else asked.outputs if self.per_output else 1)

    def working(self, asked: Amounts, unit: str) -> str:
        """Return the calculation as text: `7 credits/s × 10 s = 70`."""
        if self.per_output:
            return f"{self.credits:,} {unit} an output × {asked.outputs} = {self.total(asked):,}"
        if not self.per_second:
            return f"{self.credits:,} {unit} a clip"
        return f"{self.credits:,} {unit}/s × {asked.seconds} s = {self.total(asked):,}"


class OwnPrice(Struct, frozen=True, kw_only=True):
    """A price that the manifest states for a model: one rate for all variants, rates for single ones, or both."""

    rate: Rate | None = None
    variants: Mapping[str, Rate] = field(default_factory=dict)

    def of(self, variant: str) -> Rate | None:
        """Return the rate of a variant, None where the card's price applies."""
        return self.variants.get(variant, self.rate)


class Quote(Struct, frozen=True, kw_only=True):
    """A job's price: `credits` is None when unknown, `source` is `card`, `own-card`, `manifest` or `unknown`.

    `own-card` is a card that the user brings. `lowers` says that the user's price is below that of the packaged card,
    or of the user's own, which a caller must refuse unless the user trusts it; `listed` is the packaged card's price,
    None where there is none; `per_second` says that the price is per second.
    """

    credits: int | None
    unit: str
    variant: str
    working: str
    source: str
    lowers: bool = False
    listed: int | None = None
    per_second: bool = False

    @property
    def stated(self) -> bool:
        """Whether the price is of the manifest or of a card of the user."""
        return self.source in (OWN_CARD, MANIFEST)

    @property
    def unlisted(self) -> bool:
        """Whether the manifest or a card of the user states a price where no packaged card has one."""
        return self.stated and self.listed is None


class CostlyDefault(Struct, frozen=True, kw_only=True):
    """A default that costs more than another value; `saves` is what `cheaper` would save on this clip, in credits."""

    parameter: str
    default: Any
    cheaper: Any
    saves: int


def quote(card: Card, request: Mapping[str, Any], own_prices: Mapping[str, OwnPrice]) -> Quote:
    """Return the price of a complete request body; `own_prices` is by `provider/model`."""
    params = parameters_of(card, request)
    variant, asked, unit = variant_of(card, params), _amounts(card, params), card.pricing.unit
    row = _listed(card, variant)
    own = own_prices[card.key].of(variant) if card.key in own_prices else None
    rate = own or row
    if rate is None:
        why = card.pricing.note or f"the card has no price for the variant `{variant}`"
        return Quote(credits=None, unit=unit, variant=variant, working=f"price unknown: {why}", source="unknown")
    listed = _packaged_price(card, params)
    known = [price for price in (listed, None if row is None else row.total(asked)) if price is not None]
    return Quote(
        credits=rate.total(asked),
        unit=unit,
        variant=variant,
        working=rate.working(asked, unit) + (" (price from the manifest)" if own else ""),
        source=MANIFEST if own else OWN_CARD if card.file else "card",
        lowers=any(rate.total(asked) < price for price in known),
        listed=listed,
        per_second=rate.per_second,
    )


def variant_of(card: Card, params: Mapping[str, Any]) -> str:
    """Return the variant's name, such as `pro-10s`, `10s-audio` or `pro-audio`; `flat` where nothing names it."""
    parts = []
    for part in card.pricing.variant:
        value = params[part.parameter]
        if part.when_true is None:
            parts.append(f"{value}{part.suffix}")
        elif value:
            parts.append(part.when_true)
    return "-".join(parts) or FLAT


def costly_defaults(card: Card, request: Mapping[str, Any]) -> tuple[CostlyDefault, ...]:
    """Return each parameter that has its default value while another value is cheaper, with the cheapest one.

    The other parameters stay as in `request`; values that a rule forbids there are left out. A parameter may have its
    default because the shot writes it: `Completed.defaulted` names those that the card filled.
    """
    params = parameters_of(card, request)
    now = quote(card, request, {}).credits
    found = []
    for name in (part.parameter for part in card.pricing.variant):
        default = card.parameters[name].get("default")
        if now is None or params[name] != default:
            continue
        prices = {value: _price_with(card, params, name, value) for value in values_of(card, name)}
        known = {value: price for value, price in prices.items() if price is not None}
        cheapest = min(known, key=lambda value: known[value], default=default)
        if known.get(cheapest, now) < now:
            saves = now - known[cheapest]
            found.append(CostlyDefault(parameter=name, default=default, cheaper=cheapest, saves=saves))
    return tuple(found)


def price_range(card: Card) -> tuple[int, int] | None:
    """Return the lowest and the highest price of a clip in credits, None when prices are unknown."""
    rates = [rate for rate in (_listed(card, variant) for variant in variants(card)) if rate is not None]
    outputs = values_of(card, card.pricing.outputs) if card.pricing.outputs else (1,)
    asked = [Amounts(seconds=seconds, outputs=number) for seconds, number in product(durations_of(card), outputs)]
    totals = [rate.total(each) for rate in rates for each in asked]
    return (min(totals), max(totals)) if totals else None


def durations_of(card: Card) -> tuple[int, ...]:
    """Return every length of a clip in seconds, shortest first where they are a range."""
    return (card.duration,) if isinstance(card.duration, int) else values_of(card, card.duration)


def variants(card: Card) -> tuple[str, ...]:
    """Return every variant's name, in the table's order where there is one."""
    if card.pricing.table is not None:
        return tuple(card.pricing.table)
    names = list(dict.fromkeys(part.parameter for part in card.pricing.variant))
    rows = product(*(values_of(card, name) for name in names))
    return tuple(variant_of(card, dict(zip(names, row, strict=True))) for row in rows)


def values_of(card: Card, name: str) -> tuple[Any, ...]:
    """Return every value of an enum, a boolean or a bounded integer; empty for other parameters."""
    spec = card.parameters[name]
    if "enum" in spec:
        return tuple(spec["enum"])
    if spec["type"] == "boolean":
        return (False, True)
    if spec["type"] == "integer" and "minimum" in spec and "maximum" in spec:
        return tuple(range(spec["minimum"], spec["maximum"] + 1))
    return ()


def read_prices(catalog: Catalog, written: Mapping[str, Any]) -> tuple[Mapping[str, OwnPrice], tuple[Complaint, ...]]:
    """Read the manifest's `prices`, whose shape is valid; the complaints name models and variants without a card.

    >>> read_prices(catalog, {"aimlapi/kling-video/v2.1/pro/image-to-video": {"credits_per_second": 262500}})
    ... # doctest: +SKIP
    """
    prices: dict[str, OwnPrice] = {}
    complaints: list[Complaint] = []
    for key, price in written.items():
        card = catalog.by_key.get(key)
        if card is None:
            said = f"no model is called `{key}`"
            complaints.append(_unknown(problem_codes.UNKNOWN_MODEL, ("prices", key), said, catalog.by_key))
            continue
        singles = price.get("variants", {})
        complaints += _unknown_variants(card, singles)
        prices[key] = OwnPrice(
            rate=_rate(price) if price.keys() - {"variants"} else None,
            variants={name: _rate(rate) for name, rate in singles.items()},
        )
    return prices, tuple(complaints)


def _unknown_variants(card: Card, written: Mapping[str, Any]) -> Iterator[Complaint]:
    known = variants(card)
    for name in written:
        if name not in known:
            where = ("prices", card.key, "variants", name)
            yield _unknown(problem_codes.UNKNOWN_VARIANT, where, f"`{card.key}` has no variant `{name}`", known)


def _unknown(code: str, field: tuple[str, ...], message: str, known: Any) -> Complaint:
    return Complaint(code=code, field=field, message=message, hint=did_you_mean(field[-1], known), on_key=True)


def _rate(written: Mapping[str, int]) -> Rate:
    per_second = "credits_per_second" in written
    return Rate(credits=written["credits_per_second" if per_second else "credits"], per_second=per_second)


def _listed(card: Card, variant: str) -> Rate | None:
    credits = (card.pricing.table or {}).get(variant)
    per = card.pricing.per
    return None if credits is None else Rate(credits=credits, per_second=per == "second", per_output=per == "output")


def _packaged_price(card: Card, params: Mapping[str, Any]) -> int | None:
    """Return what the packaged card of a model says of these parameters, None where it says nothing."""
    packaged = card.replaces if card.file else card
    if packaged is None:
        return None
    try:
        rate = _listed(packaged, variant_of(packaged, params))
        return None if rate is None else rate.total(_amounts(packaged, params))
    except (KeyError, TypeError):  # parameters that only the user's card has, or lacks
        return None


def _amounts(card: Card, params: Mapping[str, Any]) -> Amounts:
    outputs = card.pricing.outputs
    return Amounts(seconds=card.duration_s(params), outputs=params[outputs] if outputs else 1)


def _price_with(card: Card, params: Mapping[str, Any], name: str, value: object) -> int | None:
    changed = {**params, name: value}
    if any(check_rule(rule, changed) for rule in card.rules):
        return None
    return quote(card, body_of(card, None, changed), {}).credits
