"""Whether an approval counts: its time, what proves it, its approver and the approver's limit."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kbatch.errors import Refused
from kbatch.planner.approval.approving import check_age
from kbatch.planner.approval.validity import ApprovalPolicy, Proof, check_valid
from kbatch.receipts.approvals.approval import Person
from tests.receipts.approval_samples import sample_approval, sample_plan

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SEALED = Proof(sealed=True)
REVIEWED = Proof(reviewed=True)
ANNS = Proof(signers=frozenset({"ann@example.com"}))
BOBS = Proof(sealed=True, signers=frozenset({"BOB@example.com"}))
BOTH = Proof(signers=ANNS.signers | BOBS.signers)
ANY = ApprovalPolicy(require_signed=False)
SIGNED = ApprovalPolicy()
NOT_OWN = ApprovalPolicy(own_plan=False)
LIMITS = ApprovalPolicy(limits={"Ann@example.com": {"apiframe": 30}, "bob@example.com": {"apiframe": 29}})
ANYONE = ApprovalPolicy(limits={"*": {"apiframe": 30}, "bob@example.com": {"aimlapi": 1000}})


@pytest.mark.parametrize(
    ("proof", "policy", "changes", "code"),
    [
        pytest.param(SEALED, ANY, {}, None, id="own-machine"),
        pytest.param(REVIEWED, ANY, {}, None, id="reviewed-branch"),
        pytest.param(ANNS, ANY, {}, None, id="signed"),
        pytest.param(Proof(), ANY, {}, "approval-unproven", id="from-a-checkout"),
        pytest.param(SEALED, SIGNED, {}, "approval-unsigned", id="sealed-only"),
        pytest.param(REVIEWED, SIGNED, {}, "approval-unsigned", id="reviewed-only"),
        pytest.param(ANNS, SIGNED, {"expires_at": "2026-11-30T12:00:00Z"}, "approval-expired", id="expires-now"),
        pytest.param(ANNS, SIGNED, {"at": "2026-11-30T12:06:00Z"}, "clock-differs", id="from-the-future"),
        pytest.param(ANNS, NOT_OWN, {}, None, id="plan-of-another"),
        pytest.param(BOBS, NOT_OWN, {}, "approval-own-plan", id="own-plan-by-signature"),
        pytest.param(ANNS, NOT_OWN, {"by": Person(name="bob")}, "approval-own-plan", id="own-plan-by-name"),
        pytest.param(ANNS, NOT_OWN, {"plan": sample_plan(author=None)}, "approval-own-plan", id="author-unknown"),
        pytest.param(ANNS, LIMITS, {}, None, id="at-the-limit"),
        pytest.param(BOBS, LIMITS, {}, "approval-over-limit", id="above-the-limit"),
        pytest.param(Proof(signers=frozenset({"eve"})), LIMITS, {}, "approval-over-limit", id="no-limit-given"),
        pytest.param(Proof(signers=frozenset({"eve"})), ANYONE, {}, None, id="limit-of-everyone"),
        pytest.param(BOBS, ANYONE, {}, "approval-over-limit", id="own-limit-before-everyones"),
        pytest.param(ANNS, LIMITS, {"maximum": {"aimlapi": 1}}, "approval-over-limit", id="another-provider"),
        pytest.param(BOTH, LIMITS, {}, "approval-over-limit", id="lowest-of-two-names"),
    ],
)
def test_who_may_approve_what(proof: Proof, policy: ApprovalPolicy, changes: Any, code: str | None) -> None:
    """Each rule refuses by a code of its own; a name is compared without case."""
    approval = sample_approval(**changes)
    if code is None:
        check_valid(approval, proof, policy, NOW)
        return
    with pytest.raises(Refused) as refused:
        check_valid(approval, proof, policy, NOW)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("made_at", "code"),
    [
        pytest.param("2026-11-29T12:00:01Z", None, id="young"),
        pytest.param("2026-11-29T11:59:59Z", "plan-too-old", id="old"),
        pytest.param("2026-11-30T12:04:00Z", None, id="a-little-ahead"),
        pytest.param("2026-11-30T12:06:00Z", "clock-differs", id="from-the-future"),
        pytest.param(None, "plan-too-old", id="not-said"),
        pytest.param("yesterday", "plan-too-old", id="no-time"),
        pytest.param("2026-11-30T12:00:00", "plan-too-old", id="no-zone"),
    ],
)
def test_an_age_that_is_not_known_is_too_old(made_at: str | None, code: str | None) -> None:
    """A plan that does not say when it was made is refused, as one from the future is."""
    if code is None:
        check_age(made_at, NOW, NOW - datetime(2026, 11, 29, 12, tzinfo=UTC))
        return
    with pytest.raises(Refused) as refused:
        check_age(made_at, NOW, NOW - datetime(2026, 11, 29, 12, tzinfo=UTC))
    assert refused.value.code == code
