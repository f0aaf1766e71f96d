"""Cards of invented models for the tests: lists and mappings with pictures in them, and every mode of pricing."""

import json
from typing import Any

from packaged_cards import KLING_2_1, SCHEMAS, pictures

from kbatch.manifest.drafts import Draft
from kbatch.manifest.schema.validate import strict_validator
from kbatch.models.cards import Card, read_cards
from kbatch.models.own.card_faults import card_faults
from kbatch.models.request import Completed, complete

FORM = strict_validator(json.loads((SCHEMAS / "model-card.schema.json").read_bytes()))
_SOURCE = {"title": "Acme 1", "publisher": "Acme", "read": "2026-11-30", "sha256": "0" * 64}
_PICTURES = ["url", "data", "file"]


def written(**changes: Any) -> dict[str, Any]:
    """Return the JSON of a card of `acme/acme-1` with some of its parts replaced."""
    card = json.loads(KLING_2_1[1])
    card |= {"provider": "acme", "model": "acme-1", "source": _SOURCE, "rules": [], "disputed": [], "notes": []}
    card["parameters"] = {
        "duration": {"type": "integer", "enum": [4, 8], "default": 4, "description": "Seconds"},
        "mode": {"type": "string", "enum": ["draft", "final"], "default": "draft", "description": "Mode"},
        "audio": {"type": "boolean", "default": False, "description": "Audio"},
        "count": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1, "description": "Clips"},
        "reference_images": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {"type": "string", "minLength": 1, "description": "A picture"},
            "description": "Pictures of what is to be seen",
        },
        "elements": {
            "type": "array",
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "image": {"type": "string", "minLength": 1, "description": "A picture"},
                    "name": {"type": "string", "maxLength": 8, "description": "What it is called"},
                },
                "required": ["image"],
                "additionalProperties": False,
                "description": "One element",
            },
            "description": "Elements by name",
        },
        "camera_control": {"type": "object", "description": "How the camera moves"},
    }
    card["required"] = ["prompt"]
    card["images"] = {"reference_images[]": _PICTURES, "elements[].image": _PICTURES}
    card["delivers"] = {"duration": "duration", "audio": "audio"}
    card["pricing"] = priced({"flat": 3}, [])
    return card | changes


def priced(
    table: dict[str, Any] | None, variant: list[dict[str, Any]], per: str = "clip", **more: Any
) -> dict[str, Any]:
    """Return a card's `pricing`."""
    known = table is not None
    head = {"unit": "credits", "per": per if known else None, "variant": variant, "table": table}
    return {**head, "source": _SOURCE if known else None, "note": None if known else "not documented", **more}


def faults(card: dict[str, Any]) -> list[str]:
    """Return what is wrong with a card, in words."""
    return [str(fault) for fault in card_faults("acme/acme-1.json", json.dumps(card).encode(), FORM)]


def card(**changes: Any) -> Card:
    """Return the card of `written`, with which nothing may be wrong."""
    made = written(**changes)
    assert faults(made) == []
    return read_cards([("acme/acme-1.json", json.dumps(made).encode())]).cards[0]


def done(of: Card, params: dict[str, Any]) -> Completed:
    """Return a draft of these parameters, completed."""
    draft = Draft(
        address="shot", shot="shot", take=1, axes=(), values={}, labels={}, provider=of.provider, model=of.model,
        prompt="a", params=params, default_only=frozenset(), drop_unsupported=False, output="a.mp4", origins={},
    )  # fmt: skip
    return complete(of, draft, pictures)
