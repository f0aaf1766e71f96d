"""Claims: approvals that a run has begun to use, each under the digest of the approved plan.

A claim lists its purchases by fingerprint and attempt, so that each is bought once in all clones. It is written in the
run's `began` event and folded from there into the lockfile. Since a lockfile is untrusted input, a claim counts only
while its content hashes to its digest. Its spending is computed from the receipts of its purchases, not counted.
Merging claims is commutative, associative and idempotent; a finished claim stays finished.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Final, Literal

from msgspec.structs import asdict, replace

from kbatch.receipts.event_data import AgreedClaim, Began, Ended
from kbatch.receipts.events import Event
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt, ReceiptState

BEGUN: Final = "begun"
FINISHED: Final = "finished"


class Claim(AgreedClaim, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The approval and what became of it; `finished` authorises nothing any more.

    `maximum` is None where a price was unknown; `terms` is the hash of all other approved values. `accounts` are the
    payers known when it was first claimed; they are not part of the digest.
    """

    state: Literal["begun", "finished"] = BEGUN

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
        data = event.data
        if isinstance(data, Began) and data.claim:
            digest = of_run[event.run] = str(data.plan)
            claims[digest] = join_claims(digest, claims.get(digest), Claim(**asdict(data.claim)))
        elif isinstance(data, Ended) and data.finished and event.run in of_run:
            digest = of_run[event.run]
            claims[digest] = replace(claims[digest], state=FINISHED)
    return claims


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


def agreed(claim: Claim) -> AgreedClaim:
    """Return what a `began` event says of a claim."""
    return AgreedClaim(**{name: getattr(claim, name) for name in AgreedClaim.__struct_fields__})
