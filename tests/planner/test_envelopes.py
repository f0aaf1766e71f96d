"""Envelopes: what stands in them, what they refuse, and which thresholds are reached; the file is read strictly."""

from typing import Any

import pytest

from kbatch.errors import Invalid, Refused
from kbatch.planner.budgets.budget_file import read_envelopes
from kbatch.planner.budgets.envelopes import (
    Envelope,
    EnvelopeUse,
    Reserved,
    Threshold,
    Wish,
    objection_to,
    reached,
    use_of,
)
from kbatch.planner.budgets.purchases import purchases_of
from kbatch.receipts.receipt import Credits, Purchase, Receipt
from kbatch.receipts.refunds.refund_claim import RefundClaim, RefundReason, Settlement
from tests.report.spend_samples import SOLSTICE, bought, failed, unknown

NOVEMBER = "2026-11"


DOUBLE = bought(job_id="double", credits=Credits(planned=15, reported=30))
SETTLED = RefundClaim(
    opened_at="2026-11-22T00:00:00Z",
    reason=RefundReason.DELIVERED_WRONG,
    credits=5,
    settlement=Settlement(at="2026-11-23T00:00:00Z", refunded=5, reference="ticket 1", by="person"),
)


def envelope(**changes: Any) -> Envelope:
    """Return an envelope of 100 credits for everything, with some of it changed."""
    return Envelope(**{"name": "all", "max_credits": {"apiframe": 100}, **changes})


def wish(credits: int | None = 15, market: str = "eu", **changes: str) -> Wish:
    """Return a purchase that is to be made."""
    about = Purchase(**{"address": "new", "labels": {"market": market}, "campaign": "solstice", "run": "", **changes})
    return Wish(fingerprint=f"{market}-{credits}", provider="apiframe", credits=credits, about=about)


def stands(of: Envelope, receipts: dict[str, Receipt], *wishes: Wish, **changes: Any) -> EnvelopeUse:
    """Return what stands in an envelope of one provider in November."""
    (use,) = use_of(of, purchases_of([receipts]), wishes, NOVEMBER, **changes)
    return use


@pytest.mark.parametrize(
    ("of", "used", "held"),
    [
        pytest.param(envelope(), 15 + 30 + 15 + 5 + 30, 25, id="all-time"),
        pytest.param(envelope(monthly=True), 15 + 5 + 30, 0, id="of-the-month-of-submission-in-utc"),
        pytest.param(envelope(labels={"market": "us"}), 45, 0, id="of-a-label"),
        pytest.param(envelope(labels={"market": "us", "team": "a"}), 0, 0, id="of-two-labels-both-must-match"),
        pytest.param(envelope(campaign="solstice"), 15 + 30 + 15 + 5, 25, id="of-a-campaign"),
        pytest.param(envelope(actor="bob"), 0, 0, id="of-another-person"),
        pytest.param(envelope(labels={"market": "us"}, monthly=True), 0, 0, id="of-a-label-in-another-month"),
    ],
)
def test_what_stands_in_an_envelope(of: Envelope, used: int, held: int) -> None:
    """Charges after refunds, and the quotes of unknown sends; an unreported charge counts as the largest known one."""
    use = stands(of, SOLSTICE)
    assert (use.used, use.held) == (used, held)
    assert use.left == 100 - used - held


@pytest.mark.parametrize(
    ("receipt", "used", "held", "unknowns"),
    [
        pytest.param(bought(credits=Credits(planned=15, reported=30)), 30, 0, 0, id="a-double-charge-counts-in-full"),
        pytest.param(failed("x", 15, 15, 0), 0, 0, 0, id="a-refund-gives-it-back"),
        pytest.param(failed("x", 15, None, None), 0, 0, 0, id="a-failure-without-a-word-costs-nothing"),
        pytest.param(bought(refund_claim=SETTLED), 10, 0, 0, id="a-settled-claim-gives-its-part-back"),
        pytest.param(
            bought(credits=Credits(planned=15), refund_claim=SETTLED, also=(DOUBLE,)),
            30 + 30 - 5,
            0,
            0,
            id="a-claim-on-an-unreported-charge-is-taken-off-the-largest-known",
        ),
        pytest.param(unknown("x", 15), 0, 15, 0, id="an-unknown-holds-its-quote"),
        pytest.param(unknown("x", None), 0, 0, 1, id="an-unknown-without-a-quote-is-unknown"),
        pytest.param(bought(credits=Credits()), 0, 0, 1, id="a-charge-that-cannot-be-known"),
    ],
)
def test_what_a_purchase_takes(receipt: Receipt, used: int, held: int, unknowns: int) -> None:
    """Nothing unknown is taken for 0."""
    use = stands(envelope(), {"fp": receipt})
    assert (use.used, use.held, use.unknown) == (used, held, unknowns)


def test_what_an_older_receipt_was_for_is_not_guessed() -> None:
    """It counts where everything does, and is said beside an envelope of a market."""
    assert stands(envelope(), SOLSTICE).unplaced == 0
    assert stands(envelope(labels={"market": "eu"}), SOLSTICE).unplaced == 1


@pytest.mark.parametrize(
    ("credits", "run", "expected"),
    [
        pytest.param(60, "elsewhere", 60, id="nothing-bought-yet"),
        pytest.param(60, "20261121T100000Z-1", 60 - 20, id="what-it-has-bought-counts-once"),
        pytest.param(10, "20261121T100000Z-1", 0, id="it-has-bought-more"),
    ],
)
def test_a_reservation_counts_with_what_its_run_has_bought(credits: int, run: str, expected: int) -> None:
    """Of a run that lives the larger of its reservation and its purchases stands in the envelope."""
    mine = Reserved(run=run, envelope="all", provider="apiframe", period=NOVEMBER, credits=credits)
    others = [
        Reserved(run="x", envelope=name, provider=provider, period=period, credits=99)
        for name, provider, period in (
            ("b", "apiframe", NOVEMBER),
            ("all", "aimlapi", NOVEMBER),
            ("all", "apiframe", "2026-12"),
        )
    ]
    assert stands(envelope(monthly=True), SOLSTICE, reserved=[mine, *others]).reserved == expected


@pytest.mark.parametrize(
    ("receipts", "wishes", "code"),
    [
        pytest.param({}, [wish(100)], None, id="exactly-full"),
        pytest.param({}, [wish(101)], "over-envelope", id="one-above"),
        pytest.param({}, [wish(60), wish(41, "us")], "over-envelope", id="together-one-above"),
        pytest.param({"a": unknown("x", 90)}, [wish(11)], "over-envelope", id="beside-an-unknown"),
        pytest.param(
            {"a": bought(credits=Credits(planned=15, reported=200))}, [], None, id="overdrawn-and-nothing-wanted"
        ),
        pytest.param(
            {"a": bought(credits=Credits(planned=15, reported=200))}, [wish(0)], "over-envelope", id="overdrawn"
        ),
        pytest.param({}, [wish(None)], "envelope-unpriced", id="without-a-price"),
        pytest.param({"a": unknown("x", None)}, [wish(1)], "untold-charges", id="beside-what-is-not-known"),
    ],
)
def test_what_an_envelope_refuses(receipts: dict[str, Receipt], wishes: list[Wish], code: str | None) -> None:
    """What is wanted must fit beside what is used, held and reserved, to the credit."""
    objection = objection_to(stands(envelope(), receipts, *wishes))
    assert (objection.code if isinstance(objection, Refused) else None) == code


def test_a_refusal_says_all_figures() -> None:
    """Which envelope, of which month, what is used, held, reserved, wanted and left."""
    reserved = [Reserved(run="x", envelope="eu", provider="apiframe", period=NOVEMBER, credits=1_000)]
    of = envelope(name="eu", monthly=True, max_credits={"apiframe": 1_100})
    receipts = {"a": unknown("x", 25), "b": bought()}
    objection = objection_to(stands(of, receipts, wish(90), reserved=reserved))
    assert objection is not None
    assert objection.message == (
        "envelope `eu` (2026-11): apiframe: 15 used, 25 held, 1,000 reserved by other runs, 90 wanted, 60 left of 1,100"
    )


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"a": bought(credits=Credits(planned=49, reported=49))}, [], id="one-below"),
        pytest.param({"a": bought(credits=Credits(planned=50, reported=50))}, [50], id="exactly"),
        pytest.param({"a": unknown("x", 80)}, [50, 80], id="by-what-is-held"),
        pytest.param({"a": bought(credits=Credits(planned=50, reported=150))}, [50, 80, 100], id="beyond"),
    ],
)
def test_which_thresholds_are_reached(receipts: dict[str, Receipt], expected: list[int]) -> None:
    """Used and held credits count, in whole numbers."""
    at = tuple(Threshold(percent=percent, command=("x",)) for percent in (50, 80, 100))
    assert [one.percent for one in reached(stands(envelope(at=at), receipts))] == expected


def read(text: str) -> tuple[Envelope, ...]:
    """Return the envelopes of a file."""
    return read_envelopes(text.encode(), "budgets.yaml", ("apiframe", "aimlapi"))


def test_an_envelope_is_read() -> None:
    """Every field; the command is split into words as a shell would, and read by none."""
    (one,) = read(
        "- name: eu\n  period: month\n  match: {label: {market: eu, 2: no}, campaign: solstice, actor: ada}\n"
        "  max_credits: {apiframe: 300}\n  paths: [campaigns, a.lock.json]\n"
        "  at: {80%: \"mail -s 'so much; rm -rf $HOME' ada\", 5%: ./x}\n"
    )
    assert (one.name, one.monthly, dict(one.max_credits), one.paths) == (
        "eu", True, {"apiframe": 300}, ("campaigns", "a.lock.json"),
    )  # fmt: skip
    assert (one.labels, one.campaign, one.actor) == ({"market": "eu", "2": "no"}, "solstice", "ada")
    assert [(each.percent, each.command) for each in one.at] == [
        (5, ("./x",)),
        (80, ("mail", "-s", "so much; rm -rf $HOME", "ada")),
    ]


OK = "- {name: x, max_credits: {apiframe: 1}"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        pytest.param("", (1, 1), "the file is empty", id="empty"),
        pytest.param("[]", (1, 1), "a list of envelopes", id="no-envelope"),
        pytest.param("name: x", (1, 1), "a list of envelopes", id="a-mapping"),
        pytest.param("- x", (1, 3), "must be an object", id="a-text"),
        pytest.param("- {max_credits: {apiframe: 1}}", (1, 3), "lacks the field `name`", id="no-name"),
        pytest.param("- {name: x}", (1, 3), "lacks the field `max_credits`", id="no-credits"),
        pytest.param("- {name: x, max_credits: {}}", (1, 26), "bounds nothing", id="bounds-nothing"),
        pytest.param("- {name: x, max_credits: 300}", (1, 26), "must be", id="a-bare-number"),
        pytest.param("- {name: x, max_credits: {apiframe: -1}}", (1, 37), "at least 0", id="negative"),
        pytest.param("- {name: x, max_credits: {apiframe: 1.5}}", (1, 37), "whole number", id="a-fraction"),
        pytest.param("- {name: x, max_credits: {apiframe: yes}}", (1, 37), "whole number", id="a-word"),
        pytest.param("- {name: x, max_credits: {apifram: 1}}", (1, 27), "is no provider", id="unknown-provider"),
        pytest.param(f"{OK}}}\n{OK}}}", (2, 10), "two envelopes are called", id="twice-the-same-name"),
        pytest.param(f"{OK}, period: week}}", (1, 49), "one of `month`", id="another-period"),
        pytest.param(f"{OK}, perid: month}}", (1, 48), "unknown field", id="misspelled"),
        pytest.param(f"{OK}, match: {{labels: {{}}}}}}", (1, 57), "unknown field", id="misspelled-inside"),
        pytest.param(f"{OK}, match: {{label: {{a: 5}}}}}}", (1, 60), "must be a string", id="a-label-that-is-a-number"),
        pytest.param(f"{OK}, at: {{0%: x}}}}", (1, 46), "is no part", id="zero-percent"),
        pytest.param(f"{OK}, at: {{101%: x}}}}", (1, 46), "is no part", id="above-the-whole"),
        pytest.param(f"{OK}, at: {{50: x}}}}", (1, 46), "is no part", id="no-percent"),
        pytest.param(f'{OK}, at: {{50%: "a \'b"}}}}', (1, 51), "No closing quotation", id="an-open-quote"),
        pytest.param(f"{OK}, at: {{50%: ' '}}}}", (1, 51), "is empty", id="an-empty-command"),
        pytest.param(f"{OK}, name: y}}", (1, 41), "stands already", id="a-key-twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: tuple[int, int], said: str) -> None:
    """Nothing is guessed, dropped or rounded."""
    with pytest.raises(Invalid) as wrong:
        read(text)
    (problem,) = wrong.value.problems
    assert problem.mark is not None
    assert (problem.mark.line, problem.mark.column) == place, problem
    assert said in problem.message


def test_all_problems_are_said_at_once() -> None:
    """One of each envelope, in their order."""
    with pytest.raises(Invalid) as wrong:
        read("- {name: x}\n- {name: y, max_credits: {z: 1}, at: {5: x}}\n")
    assert [problem.mark.line for problem in wrong.value.problems if problem.mark] == [1, 2, 2]
