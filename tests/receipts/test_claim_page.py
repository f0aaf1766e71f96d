"""The page of a folder of evidence, and the list of claims: what a person at the provider's support reads."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from receipt_samples import DONE, Teller

from kbatch.receipts.events import Event
from kbatch.receipts.fold import fold
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.refunds.grounds import Ground, OwedPurchase
from kbatch.receipts.refunds.refund_claim import RefundReason
from kbatch.report.claims.claim_text import lines, open_claims, page
from kbatch.report.claims.evidence import EvidenceDocument, EvidenceFile, ProviderIds, clip_of, evidence_of

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "</script><script>window.broken=1</script>\x1b[31m first\n| second |\n::error::forged"
TELLER = Teller()
EVENTS: list[Event] = [
    *TELLER.tell_all(*DONE),
    TELLER.tell(Kind.REPORTED, credits=30),
    TELLER.tell(Kind.REFUND_CLAIMED),
]
RECEIPT = fold(EVENTS)["fp"]


def purchase(words: str = "charged 30, quoted 15") -> OwedPurchase:
    """Return a purchase that is claimed back."""
    ground = Ground(reason=RefundReason.ABOVE_QUOTE, credits=15, words=words)
    return OwedPurchase(fingerprint="fp", address=RECEIPT.address, receipt=RECEIPT, grounds=(ground,))


def document(owed: OwedPurchase) -> EvidenceDocument:
    """Return evidence about it."""
    assert RECEIPT.refund_claim is not None
    ids = ProviderIds(unit="credits", idempotency_key="kbatch-1", inference_id=None)
    one = evidence_of(owed, RECEIPT.refund_claim, ids, EVENTS, clip_of(RECEIPT, "it is not on this disk"))
    one = replace(one, files=[EvidenceFile(path="hero-1/first-frame.png", sha256="ab" * 32, bytes=9)])
    return EvidenceDocument(made_at="2026-11-30T12:00:00Z", manifest="c.yaml", campaign="solstice", claims=[one])


def compare(request: pytest.FixtureRequest, name: str, text: str) -> None:
    """Hold a text against its golden file, or write it with `--update-golden`."""
    if request.config.getoption("--update-golden"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_bytes(text.encode())
    assert text == (GOLDEN / name).read_bytes().decode()


def test_the_page_says_what_support_needs(request: pytest.FixtureRequest) -> None:
    """Ids, times, amounts and the cause, and the pictures with their digests."""
    compare(request, "claim.md", page(document(purchase())))


def test_the_list_names_state_amount_and_cause(request: pytest.FixtureRequest) -> None:
    """A line a purchase: open, settled, or not claimed yet."""
    teller = Teller()
    settled = fold([*teller.tell_all(*DONE), teller.tell(Kind.REFUND_SETTLED)])["fp"]
    unclaimed = replace(RECEIPT, refund_claim=None)
    found = [purchase(), *(replace(purchase(), receipt=receipt) for receipt in (unclaimed, settled))]
    compare(request, "claims.txt", "\n".join(lines(found)) + "\n")


def test_foreign_words_are_no_markup() -> None:
    """What a provider said stands in the page as text."""
    text = page(document(purchase(HOSTILE)))
    assert "<script" not in text
    assert "\n| second" not in text
    [line] = lines([purchase(HOSTILE)])
    assert "::error" not in line
    assert line.isprintable()


def test_unknown_credits_are_not_nothing() -> None:
    """A claim of unknown credits makes the provider's sum unknown."""
    claim = RECEIPT.refund_claim
    assert claim is not None
    unknown = replace(RECEIPT, refund_claim=replace(claim, credits=None))
    assert open_claims({"a": RECEIPT}) == {"apiframe": 15}
    assert open_claims({"a": RECEIPT, "b": unknown}) == {"apiframe": None}
    assert open_claims({"b": unknown, "a": RECEIPT}) == {"apiframe": None}
