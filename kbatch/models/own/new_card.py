"""A new model card from few words, as a person reads them off a vendor's page; pure.

A parameter is `NAME:TYPE[:DEFAULT][=VALUES]`, a price `VARIANT=AMOUNT`. A fault is returned as a text. What is written
is not checked here as a whole: `own_cards` does that.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from kbatch.errors import did_you_mean
from kbatch.manifest.schema.validate import strict_validator
from kbatch.models.cards import Card, read_cards
from kbatch.models.pricing import variants

TYPES: Mapping[str, str] = {
    "integer": "integer",
    "number": "number",
    "text": "string",
    "boolean": "boolean",
    "picture": "string",
    "pictures": "array",
}
PARAMETER_FORM = "NAME:TYPE[:DEFAULT][=VALUES]"
UNKNOWN = "unknown"
FLAT = "flat"
_PICTURE = ["url", "data", "file"]
_RANGE = re.compile(r"(-?[0-9.]*?)\.\.(-?[0-9.]*)")
_BOUNDS = {
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
}
DELIVERED: Mapping[str, tuple[str, ...]] = {
    "duration": ("duration", "seconds"),
    "audio": ("generate_audio", "audio"),
    "ratio": ("aspect_ratio",),
    "start": ("start_image", "image_url", "image"),
    "end": ("end_image", "tail_image_url", "last_frame"),
}
"""The names that parameters have in the packaged cards, by what they say of the clip."""


class NewParameter(Struct, frozen=True, kw_only=True):
    """A parameter with its JSON Schema, without a description; `image` is its path where it is a picture."""

    name: str
    spec: Mapping[str, Any]
    image: str | None = None


class NewCard(Struct, frozen=True, kw_only=True):
    """What a new card says; `source` has `title`, `publisher`, `read` and perhaps `sha256`.

    `prices` is None where no price is known; a row is whole units, a text in USD, or None. `delivers` names the
    parameter of each part of `DELIVERED`, or has the clip's length in seconds.
    """

    provider: str
    model: str
    title: str
    source: Mapping[str, str]
    parameters: tuple[NewParameter, ...]
    required: tuple[str, ...]
    body_key: str | None
    endpoint: str | None
    unit: str
    per_usd: int | None
    per: str
    outputs: str | None
    priced_by: tuple[str, ...]
    prices: Mapping[str, int | str | None] | None
    delivers: Mapping[str, str | int | None]
    render_s: tuple[int, int]
    notes: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The card's place in a folder of cards."""
        return f"{self.provider}/{self.model}.json"


def read_parameter(text: str) -> NewParameter | str:
    """Read `duration:integer:5=5,10`, `cfg_scale:number=0..1` or `start_image:picture`; a text says what is wrong.

    A range counts the characters of a text and the items of a list of pictures.
    """
    head, equals, allowed = text.partition("=")
    name, _, rest = head.partition(":")
    kind, colon, default = rest.partition(":")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not kind:
        return f"`{text}` is not {PARAMETER_FORM}, such as `duration:integer:5=5,10`"
    if kind not in TYPES:
        hint = did_you_mean(kind, TYPES)
        return f"`{kind}` is no type: {', '.join(TYPES)}" + (f"; {hint}" if hint else "")
    spec: dict[str, Any] = {"type": TYPES[kind]}
    try:
        if colon:
            spec["default"] = _value(spec["type"], default)
        if equals:
            spec |= _values(spec["type"], allowed)
    except ValueError as error:
        return f"`{text}`: {error}"
    if "default" in spec and not strict_validator(spec).is_valid(spec["default"]):
        return f"`{text}`: the default is none of the values"
    if kind == "picture":
        spec["minLength"] = 1
    if kind == "pictures":
        spec["items"] = {"type": "string", "minLength": 1, "description": "A picture"}
        return NewParameter(name=name, spec=spec, image=f"{name}[]")
    return NewParameter(name=name, spec=spec, image=name if kind == "picture" else None)


def _values(kind: str, text: str) -> dict[str, Any]:
    span = _RANGE.fullmatch(text)
    if span is None:
        if kind not in ("integer", "string"):
            raise ValueError("values are listed of an integer or a text; a range is `0..1`")
        return {"enum": [_value(kind, word) for word in text.split(",")]}
    if kind == "boolean":
        raise ValueError("a boolean has no range")
    number = "number" if kind == "number" else "integer"
    bounds = zip(_BOUNDS[kind], span.groups(), strict=True)
    return {word: _value(number, end) for word, end in bounds if end}


def _value(kind: str, text: str) -> int | float | str | bool:
    if kind == "array":
        raise ValueError("pictures have no default")
    if kind == "string":
        return text
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"`{text}` is neither true nor false")
        return text == "true"
    try:
        return int(text) if kind == "integer" or text.lstrip("-").isdigit() else float(text)
    except ValueError:
        raise ValueError(f"`{text}` is no {kind}") from None


def read_amount(text: str, *, usd: bool) -> int | str | None:
    """Read a price: whole units, `0.28 USD` (with `usd` the word may be left out), None for `unknown`."""
    amount = text.strip().removesuffix("USD").strip()
    if amount == UNKNOWN:
        return None
    if usd or text.strip().endswith("USD"):
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,12})?", amount):
            return f"{amount} USD"
        raise ValueError(f"`{text}` is no amount of dollars such as `0.28`")
    if amount.isascii() and amount.isdigit() and int(amount):
        return int(amount)
    raise ValueError(f"`{text}` is no whole number of units above 0: write `{UNKNOWN}` where no page has the price")


def read_price(text: str, *, usd: bool) -> tuple[str, int | str | None]:
    """Read `10s-audio=40`, or `15` where every clip has one price."""
    variant, equals, amount = text.rpartition("=")
    return (variant if equals else FLAT), read_amount(amount, usd=usd)


def delivered(parameters: Iterable[NewParameter]) -> dict[str, str | int | None]:
    """Return which parameters say what the clip is to be, by the names that they have in the packaged cards."""
    names = [one.name for one in parameters]
    return {part: next((name for name in known if name in names), None) for part, known in DELIVERED.items()}


def variant_names(card: NewCard) -> tuple[str, ...]:
    """Return the names of the rows that its price table needs, in order; none where a parameter may have any value."""
    found = as_json({**_written(card), "pricing": _pricing(card, None)})
    return tuple(dict.fromkeys(variants(_read(card.path, found))))


def card_bytes(card: NewCard) -> bytes:
    """Return the card's file."""
    return as_json(_written(card))


def as_json(written: Mapping[str, Any]) -> bytes:
    """Return JSON with an indent of two, for people and git."""
    return (json.dumps(written, ensure_ascii=False, indent=2) + "\n").encode()


def _read(path: str, data: bytes) -> Card:
    return read_cards([(path, data)]).cards[0]


def _written(card: NewCard) -> dict[str, Any]:
    about = f"As on the vendor's page: {card.source['title']}"
    return {
        "card_version": 1,
        "provider": card.provider,
        "model": card.model,
        "title": card.title,
        "summary": card.title,
        "source": dict(card.source),
        "prompt": {"type": "string", "minLength": 1, "description": "What the clip shows, in words"},
        "parameters": {one.name: {**one.spec, "description": about} for one in card.parameters},
        "required": list(card.required),
        "images": {one.image: _PICTURE for one in card.parameters if one.image},
        "rules": [],
        "body": {"parameters": card.body_key},
        **({"endpoint": {"name": card.endpoint, "why": about, "source": dict(card.source)}} if card.endpoint else {}),
        "pricing": _pricing(card, card.prices),
        "delivers": {part: name for part, name in card.delivers.items() if name is not None or part in _NEEDED},
        "typical_s": {
            "ranges": [{"shortest": card.render_s[0], "longest": card.render_s[1]}],
            "source": dict(card.source),
        },
        **({"unconfirmed": list(card.unconfirmed)} if card.unconfirmed else {}),
        "notes": list(card.notes),
    }


_NEEDED = ("duration", "audio")


def _pricing(card: NewCard, prices: Mapping[str, int | str | None] | None) -> dict[str, Any]:
    known = prices is not None
    return {
        "unit": card.unit,
        **({"per_usd": card.per_usd} if card.per_usd else {}),
        "per": card.per if known else None,
        **({"outputs": card.outputs} if card.outputs and known else {}),
        "variant": [_part(card, name) for name in card.priced_by],
        "table": dict(prices) if prices is not None else None,
        "source": dict(card.source) if known else None,
        "note": None if known else "no price is known for this model; state one under `prices` in the manifest",
    }


def _part(card: NewCard, name: str) -> dict[str, str]:
    """Return a part of the variants' names, as packaged cards have it: `10s`, `audio` where on, else the value."""
    if name == card.delivers["duration"]:
        return {"parameter": name, "suffix": "s"}
    spec = next((one.spec for one in card.parameters if one.name == name), {})
    if spec.get("type") == "boolean":
        return {"parameter": name, "true": name.removeprefix("generate_").replace("_", "-")}
    return {"parameter": name}
