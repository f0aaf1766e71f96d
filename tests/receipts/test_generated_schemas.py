"""The JSON Schemas of events, lockfile and evidence are generated from the types that decode them.

`pytest -n0 tests/receipts/test_generated_schemas.py --update-golden` writes them anew.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Union

import msgspec
import pytest
from approval_samples import sample_approval
from jsonschema import Draft202012Validator
from msgspec import Meta
from msgspec.json import encode, schema
from receipt_samples import DONE, Teller

from kbatch.planner.budgets.budget_file import EnvelopeJson
from kbatch.receipts.approvals.approvals_file import ApprovalsJson
from kbatch.receipts.approvals.approvals_file import serialize as serialize_approvals
from kbatch.receipts.events import EVENTS
from kbatch.receipts.fold import fold
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry, LockfileJson
from kbatch.receipts.refunds.grounds import Ground, OwedPurchase
from kbatch.receipts.refunds.refund_claim import RefundReason
from kbatch.report.claims.evidence import EvidenceDocument, ProviderIds, clip_of, evidence_of

SCHEMAS = Path(__file__).parents[2] / "schemas"


def example_event() -> Any:
    """Return the JSON of an accepted job."""
    return json.loads(Teller().tell_all(*DONE[:2])[1].to_line())


def example_lockfile() -> Any:
    """Return the JSON of a lockfile with one clip."""
    entry = IndexEntry(fingerprint="fp", path="renders/hero.mp4")
    renders = fold(Teller().tell_all(*DONE))
    lockfile = Lockfile(manifest="campaign.yaml", jobs={"hero[city=lisbon]": entry}, renders=renders)
    return json.loads(serialize(lockfile))


def example_approvals() -> Any:
    """Return the JSON of one approval of two purchases."""
    approval = sample_approval()
    return json.loads(serialize_approvals({approval.id: approval}))


def example_evidence() -> Any:
    """Return the JSON of evidence about a clip that was charged above its quote."""
    teller = Teller()
    events = [*teller.tell_all(*DONE), teller.tell(Kind.REPORTED, credits=30), teller.tell(Kind.REFUND_CLAIMED)]
    receipt = fold(events)["fp"]
    assert receipt.refund_claim is not None
    ground = Ground(reason=RefundReason.ABOVE_QUOTE, credits=15, words="charged 30, quoted 15")
    owed = OwedPurchase(fingerprint="fp", address=receipt.address, receipt=receipt, grounds=(ground,))
    ids = ProviderIds(unit="credits", idempotency_key="kbatch-1", inference_id=None)
    claim = evidence_of(owed, receipt.refund_claim, ids, events, clip_of(receipt, "it is not on this disk"))
    made = "2026-11-30T12:00:00Z"
    document = EvidenceDocument(made_at=made, manifest="campaign.yaml", campaign="solstice", claims=[claim])
    return json.loads(encode(document, order="sorted"))


def example_budgets() -> Any:
    """Return the JSON of one envelope with all its fields."""
    match = {"label": {"market": "eu"}, "campaign": "solstice", "actor": "ada"}
    at = {"80%": "mail -s budget ada@example.com"}
    made = {"name": "eu", "period": "month", "match": match, "max_credits": {"apiframe": 300}, "at": at}
    return [{**made, "paths": ["campaigns"]}]


SHAPES = {
    "approvals": ("approvals", ApprovalsJson, example_approvals),
    "event": ("events", Union[tuple(EVENTS.values())], example_event),  # noqa: UP007 - made of a tuple
    "lockfile": ("lockfile", LockfileJson, example_lockfile),
    "claim": ("claim", EvidenceDocument, example_evidence),
    "budgets": ("budgets", Annotated[list[EnvelopeJson], Meta(min_length=1)], example_budgets),
}


def document(title: str, shape: Any, example: Any) -> dict[str, Any]:
    """Return a JSON Schema as a file has it."""
    made = schema(shape)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"kbatch {title}",
        **({"description": EVENT} if title == "event" else {}),
        **made,
        "examples": [example],
    }


EVENT = "One line of a journal (JSON Lines): an event of one attempt, or of the run."


OLDER = tuple(map(int, msgspec.__version__.split(".")[:2])) < (0, 23)


@pytest.mark.skipif(OLDER, reason="before 0.23 msgspec leaves keywords out of the schemas that it makes")
@pytest.mark.parametrize("title", SHAPES)
def test_a_schema_is_what_its_types_give(title: str, request: pytest.FixtureRequest) -> None:
    """The file equals what is generated, is a schema, and accepts its example."""
    name, shape, example = SHAPES[title]
    wanted = document(title, shape, example())
    path = SCHEMAS / f"{name}.schema.json"
    if request.config.getoption("--update-golden"):
        path.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == wanted, f"`--update-golden` writes {path.name} anew"
    Draft202012Validator.check_schema(wanted)
    Draft202012Validator(wanted).validate(wanted["examples"][0])
