"""`GET /v2/models`: the public price list, and the ways in which it may differ from what is charged."""

from collections.abc import Collection
from typing import Any

from kbatch.simulator.exchange import APIFRAME, Reply, SimulatedRequest, reply_json
from kbatch.simulator.faults.selection import FaultTarget, draw_job_faults
from kbatch.simulator.providers.apiframe.answers import invalid
from kbatch.simulator.providers.fields import choice
from kbatch.simulator.providers.offers import Offer, cheapest_and_dearest, offers_of
from kbatch.simulator.providers.purchase import event_of
from kbatch.simulator.state import World

MODALITIES = ("image", "video", "music")
PRICING_MODES = ("flat", "per-second", "per-output")


def list_models(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show what is on offer, all of it video; needs no key."""
    modality = call.query.get("modality")
    complaints = [] if modality is None else choice(*MODALITIES).complain(modality, "modality")
    if complaints:
        return invalid(complaints)
    models = (
        [] if modality not in (None, "video") else [_entry(world, offer) for offer in offers_of(APIFRAME, world.offers)]
    )
    return reply_json(200, {"models": [entry for entry in models if entry is not None]})


def _entry(world: World, offer: Offer) -> dict[str, Any] | None:
    event = event_of(APIFRAME, FaultTarget.MODELS, offer.model, offer.model)
    effects = draw_job_faults(world.terms.faults, world.fault_counts, event)
    if "price-gone" in effects:
        return None
    low, high = cheapest_and_dearest(offer)
    if "price-of-a-second" in effects and offer.by_second:
        low, high = min(offer.prices.values()), max(offer.prices.values())
    label = offer.model.replace("-", " ").title()
    return {
        "id": offer.model,
        "label": label,
        "modality": "video",
        "description": f"{label} makes a video from a text, and from pictures where it takes them.",
        **_prices(low, high, "per-second" if offer.by_second else "flat", effects),
    }


def _prices(low: int, high: int, mode: str, effects: Collection[str]) -> dict[str, Any]:
    if "price-missing" in effects:
        return {}
    if "price-mode" in effects:
        mode = PRICING_MODES[(PRICING_MODES.index(mode) + 1) % len(PRICING_MODES)]
    if "price-raised" in effects:
        low, high = high + 1, 2 * high + 1
    if "price-lowered" in effects:
        low, high = max(0, low - 2), max(0, low - 1)
    if "price-malformed" in effects:
        return {"costMin": f"{low} credits", "costMax": None, "pricingMode": [mode]}
    return {"costMin": low, "costMax": high, "pricingMode": mode}
