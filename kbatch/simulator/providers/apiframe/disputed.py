"""What Apiframe's OpenAPI of 2026-07-16 refuses and its model pages allow: refused here where a fault says so."""

from collections.abc import Mapping
from typing import Any

from kbatch.simulator.exchange import APIFRAME, Reply
from kbatch.simulator.faults.selection import FaultMoment, FaultTarget, select_fault
from kbatch.simulator.providers.apiframe.answers import error, invalid
from kbatch.simulator.providers.offers import timeline_of
from kbatch.simulator.providers.purchase import event_of
from kbatch.simulator.state import World

_LACKING = {"kling-2.1": ("aspect_ratio", "cfg_scale"), "kling-2.5-turbo-pro": ("cfg_scale",)}
_RATIOS = ("16:9", "9:16", "1:1")
_MOST_BEATS = 6


def refuse(world: World, body: Mapping[str, Any]) -> Reply | None:
    """Return the 400 of a fault about a disputed parameter, None where the body has none or no fault strikes.

    The vendor's schema names an unknown key in the words of its parent; `details` may also be missing.
    """
    found = _disputed(body["model"], body.get("klingParams", {}))
    if not found or not world.terms.faults:
        return None
    event = event_of(APIFRAME, FaultTarget.SUBMIT, body["model"], body["prompt"])
    match select_fault(world.terms.faults, world.fault_counts, event, FaultMoment.CHECK):
        case None:
            return None
        case "disputed-parent":
            return invalid([("klingParams", f"{message}: '{name}'") for name, message in found.items()])
        case "disputed-text":
            return error(400, "; ".join(f"{message}: '{name}'" for name, message in found.items()))
        case _:
            return invalid([(f"klingParams.{name}", message) for name, message in found.items()])


def _disputed(model: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the disputed parameters of a checked body, each with what the schema says of it."""
    found = {name: "Unrecognized key(s) in object" for name in _LACKING.get(model, ()) if name in params}
    if "aspect_ratio" not in found and params.get("aspect_ratio", _RATIOS[0]) not in _RATIOS:
        found["aspect_ratio"] = f"Invalid enum value, expected {' | '.join(_RATIOS)}"
    if len(timeline_of(params)) > _MOST_BEATS:
        found["multi_prompt"] = f"Array must contain at most {_MOST_BEATS} element(s)"
    return found
