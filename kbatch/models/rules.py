"""Rules between a model's parameters, as data: one parameter needs another's value, or parts add up to a whole.

A rule applies to complete parameters, defaults included, and only when its own parameter is set. A dispute is about a
parameter that another document of the vendor refuses, so that a request with it may get 400.
"""

import json
from collections.abc import Mapping
from typing import Any, assert_never

from msgspec import Struct

from kbatch.errors import Complaint


class Needs(Struct, frozen=True, kw_only=True):
    """Another parameter must have one of the allowed values."""

    parameter: str
    allowed: tuple[Any, ...]


class Sums(Struct, frozen=True, kw_only=True):
    """The field `item` of the rule's list must add up to the parameter `to`."""

    item: str
    to: str


class Rule(Struct, frozen=True, kw_only=True):
    """One rule of a card; `description` is general, `message` and `hint` may hold `{found}` and `{wanted}`."""

    code: str
    parameter: str
    description: str
    condition: Needs | Sums
    message: str
    hint: str

    @property
    def involved(self) -> frozenset[str]:
        """Every parameter that the rule reads."""
        match self.condition:
            case Needs(parameter=other) | Sums(to=other):
                return frozenset((self.parameter, other))
            case _:
                assert_never(self.condition)


def read_rule(written: Mapping[str, Any]) -> Rule:
    """Read a rule of a card in the form of `schemas/model-card.schema.json`."""
    condition: Needs | Sums
    if "needs" in written:
        condition = Needs(parameter=written["needs"]["parameter"], allowed=tuple(written["needs"]["in"]))
    else:
        condition = Sums(item=written["sums"]["item"], to=written["sums"]["to"])
    return Rule(
        code=written["code"],
        parameter=written["parameter"],
        description=written["description"],
        condition=condition,
        message=written["message"],
        hint=written["hint"],
    )


def check_rule(rule: Rule, params: Mapping[str, Any]) -> Complaint | None:
    """Return the complaint when the rule is broken; a list may be a list or its JSON text."""
    if rule.parameter not in params:
        return None
    match rule.condition:
        case Needs(parameter=other, allowed=allowed):
            found, wanted = params.get(other), " or ".join(map(str, allowed))
            held = found in allowed
        case Sums(item=item, to=to):
            parts = params[rule.parameter]
            parts = json.loads(parts) if isinstance(parts, str) else parts
            found, wanted = sum(part[item] for part in parts), str(params.get(to))
            held = found == params.get(to)
        case _:
            assert_never(rule.condition)
    if held:
        return None
    return Complaint(
        code=rule.code,
        field=("params", rule.parameter),
        message=_filled(rule.message, found, wanted),
        hint=_filled(rule.hint, found, wanted),
    )


def _filled(text: str, found: object, wanted: str) -> str:
    return text.replace("{found}", str(found)).replace("{wanted}", wanted)


class Dispute(Struct, frozen=True, kw_only=True):
    """A parameter about which a vendor's documents disagree.

    `agreed` are the values, `most` the number of items of a list, that all documents take (None: no value is).
    `what` says which document refuses it, read on the day `read` (ISO 8601), and `instead` what to write.
    """

    parameter: str
    what: str
    instead: str
    title: str
    read: str
    agreed: tuple[Any, ...] | None = None
    most: int | None = None

    def concerns(self, params: Mapping[str, Any]) -> bool:
        """Whether a request with these parameters sends a disputed value."""
        value = params.get(self.parameter)
        if value is None:
            return False
        if self.agreed is not None:
            return value not in self.agreed
        return self.most is None or _count(value) > self.most


def read_dispute(written: Mapping[str, Any]) -> Dispute:
    """Read a dispute of a card in the form of `schemas/model-card.schema.json`."""
    return Dispute(
        parameter=written["parameter"],
        what=written["what"],
        instead=written["instead"],
        title=written["source"]["title"],
        read=written["source"]["read"],
        agreed=tuple(written["agreed"]) if "agreed" in written else None,
        most=written.get("most"),
    )


def _count(value: Any) -> int:
    """Return the number of items of a list, also of one in JSON; 0 of anything else."""
    try:
        items = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return 0
    return len(items) if isinstance(items, list) else 0
