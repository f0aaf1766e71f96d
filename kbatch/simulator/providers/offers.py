"""Parameters and prices of the two simulated providers: this simulator's own reading of the five model pages.

It is written by hand from the pages, not from kbatch's model cards, so that two readings check each other.
Apiframe's prices are the pages' prices. The price of the AI/ML model is documented nowhere: the one here is pretended,
so that a rehearsal has something to add up (262,500 credits a second, about $0.13 at the documented $1 = 2,000,000).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kbatch.simulator.exchange import AIMLAPI, APIFRAME
from kbatch.simulator.providers.fields import (
    Complaint,
    RequestField,
    anything_in_an_object,
    choice,
    flag,
    image,
    integer,
    link,
    many,
    needed,
    number,
    ratio,
    record,
    text,
    text_of_json,
)

AIMLAPI_CREDITS_PER_USD = 2_000_000
PRETENDED_AIMLAPI_CREDITS_PER_SECOND = 262_500

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One model: its parameters, their defaults, the rules between them, and its prices by variant.

    `prices` is credits for a clip, for a second of it where `by_second`, or for each of the outputs that the parameter
    `times` asks for. `body_key` is the key of the parameters in a body, `length` the clip's seconds or the parameter of
    them; `audio`, `ratio`, `start`, `end` and `timeline` are the parameters that say the rest of the clip. A
    `lenient` offer lets unknown parameters pass.
    """

    provider: str
    model: str
    parameters: Mapping[str, RequestField]
    defaults: Mapping[str, Any]
    variant: Callable[[Values], str]
    prices: Mapping[str, int]
    by_second: bool = False
    rules: tuple[Callable[[Values], list[Complaint]], ...] = ()
    duration: tuple[int, ...] = (5, 10)
    times: str | None = None
    body_key: str | None = "klingParams"
    length: str | int = "duration"
    audio: str | None = "generate_audio"
    ratio: str | None = "aspect_ratio"
    start: str | None = "start_image"
    end: str | None = "end_image"
    timeline: str | None = "multi_prompt"
    lenient: bool = False

    def seconds(self, completed: Values) -> int:
        """Return the length of the clip that completed parameters ask for."""
        seconds: int = self.length if isinstance(self.length, int) else completed[self.length]
        return seconds

    def said(self, completed: Values, name: str | None) -> Any:
        """Return a parameter's value, None where the model has none such or it was left out."""
        return None if name is None else completed.get(name)

    def beats(self, completed: Values) -> list[dict[str, Any]]:
        """Return the beats of a checked timeline, empty without one."""
        found = self.said(completed, self.timeline)
        return list(json.loads(found) if isinstance(found, str) else found or ())

    def complete(self, values: Values) -> Values:
        """Return the parameters with every documented default filled in."""
        return {**self.defaults, **values}

    def complaints(self, values: object, path: str) -> list[Complaint]:
        """Return what is wrong with the parameters: the single fields, and when those hold, the rules between them."""
        known = values
        if self.lenient and isinstance(values, dict):
            known = {name: value for name, value in values.items() if name in self.parameters}
        found = record(self.parameters).complain(known, path)
        if found or not isinstance(values, dict):
            return found
        completed = self.complete(values)
        return [(f"{path}.{name}" if path else name, text) for rule in self.rules for name, text in rule(completed)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedPrice:
    """The variant that completed parameters buy, and its credits."""

    variant: str
    credits: int


def quote(offer: Offer, completed: Values) -> OfferedPrice:
    """Return what these parameters cost."""
    variant = offer.variant(completed)
    price = offer.prices[variant]
    factor = offer.seconds(completed) if offer.by_second else completed[offer.times] if offer.times else 1
    return OfferedPrice(variant=variant, credits=price * factor)


def cheapest_and_dearest(offer: Offer) -> tuple[int, int]:
    """Return the lowest and the highest price of a clip."""
    spans = (offer.duration[0], offer.duration[-1]) if offer.by_second else (1, 1)
    return min(offer.prices.values()) * spans[0], max(offer.prices.values()) * spans[1]


def _only_pro_has_an_end(values: Values) -> list[Complaint]:
    if "end_image" in values and values["mode"] != "pro":
        return [("end_image", "end_image is only supported in pro mode")]
    return []


def _timeline_fills_the_clip(values: Values) -> list[Complaint]:
    beats = timeline_of(values)
    total = sum(beat["duration"] for beat in beats)
    if beats and total != values["duration"]:
        return [("multi_prompt", f"Durations must add up to {values['duration']}, got {total}")]
    return []


def timeline_of(values: Values) -> list[dict[str, Any]]:
    """Return the beats of a checked `multi_prompt`, empty without one."""
    return list(json.loads(values["multi_prompt"])) if "multi_prompt" in values else []


def _audio(values: Values) -> str:
    return "-audio" if values["generate_audio"] else ""


_BEAT = record({"prompt": needed(text(1, 4000)), "duration": needed(integer(1, 15))})
_NEGATIVE = text(0, 2500)
_SCALE = number(0, 1)

_OFFERS = (
    Offer(
        provider=APIFRAME,
        model="kling-2.1",
        parameters={
            "duration": choice(5, 10),
            "aspect_ratio": ratio(),
            "mode": choice("standard", "pro"),
            "start_image": link(),
            "end_image": link(),
            "negative_prompt": _NEGATIVE,
            "cfg_scale": _SCALE,
        },
        defaults={"duration": 5, "mode": "pro"},
        variant=lambda values: f"{values['mode']}-{values['duration']}s",
        prices={"standard-5s": 3, "standard-10s": 5, "pro-5s": 5, "pro-10s": 10},
        rules=(_only_pro_has_an_end,),
    ),
    Offer(
        provider=APIFRAME,
        model="kling-2.5-turbo-pro",
        parameters={
            "duration": choice(5, 10),
            "aspect_ratio": ratio(),
            "start_image": link(),
            "end_image": link(),
            "negative_prompt": _NEGATIVE,
            "cfg_scale": _SCALE,
        },
        defaults={"duration": 5},
        variant=lambda values: f"{values['duration']}s",
        prices={"5s": 4, "10s": 7},
    ),
    Offer(
        provider=APIFRAME,
        model="kling-2.6",
        parameters={
            "duration": choice(5, 10),
            "aspect_ratio": ratio(),
            "start_image": link(),
            "negative_prompt": _NEGATIVE,
            "generate_audio": flag(),
        },
        defaults={"duration": 5, "generate_audio": True},
        variant=lambda values: f"{values['duration']}s{_audio(values)}",
        prices={"5s": 15, "5s-audio": 25, "10s": 25, "10s-audio": 40},
    ),
    Offer(
        provider=APIFRAME,
        model="kling-3.0",
        parameters={
            "duration": integer(3, 15),
            "aspect_ratio": ratio(),
            "mode": choice("standard", "pro"),
            "start_image": link(),
            "end_image": link(),
            "negative_prompt": _NEGATIVE,
            "generate_audio": flag(),
            "multi_prompt": text_of_json(many(_BEAT, least=1, most=15)),
        },
        defaults={"duration": 5, "mode": "pro", "generate_audio": True},
        variant=lambda values: f"{values['mode']}{_audio(values)}",
        prices={"standard": 3, "standard-audio": 4, "pro": 5, "pro-audio": 7},
        by_second=True,
        rules=(_timeline_fills_the_clip,),
        duration=(3, 15),
    ),
    Offer(
        provider=AIMLAPI,
        model="kling-video/v2.1/pro/image-to-video",
        parameters={
            "model": needed(choice("kling-video/v2.1/pro/image-to-video")),
            "image_url": needed(image()),
            "prompt": text(),
            "type": choice("image-to-video"),
            "static_mask": link(),
            "negative_prompt": text(),
            "duration": choice(5, 10),
            "cfg_scale": _SCALE,
            "external_task_id": text(),
            "tail_image_url": image(),
            "camera_control": anything_in_an_object(),
            "dynamic_masks": many(
                record(
                    {
                        "mask": needed(link()),
                        "trajectories": needed(
                            many(record({"x": needed(number()), "y": needed(number())}), least=2, most=77)
                        ),
                    }
                ),
                most=6,
            ),
        },
        defaults={"duration": 5, "cfg_scale": 0.5},
        variant=lambda values: f"{values['duration']}s",
        body_key=None,
        audio=None,
        ratio=None,
        start="image_url",
        end="tail_image_url",
        timeline=None,
        prices={"5s": 5 * PRETENDED_AIMLAPI_CREDITS_PER_SECOND, "10s": 10 * PRETENDED_AIMLAPI_CREDITS_PER_SECOND},
    ),
)

OFFERS: Mapping[tuple[str, str], Offer] = {(offer.provider, offer.model): offer for offer in _OFFERS}
"""Every model by provider and name."""


def with_own(own: Iterable[Offer], *, lenient: bool = False) -> Mapping[tuple[str, str], Offer]:
    """Return every model with those that a user brings, which stand in the place of others of their name."""
    found = {**OFFERS, **{(offer.provider, offer.model): offer for offer in own}}
    return {key: replace(offer, lenient=True) for key, offer in found.items()} if lenient else found


def offers_of(provider: str, offers: Mapping[tuple[str, str], Offer] = OFFERS) -> tuple[Offer, ...]:
    """Return the models of one provider in the pages' order."""
    return tuple(offer for offer in offers.values() if offer.provider == provider)
