"""Approvals for the tests, whose digest is that of the purchases they list."""

from typing import Any

from msgspec.structs import replace

from kbatch.receipts.approvals.approval import Approval, ApprovedJob, ApprovedPlan, Person

ANN = Person(name="Ann", email="ann@example.com")


def sample_plan(**changes: Any) -> ApprovedPlan:
    """Return an approved plan of two purchases for 30 credits."""
    jobs = {
        f"hero[city={city}]": ApprovedJob(
            fingerprint=f"fp-{city}", attempt=1, provider="apiframe", model="kling-2.6", variant="5s", credits=15
        )
        for city in ("lisbon", "tokyo")
    }
    plan = ApprovedPlan(
        manifest="campaign.yaml",
        profile=None,
        made_at="2026-11-30T09:00:00Z",
        author=Person(name="Bob", email="bob@example.com"),
        jobs=jobs,
        maximum={"apiframe": 30},
        origins={"apiframe": "https://api.apiframe.ai"},
        terms="sha256:" + "0" * 64,
    )
    return replace(plan, **changes)


def sample_approval(plan: ApprovedPlan | None = None, **changes: Any) -> Approval:
    """Return Ann's approval of a plan, by default of `sample_plan`, with some of it changed."""
    plan = plan or sample_plan()
    approval = Approval(
        digest=plan.digest,
        by=ANN,
        at="2026-11-30T10:00:00Z",
        expires_at="2026-12-01T10:00:00Z",
        maximum={"apiframe": 30},
        plan=plan,
        note="as agreed on Monday",
    )
    return replace(approval, **changes)
