"""Published prices: what a provider's public list says of a model, and the exact quote where it names one.

Amounts are exact fractions of the provider's unit. A list that could not be read is a value of its own and never
agreement; an entry that could not be read stands in `unread`, and a model that the list lacks in `gone`.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Any

from msgspec import Struct, field


class Measure(StrEnum):
    """What one amount of a list buys; `VARIES` where the list names no amount that can be reckoned with."""

    CLIP = "clip"
    SECOND = "second"
    OUTPUT = "output"
    VARIES = "varies"


class PublishedRate(Struct, frozen=True, kw_only=True):
    """One exact price: `amount` for one `measure`, for requests whose parameters are as in `when`.

    `text` is the price as the list writes it, such as `0.098 USD a second`.
    """

    amount: Fraction
    measure: Measure
    text: str
    when: Mapping[str, Any] = field(default_factory=dict)


class PublishedPrice(Struct, frozen=True, kw_only=True):
    """What a list says of one model: lowest and highest amount, None where it names none, and exact rates if any.

    `sha256` is the hash of the model's prices as the list writes them: a change of anything else changes nothing.
    """

    measure: Measure
    low: Fraction | None
    high: Fraction | None
    sha256: str
    rates: tuple[PublishedRate, ...] = ()

    def exact(self, params: Mapping[str, Any], seconds: int, outputs: int) -> tuple[int, PublishedRate] | None:
        """Return what a request costs in whole units, rounded up, with its rate; None unless exactly one rate fits."""
        fitting = [rate for rate in self.rates if all(_same(params.get(name), rate.when[name]) for name in rate.when)]
        if len(fitting) != 1 or fitting[0].measure is Measure.VARIES:
            return None
        rate = fitting[0]
        times = {Measure.SECOND: seconds, Measure.OUTPUT: outputs}.get(rate.measure, 1)
        return math.ceil(rate.amount * times), rate


class PriceList(Struct, frozen=True, kw_only=True):
    """A provider's list as it was read: prices by model, models that it lacks, entries that could not be read.

    `source` is the list's address, `asked_at` when it was asked (ISO 8601, UTC), `etag` its tag where it has one.
    """

    source: str
    asked_at: str
    prices: Mapping[str, PublishedPrice]
    gone: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None


class ListUnread(Struct, frozen=True, kw_only=True):
    """A list that was not read: no answer, another status, or a form that is not the documented one."""

    source: str
    message: str


Lists = Mapping[str, PriceList | ListUnread]
"""What was heard from each provider that was asked; a provider without a public list is not in it."""


def _same(sent: Any, wanted: Any) -> bool:
    """Whether a parameter has a list's value; `true` is no 1, and `"5"` is 5 since lists write numbers as texts too."""
    if isinstance(sent, bool) or isinstance(wanted, bool):
        return sent is wanted
    if isinstance(sent, int) and isinstance(wanted, str):
        return str(sent) == wanted
    return bool(sent == wanted)
