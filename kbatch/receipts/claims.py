"""Claims: approvals that a run has begun to carry out, each by the digest of the plan that was agreed to.

A claim names the purchases that it covers, by fingerprint and attempt, so that it buys each of them once, in whatever
clone it is presented. It stands in the event that begins its run and is folded from there into the lockfile. A lockfile
may be a stranger's, and what someone approved is a digest: a claim counts only while its digest is made of it. What it
has spent is no counter: it is what the receipts of its purchases were charged. Merging claims is commutative,
associative and idempotent; what is finished stays finished.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kbatch.receipts.events import Event
from kbatch.receipts.join import records_of
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Receipt, ReceiptState

BEGUN, FINISHED = "begun", "finished"


class CoveredPurchase(Struct, frozen=True, kw_only=True, gc=False):
    """One purchase that a claim covers: which attempt of its request, and what it may cost (None: no known price)."""

    attempt: int
    quote: int | None


class Claim(Struct, frozen=True, kw_only=True):
    """What an approval covers: purchases by fingerprint, the most it may cost, whom and from what, by provider.

    `maximum` is None where a price was not known; `terms` is the hash of all else that was agreed to. `accounts` has
    those that were known when it was claimed first, which no digest has.
    """

    fingerprints: Mapping[str, CoveredPurchase]
    maximum: Mapping[str, int | None] = {}
    origins: Mapping[str, str | None] = {}
    terms: str = ""
    accounts: Mapping[str, str] = {}
    state: str = BEGUN

    @property
    def finished(self) -> bool:
        """Whether it authorises nothing any more."""
        return self.state == FINISHED


Claims = Mapping[str, Claim]
"""By the digest of the plan."""


def digest_of(claim: Claim) -> str:
    """Return the digest that an approval of exactly this is given by."""
    agreed = {
        "fingerprints": {key: [one.attempt, one.quote] for key, one in claim.fingerprints.items()},
        "maximum": claim.maximum,
        "origins": claim.origins,
        "terms": claim.terms,
    }
    text = json.dumps(agreed, sort_keys=True, separators=(",", ":"))
    return "sha256:" + sha256(text.encode("ascii")).hexdigest()


def fold_claims(events: Iterable[Event], before: Claims) -> dict[str, Claim]:
    """Return the claims after events of runs, from the given ones on; other events tell nothing of them."""
    claims = dict(before)
    of_run: dict[str, str] = {}
    for event in events:
        if event.kind is Kind.BEGAN and event.data.get("claim") is not None:
            digest = of_run[event.run] = str(event.data["plan"])
            claims[digest] = join_claims(digest, claims.get(digest), _claim_of_event(event.data))
        elif event.kind is Kind.ENDED and event.data["finished"] and event.run in of_run:
            digest = of_run[event.run]
            claims[digest] = replace(claims[digest], state=FINISHED)
    return claims


def _claim_of_event(data: Mapping[str, Any]) -> Claim:
    told = data["claim"]
    return claim_from_json({**told, "state": BEGUN})


def merge_claims(one: Claims, other: Claims) -> dict[str, Claim]:
    """Return what both know of claims."""
    both = dict(one)
    for digest, claim in other.items():
        both[digest] = join_claims(digest, both.get(digest), claim)
    return both


def join_claims(digest: str, one: Claim | None, other: Claim) -> Claim:
    """Return what both say of one claim: of two that differ the one that the digest is of.

    Where it is of neither, one of both stands, always the same one: it covers nothing.
    """
    if one is None or one == other:
        return other
    covers = max(one, other, key=lambda claim: (digest_of(claim) == digest, digest_of(claim)))
    accounts = {key: min(one.accounts.get(key, value), value) for key, value in other.accounts.items()}
    state = FINISHED if one.finished or other.finished else BEGUN
    return replace(covers, accounts={**one.accounts, **accounts}, state=state)


def spent_of(claim: Claim, renders: Mapping[str, Receipt]) -> dict[str, int | None]:
    """Return what the purchases of a claim were charged, by provider, with what failures kept; None where not told.

    A purchase whose outcome is unknown is not in it: a plan holds that apart.
    """
    spent: dict[str, int | None] = dict.fromkeys(claim.maximum, 0)
    for one in purchased(claim, renders):
        charge = one.credits.reported
        if one.state is ReceiptState.FAILED:
            charge = charge or 0
        elif charge is None:
            charge = one.credits.planned
        before = spent.get(one.provider, 0)
        spent[one.provider] = None if before is None or charge is None else before + charge
    return spent


def purchased(claim: Claim, renders: Mapping[str, Receipt]) -> Iterator[Receipt]:
    """Yield what was bought of a claim and accepted, those that failed afterwards too."""
    for fingerprint, purchase in claim.fingerprints.items():
        receipt = renders.get(fingerprint)
        for one in records_of(receipt) if receipt is not None else ():
            if one.attempt == purchase.attempt and one.job_id is not None:
                yield one


def claim_to_json(claim: Claim, renders: Mapping[str, Receipt]) -> dict[str, Any]:
    """Return a claim as the lockfile's JSON, with what it has spent by its receipts, for people to read."""
    return {**claim_event_data(claim), "spent": spent_of(claim, renders), "state": claim.state}


def claim_event_data(claim: Claim) -> dict[str, Any]:
    """Return a claim as the event that begins its run tells it."""
    return {
        "fingerprints": {key: {"attempt": one.attempt, "quote": one.quote} for key, one in claim.fingerprints.items()},
        "maximum": dict(claim.maximum),
        "origins": dict(claim.origins),
        "terms": claim.terms,
        "accounts": dict(claim.accounts),
    }


def claim_from_json(data: Mapping[str, Any]) -> Claim:
    """Return a claim from JSON of the right shape."""
    return Claim(
        fingerprints={
            key: CoveredPurchase(attempt=one["attempt"], quote=one["quote"])
            for key, one in data["fingerprints"].items()
        },
        maximum=dict(data["maximum"]),
        origins=dict(data["origins"]),
        terms=data["terms"],
        accounts=dict(data["accounts"]),
        state=data["state"],
    )
