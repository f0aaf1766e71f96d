"""Refund claims in receipts: they merge in any order, follow no failure away, and lower what a purchase has cost."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace
from receipt_samples import DONE, FAILED, OPENING, Teller

from kbatch.planner.budgets.purchases import purchases_of
from kbatch.planner.charges import charge_of, charged, spent_before
from kbatch.receipts.fold import check, fold
from kbatch.receipts.join import join
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.receipt import Credits, Receipt, ReceiptState
from kbatch.receipts.refunds.grounds import Promises, find_owed
from kbatch.receipts.refunds.refund_claim import RefundReason
from kbatch.runner.outcome import charge_of as settled_charge

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PROMISES = Promises(one_job_a_key=lambda name: name == "apiframe", clips_kept=lambda _name: timedelta(hours=24))


def claimed(*later: tuple[int, str]) -> Receipt:
    """Return a delivered clip of 30 credits, quoted 15, with its claim and settlements of so much each."""
    teller = Teller()
    events = [*teller.tell_all(*DONE), teller.tell(Kind.REPORTED, credits=30), teller.tell(Kind.REFUND_CLAIMED)]
    for refunded, reference in later:
        events.append(teller.tell(Kind.REFUND_SETTLED, refunded=refunded, reference=reference))
    renders: dict[str, Receipt] = {}
    for event in events:
        check(renders, event)
        renders = fold([event], renders)
    return renders["fp"]


def test_claims_join_in_any_order() -> None:
    """The earliest opening stays, the latest settlement is valid, and joining again changes nothing."""
    opened = claimed()
    assert opened.refund_claim is not None
    earlier = replace(opened, refund_claim=replace(opened.refund_claim, opened_at="2026-01-01T00:00:00Z"))
    known = [
        opened,
        claimed((5, "first")),
        claimed((5, "first"), (15, "second")),
        earlier,
        fold(Teller().tell_all(*DONE))["fp"],
    ]
    for order in permutations(known):
        joined = order[0]
        for one in order[1:]:
            joined = join(joined, one)
        claim = joined.refund_claim
        assert claim is not None
        assert claim.opened_at == OPENING["opened_at"]
        assert claim.settlement is not None
        assert (claim.settlement.refunded, claim.settlement.reference) == (15, "second")
        assert join(joined, joined) == joined


def test_a_settlement_needs_no_opening_of_its_own() -> None:
    """The event repeats what it settles, so that a lost journal loses no claim."""
    teller = Teller()
    receipt = fold([*teller.tell_all(*DONE), teller.tell(Kind.REFUND_SETTLED)])["fp"]
    assert receipt.refund_claim is not None
    assert receipt.refund_claim.reason is RefundReason.ABOVE_QUOTE
    lockfile = Lockfile(manifest="m", renders={"fp": receipt})
    assert parse(serialize(lockfile), "x").renders["fp"].refund_claim == receipt.refund_claim


@pytest.mark.parametrize(
    ("receipt", "net"),
    [
        pytest.param(claimed(), 30, id="open"),
        pytest.param(claimed((15, "t")), 15, id="half"),
        pytest.param(claimed((0, "refused")), 30, id="refused"),
        pytest.param(claimed((99, "t")), 0, id="never-below-nothing"),
        pytest.param(replace(claimed((15, "t")), credits=Credits(planned=15)), 0, id="not-reported"),
        pytest.param(replace(claimed((15, "t")), credits=Credits()), None, id="unknown-stays-unknown"),
    ],
)
def test_every_sum_follows_a_refund(receipt: Receipt, net: int | None) -> None:
    """What counts against a budget, what was charged and the settlement name the same."""
    assert charge_of(receipt) == net
    assert charged({"fp": receipt}) == {"apiframe": net or 0}
    assert spent_before((), {"fp": receipt}).credits == {"apiframe": net or 0}
    [paid] = purchases_of([{"fp": receipt}])
    assert net == (None if paid.charged is None else paid.charged - paid.refunded)


@pytest.mark.parametrize(
    ("receipt", "settled"),
    [
        pytest.param(claimed(), (30, 0, 15), id="open"),
        pytest.param(claimed((10, "t")), (20, 10, 5), id="in-part"),
        pytest.param(claimed((15, "t")), (15, 15, 0), id="the-difference"),
        pytest.param(claimed((99, "t")), (0, 30, 0), id="all-of-it"),
    ],
)
def test_a_settlement_counts_a_claimed_refund(receipt: Receipt, settled: tuple[int, int, int]) -> None:
    """What stays charged, what came back, and what of the charge is still unexplained."""
    charge = settled_charge(receipt)
    assert (charge.reported, charge.refunded, charge.unexplained) == settled


def owed(receipt: Receipt) -> list[tuple[RefundReason, int | None]]:
    """Return the grounds that are found for a receipt."""
    found = find_owed({"fp": receipt}, PROMISES, now=NOW)
    return [(ground.reason, ground.credits) for one in found for ground in one.grounds]


DELIVERED = fold(Teller().tell_all(*DONE))["fp"]
RENDERED = fold(Teller().tell_all(*DONE[:3]))["fp"]
GONE = fold(Teller().tell_all(*FAILED))["fp"]
SECOND = replace(DELIVERED, also=(replace(DELIVERED, job_id="job-0", submitted_at="2026-01-01T00:00:00Z"),))
WRONG = fold(Teller().tell_all(*DONE[:4], Kind.DELIVERED_WRONG))["fp"]


@pytest.mark.parametrize(
    ("receipt", "grounds"),
    [
        pytest.param(DELIVERED, [], id="as-bought"),
        pytest.param(replace(DELIVERED, credits=Credits(planned=15, reported=30)), [("above-quote", 15)], id="dearer"),
        pytest.param(replace(DELIVERED, credits=Credits(reported=30)), [], id="no-quote-no-ground"),
        pytest.param(SECOND, [("double", 15)], id="two-jobs-of-one-key"),
        pytest.param(replace(SECOND, provider="aimlapi"), [], id="two-jobs-without-keys"),
        pytest.param(replace(SECOND, attempt=2), [], id="bought-again-on-purpose"),
        pytest.param(WRONG, [("delivered-wrong", 15)], id="short"),
        pytest.param(replace(WRONG, accepted_as_is=True), [], id="accepted-as-it-is"),
        pytest.param(RENDERED, [("not-delivered", 15)], id="expired"),
        pytest.param(replace(RENDERED, finished_at="2026-02-28T23:00:00Z"), [], id="still-kept"),
        pytest.param(GONE, [], id="refunded-failure"),
        pytest.param(replace(GONE, credits=Credits(planned=15, reported=15)), [("not-refunded", 15)], id="kept-charge"),
        pytest.param(replace(GONE, credits=Credits(planned=15)), [], id="failure-of-unknown-charge"),
        pytest.param(replace(DELIVERED, state=ReceiptState.UNKNOWN, job_id=None), [], id="unknown"),
    ],
)
def test_grounds(receipt: Receipt, grounds: list[tuple[str, int]]) -> None:
    """Only what is on record is a ground: nothing is claimed by guess."""
    assert [(reason.value, credits) for reason, credits in owed(receipt)] == grounds
