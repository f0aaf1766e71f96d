"""An approval: a person's agreement to exactly one plan, with its maximum and its expiry.

It lists the plan's purchases, so that its content alone proves which digest it approves, what that digest covers, and
what a later plan differs in. A record is immutable and has its content's hash as id. It proves by itself only that
somebody wrote it: a seal proves that this user did, a signature that the owner of a key did.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

from kbatch.receipts.claims import Claim, digest_of
from kbatch.receipts.event_data import CoveredPurchase
from kbatch.receipts.shapes import Amount, Count, Digest, Moment, NonEmpty

_END = r"$(?!\n)"
_SHA_256 = {"must_be": "`sha256:` and 64 hex digits"}
PlanDigest = Annotated[str, Meta(pattern=rf"^sha256:[0-9a-f]{{64}}{_END}", extra=_SHA_256)]


class Person(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person as git's configuration or the CI names them; nothing proves it."""

    name: Annotated[NonEmpty, Meta(description="The CI's actor, else git's `user.name`")]
    email: Annotated[str | None, Meta(description="Git's `user.email`; null: not known")] = None

    @property
    def label(self) -> str:
        """The name, with the address where there is one."""
        return f"{self.name} <{self.email}>" if self.email and self.email != self.name else self.name

    @property
    def names(self) -> frozenset[str]:
        """What the person may be called elsewhere, in lower case."""
        return frozenset(word.casefold() for word in (self.name, self.email) if word)


class ApprovedJob(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purchase of the approved plan."""

    fingerprint: NonEmpty
    attempt: Annotated[Count, Meta(description="Which purchase of the fingerprint")]
    provider: NonEmpty
    model: NonEmpty
    variant: Annotated[str | None, Meta(description="The price variant")]
    credits: Annotated[Amount | None, Meta(description="The quote; null: no known price")]


class ApprovedPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was approved: the plan's purchases, and the values that make its digest with them."""

    manifest: Annotated[NonEmpty, Meta(description="The manifest's file name")]
    profile: Annotated[str | None, Meta(description="The manifest's profile")]
    made_at: Annotated[Moment | None, Meta(description="When the plan was saved; null: not known")]
    author: Annotated[Person | None, Meta(description="Who saved the plan; null: not known")]
    jobs: Annotated[Mapping[str, ApprovedJob], Meta(description="Its purchases by address; reused jobs are left out")]
    maximum: Annotated[
        Mapping[str, Amount | None], Meta(description="The most it may cost, by provider; null: a price was not known")
    ]
    origins: Annotated[
        Mapping[str, str | None],
        Meta(description="Whom it pays, by provider: `https://host`, `loopback` or `simulator`"),
    ]
    terms: Annotated[
        str, Meta(description="The hash of all other agreed values; with the fields above it makes the digest")
    ]

    @property
    def claim(self) -> Claim:
        """The purchases that an approval of the plan covers."""
        return Claim(
            fingerprints={
                job.fingerprint: CoveredPurchase(attempt=job.attempt, quote=job.credits) for job in self.jobs.values()
            },
            maximum=self.maximum,
            origins=self.origins,
            terms=self.terms,
            accounts={},
        )

    @property
    def digest(self) -> str:
        """The digest of the plan, computed from this content."""
        return digest_of(self.claim)


class Approval(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One approval; `seal` and `signature` are over all other fields."""

    digest: Annotated[PlanDigest, Meta(description="The digest of the approved plan")]
    by: Annotated[Person, Meta(description="Who approved, as git or the CI said")]
    at: Annotated[Moment, Meta(description="When, by the approver's clock")]
    expires_at: Annotated[Moment, Meta(description="From when on it covers nothing, by the clock of the run's machine")]
    maximum: Annotated[Mapping[str, Amount], Meta(description="The most that may be spent under it, by provider")]
    plan: ApprovedPlan
    note: Annotated[str, Meta(description="What the approver wrote")] = ""
    seal: Annotated[
        Digest | None, Meta(description="The HMAC of the approver's state key: proof for this user's own runs")
    ] = None
    signature: Annotated[str | None, Meta(description="An SSH signature of namespace `kbatch`, armored")] = None

    @property
    def id(self) -> str:
        """The SHA-256 of the whole record, in hex."""
        return sha256(_canonical(to_builtins(self))).hexdigest()

    @property
    def statement(self) -> bytes:
        """The bytes that are sealed and signed: canonical JSON of all but seal and signature."""
        return _canonical({"approval": 1, **to_builtins(replace(self, seal=None, signature=None))})


def _canonical(value: Mapping[str, Any]) -> bytes:
    """Return JSON as ASCII: a reason or a note may hold any letter."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
