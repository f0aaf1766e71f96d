"""Claims: approvals that a run has begun to use, each under the digest of the approved plan.

A claim lists its purchases by fingerprint and attempt, so that each is bought once in all clones. It is written in the
run's `began` event and folded from there into the lockfile. Since a lockfile is untrusted input, a claim counts only
while its content hashes to its digest. Its spending is computed from the receipts of its purchases, not counted.
Merging claims is commutative, associative and idempotent; a finished claim stays finished.
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
    """One purchase of a claim: its attempt and its quote (None: no known price)."""

    attempt: int
    quote: int | None


class Claim(Struct, frozen=True, kw_only=True):
    """The content of an approval: purchases by fingerprint; maximum credits and origin by provider.

    `maximum` is None where a price was unknown; `terms` is the hash of all other approved values. `accounts` are the
    payers known when it was first claimed; they are not part of the digest.
    """

    fingerprints: Mapping[str, CoveredPurchase]
    maximum: Mapping[str, int | None] = {}
    origins: Mapping[str, str | None] = {}
    terms: str = ""
    accounts: Mapping[str, str] = {}
    state: str = BEGUN

    @property
    def finished(self) -> bool:
        """Whether the claim is used up."""
        return self.state == FINISHED


Claims = Mapping[str, Claim]
"""Claims by the digest of the approved plan."""


def digest_of(claim: Claim) -> str:
    """Return the digest of the approval with exactly this content."""
    agreed = {
        "fingerprints": {key: [one.attempt, one.quote] for key, one in claim.fingerprints.items()},
        "maximum": claim.maximum,
        "origins": claim.origins,
        "terms": claim.terms,
    }
    text = json.dumps(agreed, sort_keys=True, separators=(",", ":"))
    return "sha256:" + sha256(text.encode("ascii")).hexdigest()


def accounts_of(claim: Claim, provider: str) -> frozenset[str]:
    """Return the accounts that have paid a provider under a claim; its keys are `apiframe`, or `apiframe/bob`."""
    return frozenset(account for name, account in claim.accounts.items() if name.partition("/")[0] == provider)


def fold_claims(events: Iterable[Event], before: Claims) -> dict[str, Claim]:
    """Return the claims after a run's events, starting from `before`; events of attempts are ignored."""
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
    claim = data["claim"]
    return claim_from_json({**claim, "state": BEGUN})


def merge_claims(one: Claims, other: Claims) -> dict[str, Claim]:
    """Return the union of two sets of claims."""
    both = dict(one)
    for digest, claim in other.items():
        both[digest] = join_claims(digest, both.get(digest), claim)
    return both


def join_claims(digest: str, one: Claim | None, other: Claim) -> Claim:
    """Join two versions of one claim; the one that hashes to `digest` wins.

    When neither does, the choice is deterministic, and the claim covers nothing.
    """
    if one is None or one == other:
        return other
    covers = max(one, other, key=lambda claim: (digest_of(claim) == digest, digest_of(claim)))
    accounts = {key: min(one.accounts.get(key, value), value) for key, value in other.accounts.items()}
    state = FINISHED if one.finished or other.finished else BEGUN
    return replace(covers, accounts={**one.accounts, **accounts}, state=state)


def spent_of(claim: Claim, renders: Mapping[str, Receipt]) -> dict[str, int | None]:
    """Return the charges of a claim's purchases by provider, including those of failures; None when one is unknown.

    Unknown sends are left out: the plan reserves them separately.
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
    """Yield the accepted purchases of a claim, including those that failed later."""
    for fingerprint, purchase in claim.fingerprints.items():
        receipt = renders.get(fingerprint)
        for one in records_of(receipt) if receipt is not None else ():
            if one.attempt == purchase.attempt and one.job_id is not None:
                yield one


def claim_to_json(claim: Claim, renders: Mapping[str, Receipt]) -> dict[str, Any]:
    """Return the lockfile's JSON of a claim; `spent` is informative and computed from the receipts."""
    return {**claim_event_data(claim), "spent": spent_of(claim, renders), "state": claim.state}


def claim_event_data(claim: Claim) -> dict[str, Any]:
    """Return the JSON of a claim in a `began` event."""
    return {
        "fingerprints": {key: {"attempt": one.attempt, "quote": one.quote} for key, one in claim.fingerprints.items()},
        "maximum": dict(claim.maximum),
        "origins": dict(claim.origins),
        "terms": claim.terms,
        "accounts": dict(claim.accounts),
    }


def claim_from_json(data: Mapping[str, Any]) -> Claim:
    """Return the claim of validated JSON."""
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
