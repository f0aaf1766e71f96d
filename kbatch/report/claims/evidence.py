"""The evidence for credits that are owed back, as values; `schemas/claim.schema.json` is generated from these types.

It holds no key, no prefix of one, no query of a URL and no picture: images are digests, as in the receipt.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import asdict

from kbatch.receipts.account import account_of
from kbatch.receipts.event_data import Intended
from kbatch.receipts.events import Event
from kbatch.receipts.receipt import Credits, Media, Receipt, without_queries, without_queries_within
from kbatch.receipts.refunds.grounds import Ground, OwedPurchase
from kbatch.receipts.refunds.refund_claim import RefundClaim

MOST_ANSWERS = 100
"""Events of one purchase that are listed; a job has about ten."""

_NOT_SHOWN = {"request", "inputs", "body", "account", "purchase", "claim"}


class Recorded(Struct, frozen=True, kw_only=True):
    """One line of the journal about the purchase."""

    at: Annotated[str, Meta(description="When")]
    kind: Annotated[str, Meta(description="What happened")]
    data: Annotated[Mapping[str, Any], Meta(description="What was said of it, without the query of any URL")]


class EvidenceFile(Struct, frozen=True, kw_only=True):
    """A file of the folder."""

    path: Annotated[str, Meta(description="Relative to the folder")]
    sha256: Annotated[str, Meta(description="SHA-256 of the file, in hex")]
    bytes: Annotated[int, Meta(description="Size of the file")]


class FoundClip(Struct, frozen=True, kw_only=True):
    """The delivered clip."""

    path: Annotated[str, Meta(description="Relative to the manifest")]
    sha256: Annotated[str, Meta(description="SHA-256 when it was delivered, in hex")]
    bytes: Annotated[int, Meta(description="Size when it was delivered")]
    media: Annotated[Media, Meta(description="What it held when it was delivered")]
    found: Annotated[str, Meta(description="What is at its path now, in words")]


class Evidence(Struct, frozen=True, kw_only=True):
    """One purchase for which credits are owed back."""

    address: Annotated[str, Meta(description="The address of the job")]
    provider: str
    unit: Annotated[str, Meta(description="The unit of its credits")]
    model: str
    variant: str | None
    origin: Annotated[str, Meta(description="Whom it paid")]
    job_id: Annotated[str, Meta(description="The provider's id of the job")]
    idempotency_key: Annotated[str | None, Meta(description="The header `Idempotency-Key` of the request; no secret")]
    client_request_id: Annotated[str | None, Meta(description="The header `X-Client-Request-Id` of the request")]
    inference_id: Annotated[str | None, Meta(description="The header `x-inference-id`, which is the job's id")]
    team: Annotated[str | None, Meta(description="The provider's id of the team that paid")]
    user: Annotated[str | None, Meta(description="The provider's id of the user whose job it is")]
    submitted_at: str | None
    finished_at: str | None
    state: Annotated[str, Meta(description="The state of the receipt")]
    credits: Credits
    grounds: Annotated[Sequence[Ground], Meta(description="What is wrong, the largest amount first")]
    refund_claim: RefundClaim
    request: Annotated[Mapping[str, Any], Meta(description="The request; images as digests")]
    inputs: Annotated[Mapping[str, Any], Meta(description="Sources of images")]
    error: Annotated[str, Meta(description="What the provider or kbatch said; empty: nothing")]
    records: Annotated[Sequence[Recorded], Meta(description="The journal of this machine; empty where another bought")]
    clip: FoundClip | None
    files: Annotated[Sequence[EvidenceFile], Meta(description="Pictures of the clip in this folder")]


class EvidenceDocument(Struct, frozen=True, kw_only=True):
    """`evidence.json` of `kbatch claim`."""

    kbatch_claim: Annotated[int, Meta(description="The version of the format")] = 1
    made_at: str
    manifest: Annotated[str, Meta(description="The file name of the manifest")]
    campaign: Annotated[str, Meta(description="Its `name`")]
    claims: Sequence[Evidence]


class ProviderIds(Struct, frozen=True, kw_only=True):
    """What a provider calls a request beside its job id; None where it has no such name."""

    unit: str
    idempotency_key: str | None
    inference_id: str | None


def evidence_of(
    owed: OwedPurchase, claim: RefundClaim, ids: ProviderIds, events: Iterable[Event], clip: FoundClip | None
) -> Evidence:
    """Return the evidence of one purchase; `events` are those of its fingerprint."""
    receipt = owed.receipt
    account = account_of(receipt.account)
    return Evidence(
        address=owed.address,
        provider=receipt.provider,
        unit=ids.unit,
        model=receipt.model,
        variant=receipt.variant,
        origin=receipt.origin,
        job_id=receipt.job_id or "",
        idempotency_key=ids.idempotency_key,
        client_request_id=receipt.client_request_id,
        inference_id=ids.inference_id,
        team=account.team,
        user=account.user,
        submitted_at=receipt.submitted_at,
        finished_at=receipt.finished_at,
        state=receipt.state.value,
        credits=receipt.credits,
        grounds=owed.grounds,
        refund_claim=claim,
        request=without_queries(receipt.request),
        inputs=without_queries(receipt.inputs),
        error=receipt.error_message,
        records=[_recorded(event) for event in _about(receipt, events)][:MOST_ANSWERS],
        clip=clip,
        files=(),
    )


def _about(receipt: Receipt, events: Iterable[Event]) -> Iterable[Event]:
    for event in events:
        job_id = getattr(event.data, "job_id", receipt.job_id)
        if event.attempt == receipt.attempt and job_id == receipt.job_id:
            yield event


def _recorded(event: Event) -> Recorded:
    data = event.data
    said = {name: value for name, value in to_builtins(data).items() if name not in _NOT_SHOWN}
    if isinstance(data, Intended):
        said.pop("origin", None)
    return Recorded(at=event.at, kind=event.kind.value, data=_without_queries(said))


def _without_queries(value: Any) -> Any:
    if isinstance(value, str):
        return without_queries_within(value)
    if isinstance(value, Mapping):
        return {name: _without_queries(item) for name, item in value.items()}
    return [_without_queries(item) for item in value] if isinstance(value, list) else value


def clip_of(receipt: Receipt, found: str) -> FoundClip | None:
    """Return the receipt's clip with what is at its path now; None when none was delivered."""
    output = receipt.output
    if output is None:
        return None
    fields = {name: value for name, value in asdict(output).items() if name in ("path", "sha256", "bytes", "media")}
    return FoundClip(**fields, found=found)
