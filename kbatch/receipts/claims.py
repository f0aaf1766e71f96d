"""Claims: approvals that a run has begun to carry out, each by the digest of the plan that was agreed to.

A claim names the purchases that it covers, by fingerprint and attempt, so that it buys each of them once, in whatever
clone it is presented. It stands in the event that begins its run and is folded from there into the lockfile. What it
has spent is no counter: it is what the receipts of its purchases were charged. Merging claims is commutative,
associative and idempotent; what is finished stays finished.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kbatch.receipts.attempts import records_of
from kbatch.receipts.events import Event
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Receipt, ReceiptState

BEGUN, FINISHED = "begun", "finished"


class Purchase(Struct, frozen=True, kw_only=True, gc=False):
    """One purchase that a claim covers: which attempt of its request, and what it may cost (None: no known price)."""

    attempt: int
    quote: int | None


class Claim(Struct, frozen=True, kw_only=True):
    """What an approval covers: purchases by fingerprint, the most it may cost and who pays, by provider.

    `maximum` is None where a price was not known; `accounts` has those that were known when it was claimed first.
    """

    fingerprints: Mapping[str, Purchase]
    maximum: Mapping[str, int | None] = {}
    accounts: Mapping[str, str] = {}
    state: str = BEGUN

    @property
    def finished(self) -> bool:
        """Whether it authorises nothing any more."""
        return self.state == FINISHED


Claims = Mapping[str, Claim]
"""By the digest of the plan."""


def fold_claims(events: Iterable[Event], before: Claims) -> dict[str, Claim]:
    """Return the claims after events of runs, from the given ones on; other events tell nothing of them."""
    claims = dict(before)
    of_run: dict[str, str] = {}
    for event in events:
        if event.kind is Kind.BEGAN and event.data.get("claim") is not None:
            digest = of_run[event.run] = str(event.data["plan"])
            claims[digest] = join_claims(claims.get(digest), _told(event.data))
        elif event.kind is Kind.ENDED and event.data["finished"] and event.run in of_run:
            digest = of_run[event.run]
            claims[digest] = replace(claims[digest], state=FINISHED)
    return claims


def _told(data: Mapping[str, Any]) -> Claim:
    told = data["claim"]
    return claim_from({**told, "state": BEGUN})


def merge_claims(one: Claims, other: Claims) -> dict[str, Claim]:
    """Return what both know of claims."""
    both = dict(one)
    for digest, claim in other.items():
        both[digest] = join_claims(both.get(digest), claim)
    return both


def join_claims(one: Claim | None, other: Claim) -> Claim:
    """Return what both say of one claim; where they differ, which they do not by right, the one that allows less."""
    if one is None or one == other:
        return other
    fingerprints = {key: other.fingerprints[key] for key in other.fingerprints}
    for key, purchase in one.fingerprints.items():
        fingerprints[key] = _join(fingerprints.get(key), purchase)
    accounts = {key: min(one.accounts.get(key, value), value) for key, value in other.accounts.items()}
    return Claim(
        fingerprints=fingerprints,
        maximum=_smaller(one.maximum, other.maximum),
        accounts={**one.accounts, **accounts},
        state=FINISHED if one.finished or other.finished else BEGUN,
    )


def _join(one: Purchase | None, other: Purchase) -> Purchase:
    if one is None or one == other:
        return other
    quotes = [quote for quote in (one.quote, other.quote) if quote is not None]
    return Purchase(attempt=min(one.attempt, other.attempt), quote=min(quotes, default=None))


def _smaller(one: Mapping[str, int | None], other: Mapping[str, int | None]) -> dict[str, int | None]:
    both: dict[str, int | None] = {}
    for name in {**one, **other}:
        known = [limit for limit in (one.get(name), other.get(name)) if limit is not None]
        both[name] = min(known, default=None)
    return both


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


def as_kept(claim: Claim, renders: Mapping[str, Receipt]) -> dict[str, Any]:
    """Return a claim as the lockfile's JSON, with what it has spent by its receipts, for people to read."""
    return {**as_told(claim), "spent": spent_of(claim, renders), "state": claim.state}


def as_told(claim: Claim) -> dict[str, Any]:
    """Return a claim as the event that begins its run tells it."""
    return {
        "fingerprints": {key: {"attempt": one.attempt, "quote": one.quote} for key, one in claim.fingerprints.items()},
        "maximum": dict(claim.maximum),
        "accounts": dict(claim.accounts),
    }


def claim_from(kept: Mapping[str, Any]) -> Claim:
    """Return a claim from JSON of the right shape."""
    return Claim(
        fingerprints={
            key: Purchase(attempt=one["attempt"], quote=one["quote"]) for key, one in kept["fingerprints"].items()
        },
        maximum=dict(kept["maximum"]),
        accounts=dict(kept["accounts"]),
        state=kept["state"],
    )
