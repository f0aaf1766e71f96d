"""The manifest's JSON Schema for editors: the shape, with models, prices and parameters narrowed by `model`.

A language server completes, explains and underlines with it. The schema is lenient, since any value may be a template;
`kbatch.models.request` decides what is valid. `schemas/manifest.schema.json` is `schema_text(manifest_schema(...))`,
and a test keeps the two equal.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kbatch.manifest.schema.manifest_schema import TEMPLATE, shape_schema
from kbatch.manifest.schema.schema_parts import Schema
from kbatch.models.cards import Card
from kbatch.models.describe import parameter_rows, price_sentence
from kbatch.models.extra import EXTRA

_TEMPLATE: Schema = {"type": "string", "pattern": TEMPLATE}
_EXTRA: Schema = {
    "description": "Parameters that no document has, sent as written; a run needs --allow-extra",
    "type": "object",
    "minProperties": 1,
}
_OWN_KEYWORDS = ("form", "default_by", "since", "contentMediaType", "contentSchema")


def manifest_schema(cards: Iterable[Card]) -> Schema:
    """Return `shape_schema` with all models, and with a model's own parameters wherever `model` names it."""
    cards = tuple(cards)
    providers = sorted({card.provider for card in cards})
    schema = shape_schema(providers)
    parts = schema["$defs"]
    parts["provider"] = _choice(parts["provider"], [{"enum": providers}])
    parts["model"] = _choice(parts["model"], [_model(card) for card in cards])
    shot = parts["shot"]
    shot["properties"] = {**shot["properties"], "params": parts["params"]}
    shot["allOf"] = [*(_narrowing([card], _name(card)) for card in cards), _otherwise(cards, "params")]
    parts["params"] = {
        **parts["params"],
        "additionalProperties": False,
        "properties": {**_any_model(cards), EXTRA: _EXTRA},
    }
    for card in cards:
        parts[_name(card)] = {
            "title": f"Parameters of {card.model}",
            "description": card.summary,
            "type": "object",
            "additionalProperties": False,
            "properties": {**{name: _parameter(card, name) for name in card.parameters}, EXTRA: _EXTRA},
        }
    return schema


def schema_text(schema: Mapping[str, Any]) -> str:
    """Return a schema as the text of its file: indented JSON."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _choice(part: Schema, options: list[Schema]) -> Schema:
    words = {name: part[name] for name in ("title", "description", "examples")}
    return {**words, "anyOf": [*options, _TEMPLATE]}


def _model(card: Card) -> Schema:
    return {"const": card.model, "title": card.title, "description": f"{card.summary}. {price_sentence(card)}"}


def _name(card: Card) -> str:
    return "params-" + card.key.replace("/", "-")


def _narrowing(cards: Iterable[Card], part: str) -> Schema:
    named = {"required": ["model"], "properties": {"model": {"enum": [card.model for card in cards]}}}
    return {"if": named, "then": {"properties": {"params": {"$ref": f"#/$defs/{part}"}}}}


def _otherwise(cards: Iterable[Card], part: str) -> Schema:
    """Return the schema for places where `model` is absent or a template."""
    rule = _narrowing(cards, part)
    return {"if": rule["if"], "else": rule["then"]}


def _parameter(card: Card, name: str) -> Schema:
    """Return a parameter's schema for an editor: its description first, then its own form or a template."""
    spec = card.parameters[name]
    facts = next(row.facts for row in parameter_rows(card) if row.name == name)
    words = {"description": spec["description"] + (f" ({facts})" if facts else "")}
    words |= {key: spec[key] for key in ("default", "examples") if key in spec}
    core = {key: value for key, value in spec.items() if key not in words and key not in _OWN_KEYWORDS}
    if "contentSchema" in spec:
        return {**words, "anyOf": [spec["contentSchema"], core]}
    if core == {"type": "string"} or name in card.images:
        return {**words, **core}
    return {**words, "anyOf": [core, _TEMPLATE]}


def _any_model(cards: Iterable[Card]) -> Schema:
    """Return the parameters of all models, each with every form that some model accepts."""
    forms: dict[str, list[Schema]] = {}
    owners: dict[str, list[str]] = {}
    for card in cards:
        for name in card.parameters:
            form = {key: value for key, value in _parameter(card, name).items() if key not in ("default", "examples")}
            forms.setdefault(name, [])
            forms[name] += [] if form in forms[name] else [form]
            owners.setdefault(name, []).append(card.model)
    return {name: _united(owners[name], options) for name, options in forms.items()}


def _united(models: list[str], options: list[Schema]) -> Schema:
    if len(options) == 1:
        return options[0]
    return {"description": f"A parameter of {', '.join(models)}", "anyOf": options}
