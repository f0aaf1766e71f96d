"""The AI/ML API's public catalogue, `GET /v1/models`: filters, optional sections, prices in USD, an ETag for the whole.

Its prices are those that this simulator charges, which are pretended (`offers`). Source: the vendor's page "Model
Catalogue API", read 2026-11-30.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kbatch.simulator.exchange import AIMLAPI, Reply, SimulatedRequest, reply_json
from kbatch.simulator.providers.offers import AIMLAPI_CREDITS_PER_USD, OFFERS, Offer, offers_of
from kbatch.simulator.state import World

PATH = "/v1/models"
_TYPE = "video"
_MODALITIES = {"input": ["image", "text"], "output": ["video"]}
_CAPABILITIES = ["image_to_video"]
_TAGS = ["playground:video"]
_FILTERS: Mapping[str, tuple[str, ...]] = {
    "type": (_TYPE,),
    "tags": tuple(_TAGS),
    "modalities": ("image", "text", "video"),
    "input_modalities": ("image", "text"),
    "output_modalities": ("video",),
    "capabilities": tuple(_CAPABILITIES),
}
_SECTIONS = ("pricing", "modalities", "capabilities")


def list_models(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show the models that match every filter, with the sections of `include`; 304 for the ETag of this answer."""
    return _tagged(reply_json(200, _document(call, offers_of(AIMLAPI, world.offers))), call)


def bend(effect: str, call: SimulatedRequest) -> Reply:
    """Return the catalogue as one of its faults shows it: another content, with an ETag of its own."""
    document = _document(call, offers_of(AIMLAPI))
    _CHANGES[effect](document)
    return _tagged(reply_json(200, document), call)


def _document(call: SimulatedRequest, offers: Iterable[Offer]) -> dict[str, Any]:
    models = [_model(offer, _wanted(call)) for offer in offers if _matches(offer, call)]
    return {"object": "list", "data": models}


def _model(offer: Offer, sections: Mapping[str, bool]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": offer.model,
        "aliases": [f"klingai/{offer.model}"],
        "type": _TYPE,
        "info": {"name": "Kling, simulated", "developer": "Kling AI"},
        "tags": _TAGS,
    }
    if sections["pricing"]:
        found["pricing"] = _pricing(offer)
    if sections["modalities"]:
        found["modalities"] = _MODALITIES
    if sections["capabilities"]:
        found["capabilities"] = _CAPABILITIES
    return found


def _pricing(offer: Offer) -> dict[str, Any]:
    variants = [
        {
            "when": {"duration": seconds},
            "price": offer.prices[offer.variant({**offer.defaults, "duration": seconds})] / AIMLAPI_CREDITS_PER_USD,
            "unit": "generation",
            "per": 1,
        }
        for seconds in offer.duration
    ]
    return {"kind": "variants", "currency": "USD", "dimensions": ["duration"], "variants": variants}


def _wanted(call: SimulatedRequest) -> dict[str, bool]:
    words = set(_values(call, "include"))
    whole = "all" in words or call.query.get("details") == "true"
    return {section: whole or section in words for section in _SECTIONS}


def _matches(offer: Offer, call: SimulatedRequest) -> bool:
    names = {offer.model, f"klingai/{offer.model}"}
    ids = set(_values(call, "id"))
    if ids and not ids & names:
        return False
    asked = ((set(_values(call, name)), known) for name, known in _FILTERS.items())
    return all(not words or words & set(known) for words, known in asked)


def _values(call: SimulatedRequest, name: str) -> Iterator[str]:
    """Yield the values of a filter, comma-separated or repeated, in lower case."""
    for value in call.values(name):
        yield from (word.strip().lower() for word in value.split(",") if word.strip())


def _tagged(reply: Reply, call: SimulatedRequest) -> Reply:
    digest = base64.urlsafe_b64encode(hashlib.sha256(reply.body).digest())[:27].decode()
    tag = f'W/"{len(reply.body):x}-{digest}"'
    if tag in (one.strip() for one in call.headers.get("if-none-match", "").split(",")):
        return Reply(status=304, headers={"etag": tag})
    return replace(reply, headers={**reply.headers, "etag": tag})


# what its faults make of it


def _without_models(document: dict[str, Any]) -> None:
    document["data"] = []


def _as_aliases(document: dict[str, Any]) -> None:
    for model in document["data"]:
        model["id"], model["aliases"] = f"klingai/{model['id']}", [model["id"]]


def _at_prices_times(factor: float) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for variant in (one for model in document["data"] for one in model.get("pricing", {}).get("variants", ())):
            variant["price"] *= factor

    return change


def _variable(document: dict[str, Any]) -> None:
    for model in document["data"]:
        model["pricing"] = {"kind": "variable"}


def _by_the_second(document: dict[str, Any]) -> None:
    for model in document["data"]:
        first = _pricing(OFFERS[AIMLAPI, model["id"]])["variants"][0]
        unit = {"name": "video", "measure": "second", "price": first["price"] / first["when"]["duration"], "per": 1}
        model["pricing"] = {"kind": "fixed", "currency": "USD", "units": [unit]}


def _malformed(document: dict[str, Any]) -> None:
    for model in document["data"]:
        model["pricing"] = {"kind": "variants", "dimensions": "duration", "variants": {"price": "cheap"}}


_CHANGES: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "models-gone": _without_models,
    "models-renamed": _as_aliases,
    "models-dearer": _at_prices_times(2),
    "models-cheaper": _at_prices_times(0.5),
    "models-variable": _variable,
    "models-per-second": _by_the_second,
    "models-malformed": _malformed,
}
EFFECTS = frozenset(_CHANGES)
"""The faults of this page."""
