"""A refund claim: what a buyer asks back for one purchase, and the settlement that ends it.

A purchase has at most one. Joining two is commutative, associative and idempotent: the earliest opening stays, and of
two settlements the later one is valid, so that a wrong one can be corrected.
"""

import json
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct, to_builtins

from kbatch.receipts.shapes import Amount, Moment, NonEmpty


class RefundReason(StrEnum):
    """Why credits are owed back."""

    ABOVE_QUOTE = "above-quote"
    DOUBLE = "double"
    NOT_REFUNDED = "not-refunded"
    DELIVERED_WRONG = "delivered-wrong"
    NOT_DELIVERED = "not-delivered"


class RefundOpening(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The opening of a refund claim."""

    opened_at: Annotated[Moment, Meta(description="When it was opened")]
    reason: Annotated[RefundReason, Meta(description="The reason of the largest amount")]
    credits: Annotated[Amount | None, Meta(description="What is owed back; null: the charge is not known")]


class Settlement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a refund claim."""

    at: Annotated[Moment, Meta(description="When it was recorded")]
    refunded: Annotated[Amount, Meta(description="What came back, in the provider's credits; 0: nothing")]
    reference: Annotated[NonEmpty, Meta(description="Where that is written: a ticket, a transaction, the job's answer")]
    by: Annotated[Literal["person", "provider"], Meta(description="Who says so: a person, or the provider's answer")]


class RefundClaim(RefundOpening, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is asked back for a purchase; open without a settlement."""

    settlement: Settlement | None = None

    @property
    def state(self) -> Literal["open", "settled"]:
        """`open` until a refund, or its refusal, is recorded."""
        return "open" if self.settlement is None else "settled"


def opening_of(claim: RefundClaim) -> RefundOpening:
    """Return the opening of a claim, which its settlement repeats."""
    return RefundOpening(opened_at=claim.opened_at, reason=claim.reason, credits=claim.credits)


def refund_of(claim: RefundClaim | None) -> int:
    """Return the credits that came back by a claim; 0 while it is open."""
    return claim.settlement.refunded if claim is not None and claim.settlement is not None else 0


def is_open(claim: RefundClaim | None) -> bool:
    """Whether credits are still owed back."""
    return claim is not None and claim.settlement is None


def join_refund_claims(one: RefundClaim | None, other: RefundClaim | None) -> RefundClaim | None:
    """Return the join of two claims about one purchase."""
    if one is None or other is None or one == other:
        return one or other
    first = min(one, other, key=lambda claim: _order(claim.opened_at, opening_of(claim)))
    ends = [claim.settlement for claim in (one, other) if claim.settlement is not None]
    last = max(ends, key=lambda end: _order(end.at, end), default=None)
    return RefundClaim(opened_at=first.opened_at, reason=first.reason, credits=first.credits, settlement=last)


def _order(at: str, value: Struct) -> tuple[str, str]:
    return at.removesuffix("Z"), json.dumps(to_builtins(value), sort_keys=True)
