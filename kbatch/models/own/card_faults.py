"""Faults of a model card: its form, and references to parameters that it lacks.

The tests hold the packaged cards to the same. A fault has the path of the place in the card that it is about.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from msgspec import Struct

from kbatch.errors import Bug
from kbatch.manifest.schema.validate import Validator
from kbatch.models.cards import Card, read_cards
from kbatch.models.image_paths import steps_of
from kbatch.models.parameter_messages import shown
from kbatch.models.pricing import values_of, variant_of, variants

_MOST_WORDS = 200
_MOST_VARIANTS = 10_000
"""More rows than any price list has; a larger product would take long to check."""

Path = tuple[str | int, ...]


class CardFault(Struct, frozen=True, kw_only=True):
    """A fault of a card at a path of its JSON; the empty path is the whole card."""

    path: Path
    message: str
    on_key: bool = False
    hint: str | None = None

    def __str__(self) -> str:
        return f"`{'.'.join(map(str, self.path))}`: {self.message}" if self.path else self.message


def card_faults(name: str, data: bytes, form: Validator) -> Iterator[CardFault]:
    """Yield the faults of the card at `<provider>/<model>.json`; `form` is the schema of cards.

    A wrong form is the only fault reported of a card: nothing else can be read from it.
    """
    try:
        written = json.loads(data)
    except (ValueError, RecursionError) as error:
        yield CardFault(path=(), message=f"not JSON: {error}")
        return
    if not form.is_valid(written):
        for fault in form.iter_errors(written):
            yield from _of_form(fault)
        return
    try:
        (card,) = read_cards([(name, data)]).cards
    except Bug as error:
        yield CardFault(path=(), message=error.message)
        return
    yield from _meant(card)


class Seller(Struct, frozen=True, kw_only=True):
    """What a card has to agree with its provider about: the unit of prices, and the endpoints to choose from."""

    unit: str
    endpoints: tuple[str, ...]


def seller_faults(written: Mapping[str, Any], seller: Seller) -> Iterator[CardFault]:
    """Yield where a card of the right form contradicts its provider."""
    provider, unit = written["provider"], written["pricing"]["unit"]
    if unit != seller.unit:
        message, hint = f"`{provider}` counts in {seller.unit}, not in `{unit}`", f'write `"unit": "{seller.unit}"`'
        yield CardFault(path=("pricing", "unit"), message=message, hint=hint)
    endpoint = written["endpoint"]["name"] if "endpoint" in written else None
    if endpoint not in (None, *seller.endpoints):
        names = " and ".join(f"`{name}`" for name in seller.endpoints)
        hint = f"it has {names}" if names else "leave out `endpoint`"
        yield CardFault(path=("endpoint", "name"), message=f"`{provider}` has no endpoint `{endpoint}`", hint=hint)


def _of_form(fault: Any) -> Iterator[CardFault]:
    """Yield the faults of one error of the schema; each unknown field is one of its own."""
    where: Path = tuple(fault.absolute_path)
    if fault.validator == "additionalProperties" and fault.validator_value is False:
        known = fault.schema["properties"]
        for name in (name for name in fault.instance if name not in known):
            message = f"a card has no field `{name}` here"
            yield CardFault(path=(*where, name), message=message, on_key=True)
        return
    wanted = fault.schema.get("description") if fault.validator == "anyOf" else None
    message = f"{shown(fault.instance)} is not {wanted}" if wanted else fault.message
    yield CardFault(path=where, message=message[:_MOST_WORDS])


def _meant(card: Card) -> Iterator[CardFault]:
    unknown = list(_unknown(card))
    if unknown:
        yield from unknown
        return
    yield from _without_default(card)
    yield from _wrong_kinds(card)
    for path in card.images:
        if not _is_text(card, path):
            yield CardFault(path=("images", path), message="there is no text at this path of the parameters")
    names = list(dict.fromkeys(part.parameter for part in card.pricing.variant))
    values = [values_of(card, name) for name in names]
    count = 1
    for each in values:
        count *= len(each)
    if count > _MOST_VARIANTS:
        message = f"its prices have {count:,} variants, more than the {_MOST_VARIANTS:,} allowed"
        yield CardFault(path=("pricing", "variant"), message=message)
        return
    made = {variant_of(card, dict(zip(names, row, strict=True))) for row in product(*values)}
    for name in sorted(made ^ set(variants(card))):
        why = "has no price (an unknown one is null)" if name in made else "cannot be asked for"
        yield CardFault(path=("pricing", "table"), message=f"the variant `{name}` {why}")


def _unknown(card: Card) -> Iterator[CardFault]:
    """Yield references to parameters that the card does not have."""
    named: list[tuple[Path, str]] = [(("pricing", "variant"), part.parameter) for part in card.pricing.variant]
    named += [(("images", path), steps_of(path)[0]) for path in card.images]
    named += [(("required",), name) for name in sorted(card.required - {"prompt"})]
    named += [(("rules", at), name) for at, rule in enumerate(card.rules) for name in sorted(rule.involved)]
    for part in ("duration", "audio", "ratio", "start", "end", "timeline"):
        name = getattr(card, part)
        named += [(("delivers", part), name)] if isinstance(name, str) else []
    named += [(("disputed", at), dispute.parameter) for at, dispute in enumerate(card.disputed)]
    named += [(("pricing", "outputs"), card.pricing.outputs)] if card.pricing.outputs else []
    said = set()
    for path, name in named:
        if name not in card.parameters and name not in said:
            said.add(name)
            yield CardFault(path=path, message=f"it speaks of `{name}`, which is none of its parameters")


def _without_default(card: Card) -> Iterator[CardFault]:
    needed = [card.duration, card.audio, card.pricing.outputs, *(part.parameter for part in card.pricing.variant)]
    for name in dict.fromkeys(name for name in needed if isinstance(name, str)):
        if "default" not in card.parameters[name]:
            message = f"`{name}` has no default, so that a request without it has no price"
            yield CardFault(path=("parameters", name), message=message)


def _wrong_kinds(card: Card) -> Iterator[CardFault]:
    kinds = {
        "duration": (card.duration, "integer", "the clip's length and no integer"),
        "audio": (card.audio, "boolean", "what buys audio and neither true nor false"),
        "outputs": (card.pricing.outputs, "integer", "the number of outputs and no integer"),
    }
    for name, kind, what in kinds.values():
        if isinstance(name, str) and card.parameters[name]["type"] != kind:
            yield CardFault(path=("parameters", name), message=f"`{name}` is {what}")
    for part in card.pricing.variant:
        if not values_of(card, part.parameter):
            message = f"`{part.parameter}` may have any value, so that no table has its prices"
            yield CardFault(path=("pricing", "variant"), message=message)


def _is_text(card: Card, path: str) -> bool:
    """Whether an image's path leads to a text in the parameters' schemas."""
    root, *rest = steps_of(path)
    spec: Any = card.parameters[root]
    for step in rest:
        spec = spec.get("items") if step == "[]" else spec.get("properties", {}).get(step)
        if spec is None:
            return False
    return bool(spec["type"] == "string")
