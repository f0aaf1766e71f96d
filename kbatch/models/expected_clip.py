"""The clip that a request must deliver and its usual render time; deliveries and waits are checked against both."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kbatch.errors import Bug
from kbatch.models.body import parameters_of
from kbatch.models.cards import Card


class ExpectedClip(Struct, frozen=True, kw_only=True):
    """The clip that a request buys: its length in seconds, whether audio was bought, and its shape such as `16:9`.

    `ratio` is None where the model decides: the request asks for no shape, or its image may decide it.
    """

    duration_s: int
    audio: bool
    ratio: str | None = None


def expected_clip(card: Card, request: Mapping[str, Any]) -> ExpectedClip:
    """Return the clip that a complete request body buys."""
    params = parameters_of(card, request)
    pictured = any(name in params for name in card.image_parameters)
    return ExpectedClip(
        duration_s=card.duration_s(params),
        audio=card.audio is not None and params[card.audio],
        ratio=None if pictured or card.ratio is None else params.get(card.ratio),
    )


def typical_s(card: Card, request: Mapping[str, Any]) -> tuple[int, int]:
    """Return the usual shortest and longest render time in seconds; the card's `typical_source` is their source."""
    duration_s = card.duration_s(parameters_of(card, request))
    for typical in card.typical:
        if typical.duration in (None, duration_s):
            return typical.shortest_s, typical.longest_s
    raise Bug(f"the card {card.key} has no render time for {duration_s} s")
