"""The data of each kind of event; `schemas/events.schema.json` is generated from these types.

An answer names its send (`sent_at`: the time of its `intended`, also after a resend), and an event after acceptance its
job, because two checkouts may have bought one fingerprint under one attempt. A field that is UNSET is not written.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from kbatch.receipts.account import StoredAccount
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Media, Purchase
from kbatch.receipts.refunds.refund_claim import RefundOpening, RefundReason
from kbatch.receipts.shapes import Amount, Count, Digest, Endpoint, Moment, NonEmpty, Storable

SentAt = Annotated[Moment, Meta(description="The time of the `intended` that this answers, also after a resend")]
Bytes = Annotated[Amount, Meta(description="Size of the file")]
Provider = Annotated[NonEmpty, Meta(description="Which API")]
AcceptedBy = Literal["submit", "resend", "reconcile", "list", "log"]
Origin = Annotated[str, Meta(description="`https://host`, `loopback` or `simulator`")]


class EventData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an event says; each kind has a class of its own."""

    kind: ClassVar[Kind]


class Intended(EventData, frozen=True, kw_only=True):
    """About to be sent: on disk before the first byte of the request leaves."""

    kind = Kind.INTENDED
    address: Annotated[str, Meta(description="The job's readable id")]
    provider: Provider
    model: Annotated[NonEmpty, Meta(description="The provider's name of the model")]
    variant: Annotated[str | None, Meta(description="The price variant")]
    origin: Origin
    key: Annotated[str, Meta(description="The Idempotency-Key")]
    credits: Annotated[Amount | None, Meta(description="The quote; null: no known price")]
    request: Annotated[Mapping[str, Any], Meta(description="The request as it is hashed into the fingerprint")]
    inputs: Annotated[
        Mapping[str, Mapping[str, Any]],
        Meta(description="Sources of chained and uploaded images, by parameter: digest, upstream fingerprint, job id"),
    ]
    body: Annotated[
        str | None,
        Meta(description="Exactly the bytes sent, upload URLs included; null where the provider gets no resend"),
    ]
    provider_time: Annotated[
        Moment | UnsetType | None,
        Meta(description="When, by the provider's own clock, which decides how long its key holds; null: not known"),
    ] = UNSET
    account: StoredAccount | UnsetType = UNSET
    client_request_id: Annotated[
        Storable | UnsetType, Meta(description="The name of the request in the provider's log, where it has one")
    ] = UNSET
    endpoint: Endpoint | UnsetType = UNSET
    purchase: Purchase | UnsetType = UNSET


class Lost(EventData, frozen=True, kw_only=True):
    """Sent, and the outcome is unknown."""

    kind = Kind.LOST
    sent_at: SentAt
    message: Annotated[str, Meta(description="Why")]


class Refused(EventData, frozen=True, kw_only=True):
    """Not accepted: nothing was charged."""

    kind = Kind.REFUSED
    sent_at: SentAt
    reason: Annotated[str, Meta(description="A word that stays the same, such as `moderation`")]
    message: Annotated[str, Meta(description="What was said")]
    by: Annotated[Literal["submit", "reconcile"], Meta(description="Who found out")]


class OfJob(EventData, frozen=True, kw_only=True):
    """Of an accepted job."""

    job_id: Annotated[Storable, Meta(description="The provider's id of the job")]


class Accepted(OfJob, frozen=True, kw_only=True):
    """The provider accepted the job, and its price."""

    kind = Kind.ACCEPTED
    sent_at: SentAt
    account: StoredAccount
    by: Annotated[AcceptedBy, Meta(description="How it is known")]


class Reported(OfJob, frozen=True, kw_only=True):
    """The provider reported its charge."""

    kind = Kind.REPORTED
    credits: Annotated[Amount, Meta(description="In its credits")]


class Rendered(OfJob, frozen=True, kw_only=True):
    """The render succeeded."""

    kind = Kind.RENDERED
    credits: Annotated[Amount | None, Meta(description="What is charged; null: not reported")]


class Failed(OfJob, frozen=True, kw_only=True):
    """It failed after acceptance."""

    kind = Kind.FAILED
    message: Annotated[str, Meta(description="What the provider said")]
    credits: Annotated[Amount | None, Meta(description="What stays charged; 0 after a refund, null: not reported")]


class Clip(OfJob, frozen=True, kw_only=True):
    """A verified clip on this disk."""

    path: Annotated[
        Storable, Meta(description="Relative to the manifest; the target, also while the file is still a `.part`")
    ]
    sha256: Digest
    bytes: Bytes
    media: Media
    adopted_from: Annotated[
        str | UnsetType, Meta(description="The name of the file that a person handed over in place of a download")
    ] = UNSET


class Downloaded(Clip, frozen=True, kw_only=True):
    """A whole, verified clip lies beside its target."""

    kind = Kind.DOWNLOADED


class Delivered(Clip, frozen=True, kw_only=True):
    """The clip is at its place."""

    kind = Kind.DELIVERED


class DeliveredWrong(Clip, frozen=True, kw_only=True):
    """The clip is at its place and kept, but not what was bought."""

    kind = Kind.DELIVERED_WRONG
    reasons: Annotated[list[str], Meta(description="What differs")]


class Moved(OfJob, frozen=True, kw_only=True):
    """The clip lies at another path now."""

    kind = Kind.MOVED
    path: Annotated[Storable, Meta(description="Relative to the manifest")]


class AcceptedAsIs(OfJob, frozen=True, kw_only=True):
    """`kbatch accept` ended the reminder."""

    kind = Kind.ACCEPTED_AS_IS


class RefundClaimed(OfJob, frozen=True, kw_only=True):
    """`kbatch claim` asked credits back."""

    kind = Kind.REFUND_CLAIMED
    reason: Annotated[RefundReason, Meta(description="Why")]
    credits: Annotated[Amount | None, Meta(description="What is owed back; null: the charge is not known")]


class RefundSettled(OfJob, frozen=True, kw_only=True):
    """A refund claim ended."""

    kind = Kind.REFUND_SETTLED
    claim: Annotated[RefundOpening, Meta(description="The claim that it ends")]
    refunded: Annotated[Amount, Meta(description="What came back; 0: nothing")]
    reference: Annotated[NonEmpty, Meta(description="Where that is written")]
    by: Annotated[Literal["person", "provider"], Meta(description="Who says so")]


class CoveredPurchase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One purchase of a claim."""

    attempt: Annotated[Count, Meta(description="Which purchase of the fingerprint")]
    quote: Annotated[Amount | None, Meta(description="What it may cost; null: no known price")]


class AgreedClaim(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the approval of a digest covers; `accounts` is not part of the digest."""

    fingerprints: Annotated[
        Mapping[str, CoveredPurchase], Meta(description="The covered purchases by fingerprint; each is made once")
    ]
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
    accounts: Annotated[
        Mapping[str, str], Meta(description="Who pays, by provider, as far as it was known when it was first claimed")
    ]


class Began(EventData, frozen=True, kw_only=True):
    """A run began."""

    kind = Kind.BEGAN
    manifest: Annotated[str, Meta(description="Its file name")]
    plan: Annotated[str | None, Meta(description="The digest that was approved, of a saved plan or of the manifest's")]
    maximum: Annotated[
        Mapping[str, Amount | None],
        Meta(description="The most it may spend, by provider; null: not bounded by a price"),
    ]
    replacing: Annotated[list[NonEmpty], Meta(description="Fingerprints that are bought again on purpose")]
    claim: AgreedClaim | UnsetType = UNSET


class Uploaded(EventData, frozen=True, kw_only=True):
    """An image was published at the provider."""

    kind = Kind.UPLOADED
    provider: Provider
    digest: Annotated[NonEmpty, Meta(description="The image's digest")]
    url: Annotated[NonEmpty, Meta(description="Where the provider serves it")]
    expires_at: Annotated[str | None, Meta(description="Until when, where the provider says")]
    origin: Origin | UnsetType = UNSET


class Ended(EventData, frozen=True, kw_only=True):
    """A run ended."""

    kind = Kind.ENDED
    exit_code: Annotated[Amount, Meta(description="The exit code of the command")]
    finished: Annotated[bool, Meta(description="False after an interruption: the same command continues with the rest")]


DATA: Mapping[Kind, type[EventData]] = MappingProxyType(
    {
        data.kind: data
        for data in (
            Intended, Lost, Refused, Accepted, Reported, Rendered, Failed, Downloaded, Delivered, DeliveredWrong,
            Moved, AcceptedAsIs, RefundClaimed, RefundSettled, Began, Uploaded, Ended,
        )
    }
)  # fmt: skip
"""The class of each kind's data."""
