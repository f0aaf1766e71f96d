"""The list of what is owed back, and the page of a folder of evidence, as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import to_builtins

from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.refunds.grounds import OwedPurchase
from kbatch.report.claims.evidence import Evidence, EvidenceDocument
from kbatch.report.data.format import count, harmless
from kbatch.report.markdown.markdown import code, prose


def open_claims(renders: Mapping[str, Receipt]) -> dict[str, int | None]:
    """Return by provider the credits that open claims ask back; None when one of them is of unknown credits."""
    found: dict[str, int | None] = {}
    for receipt in renders.values():
        for record in records_of(receipt):
            claim = record.refund_claim
            if claim is not None and claim.settlement is None:
                before = found.get(record.provider, 0)
                known = before is not None and claim.credits is not None
                found[record.provider] = (before or 0) + (claim.credits or 0) if known else None
    return found


def open_words(renders: Mapping[str, Receipt]) -> Iterator[str]:
    """Yield a sentence for each provider that owes credits back."""
    for provider, credits in sorted(open_claims(renders).items()):
        amount = "an unknown number of" if credits is None else f"{credits:,}"
        yield f"{provider}: {amount} credits are claimed back (`kbatch claim --list`)"


def lines(found: Iterable[OwedPurchase]) -> Iterator[str]:
    """Yield a line for each purchase with a claim or a ground."""
    for one in found:
        yield harmless(f"{_state(one):<9} {_asked(one):>12}  {one.address}  {one.receipt.job_id}  {_words(one)}")


def as_json(found: Iterable[OwedPurchase], renders: Mapping[str, Receipt]) -> dict[str, Any]:
    """Return the same as plain JSON, with what open claims ask back by provider."""
    purchases = [
        {
            "address": one.address,
            "provider": one.receipt.provider,
            "job_id": one.receipt.job_id,
            "state": _state(one),
            "grounds": to_builtins(one.grounds),
            "refund_claim": to_builtins(one.receipt.refund_claim),
        }
        for one in found
    ]
    return {"purchases": purchases, "claimed_back": open_claims(renders)}


def _state(one: OwedPurchase) -> str:
    claim = one.receipt.refund_claim
    return "unclaimed" if claim is None else claim.state


def _asked(one: OwedPurchase) -> str:
    claim = one.receipt.refund_claim
    credits = claim.credits if claim is not None else one.grounds[0].credits
    return "unknown" if credits is None else f"{credits:,}"


def _words(one: OwedPurchase) -> str:
    claim = one.receipt.refund_claim
    if claim is not None and claim.settlement is not None:
        end = claim.settlement
        return f"{end.refunded:,} came back on {end.at[:10]} ({end.reference})"
    said = "; ".join(ground.words for ground in one.grounds) or (claim.reason.value if claim else "")
    return f"{said}; open since {claim.opened_at[:10]}" if claim else said


def page(document: EvidenceDocument) -> str:
    """Return the folder's `README.md`, for a person at the provider's support."""
    parts = [
        "# Credits that are owed back",
        "",
        f"Campaign {code(document.campaign)}, {count(len(document.claims), 'job')}, gathered {document.made_at}. "
        "`evidence.json` has the same for programs. No API key is in this folder.",
        "",
        "| job | provider | credits owed | why |",
        "| --- | --- | ---: | --- |",
        *(_row(one) for one in document.claims),
    ]
    for one in document.claims:
        parts += ["", *_section(one)]
    return "\n".join(parts) + "\n"


def _row(one: Evidence) -> str:
    credits = one.refund_claim.credits
    owed = "unknown" if credits is None else f"{credits:,}"
    why = "; ".join(ground.words for ground in one.grounds) or one.refund_claim.reason.value
    return f"| {code(one.job_id)} | {prose(one.provider)} | {owed} | {prose(why)} |"


def _section(one: Evidence) -> Iterator[str]:
    yield f"## {prose(one.address)}"
    yield ""
    facts: Sequence[tuple[str, str | int | None]] = (
        ("job id", one.job_id),
        ("idempotency key", one.idempotency_key),
        ("client request id", one.client_request_id),
        ("inference id", one.inference_id),
        ("team", one.team),
        ("user", one.user),
        ("model", f"{one.model} {one.variant or ''}".strip()),
        ("sent", one.submitted_at),
        ("ended", one.finished_at),
        ("quoted", one.credits.planned),
        ("charged", one.credits.charged if one.credits.charged is not None else one.credits.reported),
        ("state", one.state),
        ("said", one.error or None),
        ("clip", one.clip.found if one.clip else None),
    )
    yield from (f"- {name}: {code(str(value))}" for name, value in facts if value is not None)
    for file in one.files:
        yield f"- [{file.path.rpartition('/')[2]}]({file.path}), SHA-256 `{file.sha256}`"
