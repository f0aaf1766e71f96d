"""Nothing is spent that was not agreed: ceilings, unpriced jobs, lowered prices, consent."""

import pytest
from msgspec.structs import replace

from kbatch.errors import Refused
from kbatch.planner.approval.consent import ConsentMethod, ConsentTerms, confirm, needed_flags, needs_ceiling
from kbatch.planner.ceilings import Ceilings, find_exceeded, read_ceilings
from kbatch.planner.plan import Plan, build_plan
from kbatch.providers.registry import NAMES
from kbatch.receipts.receipt import Credits, ReceiptState
from tests.planner.conftest import Campaign, plan_of, receipt_of

TWO = "shots: [{id: a, model: kling-2.6, prompt: x}, {id: b, model: kling-2.1, prompt: y}]"
MIXED = """
shots:
  - {id: a, model: kling-2.1, prompt: x}
  - id: b
    provider: aimlapi
    model: kling-video/v2.1/pro/image-to-video
    params: {image_url: "https://example.com/a.png"}
"""
NONE = Ceilings(run={}, budget={}, job={})


def refusal(plan: object, terms: ConsentTerms, given: ConsentMethod | None = ConsentMethod.YES) -> str:
    """Return the code of the refusal."""
    with pytest.raises(Refused) as caught:
        confirm(plan, terms, given)  # type: ignore[arg-type]
    return caught.value.code


def test_a_plan_within_its_ceilings_is_confirmed(campaign: Campaign) -> None:
    """25 + 5 credits fit a ceiling of 30 exactly."""
    plan = plan_of(campaign(TWO))
    ceilings, problems = read_ceilings(plan, ["30"], NAMES)
    assert problems == ()
    assert confirm(plan, ConsentTerms(ceilings=ceilings), ConsentMethod.YES).plan is plan


@pytest.mark.parametrize(
    ("budget", "max_credits"),
    [
        pytest.param("", ["29"], id="max-credits"),
        pytest.param("", ["apiframe=29"], id="max-credits-by-provider"),
        pytest.param("budget: {max_credits: 29}\n", [], id="budget"),
        pytest.param("budget: {max_credits: {apiframe: 29}}\n", ["1000"], id="the-lower-of-two"),
        pytest.param("budget: {max_credits_per_job: 24}\n", [], id="one-job"),
    ],
)
def test_one_credit_over_a_ceiling_is_refused(campaign: Campaign, budget: str, max_credits: list[str]) -> None:
    """Each ceiling refuses the plan that passes it by one."""
    plan = plan_of(campaign(budget + TWO))
    ceilings, problems = read_ceilings(plan, max_credits, NAMES)
    assert problems == ()
    assert refusal(plan, ConsentTerms(ceilings=ceilings)) == "over-ceiling"


def test_the_budget_counts_what_receipts_were_charged(campaign: Campaign) -> None:
    """The budget bounds this run together with every earlier charge: what was reported, else what was planned."""
    loaded = campaign("budget: {max_credits: 45}\n" + TWO)
    other = campaign("shots: [{id: gone, model: kling-2.6, prompt: z}]").jobs[0]
    paid = {"f" * 64: receipt_of(other, credits=Credits(planned=20, reported=16))}
    plan = plan_of(loaded, paid)
    ceilings, _ = read_ceilings(plan, [], NAMES)
    assert plan.spent == {"apiframe": 16}
    assert [over.wanted for over in find_exceeded(plan, ceilings)] == [46]


def test_what_unknowns_hold_counts_against_the_ceiling(campaign: Campaign) -> None:
    """The maximum is expected plus what unknown outcomes hold."""
    loaded = campaign(TWO)
    first = loaded.jobs[0]
    plan = plan_of(loaded, {first.fingerprint: receipt_of(first, ReceiptState.UNKNOWN)})
    total = plan.totals["apiframe"]
    assert (total.expected, total.maximum) == (5, 30)
    ceilings, _ = read_ceilings(plan, ["29"], NAMES)
    assert refusal(plan, ConsentTerms(ceilings=ceilings)) == "over-ceiling"


def test_a_bare_ceiling_over_two_providers_is_a_usage_problem(campaign: Campaign) -> None:
    """Credits of two providers never add up, so a bare number means nothing there."""
    _, problems = read_ceilings(plan_of(campaign(MIXED)), ["100"], NAMES)
    assert [problem.code for problem in problems] == ["ceiling-without-provider"]


@pytest.mark.parametrize("word", ["-1", "1.5", "x=", "many", "", "١٢"])
def test_a_ceiling_that_is_no_whole_number_is_a_problem(campaign: Campaign, word: str) -> None:
    """Only whole numbers are ceilings."""
    _, problems = read_ceilings(plan_of(campaign(TWO)), [word], NAMES)
    assert [problem.code for problem in problems] == ["bad-ceiling"]


def test_unpriced_jobs_need_to_be_allowed_by_number(campaign: Campaign) -> None:
    """A job without a known price is refused unless as many are allowed; its total is None and not 0."""
    plan = plan_of(campaign(MIXED))
    total = plan.totals["aimlapi"]
    assert (total.expected, total.maximum, total.unpriced) == (None, None, 1)
    assert refusal(plan, ConsentTerms(ceilings=NONE)) == "unpriced"
    assert confirm(plan, ConsentTerms(ceilings=NONE, allow_unpriced=1), ConsentMethod.YES).method is ConsentMethod.YES


def test_a_lowered_price_needs_trust(campaign: Campaign) -> None:
    """An untrusted manifest cannot make a job look cheaper than its card."""
    prices = 'prices: {"apiframe/kling-2.6": {credits: 1}}\n'
    plan = plan_of(campaign(prices + TWO))
    assert refusal(plan, ConsentTerms(ceilings=NONE)) == "price-lowered"
    assert (
        confirm(plan, ConsentTerms(ceilings=NONE, trust_prices=True), ConsentMethod.YES)
        .plan.totals["apiframe"]
        .expected
        == 6
    )


def test_a_purchase_needs_consent(campaign: Campaign) -> None:
    """A purchase needs consent; a plan without purchases needs none."""
    loaded = campaign(TWO)
    assert refusal(plan_of(loaded), ConsentTerms(ceilings=NONE), None) == "not-confirmed"
    done = {job.fingerprint: receipt_of(job) for job in loaded.jobs}
    assert confirm(plan_of(loaded, done), ConsentTerms(ceilings=NONE), None).method is None


def test_locked_refuses_any_purchase(campaign: Campaign) -> None:
    """--locked stops a run that would buy, and lets one that only reuses pass."""
    loaded = campaign(TWO)
    assert refusal(plan_of(loaded), ConsentTerms(ceilings=NONE, locked=True)) == "locked-plan"
    done = {job.fingerprint: receipt_of(job) for job in loaded.jobs}
    assert confirm(plan_of(loaded, done), ConsentTerms(ceilings=NONE, locked=True), None).plan.purchases == ()


def test_yes_without_a_terminal_needs_a_ceiling_for_each_provider_that_is_paid(campaign: Campaign) -> None:
    """A ceiling for one provider does not bound the other; a simulated run needs none."""
    plan = plan_of(campaign(MIXED))
    one = Ceilings(run={"apiframe": 100}, budget={}, job={})
    both = Ceilings(run={"apiframe": 100}, budget={"aimlapi": 5}, job={})
    assert needs_ceiling(plan, ConsentTerms(ceilings=one))
    assert not needs_ceiling(plan, ConsentTerms(ceilings=both))
    assert not needs_ceiling(plan, ConsentTerms(ceilings=NONE, simulated=True))


def _sent_again(campaign: Campaign, held: int | None) -> Plan:
    """Return the plan of one unknown send that may be sent again, and holds this."""
    loaded = campaign("shots:\n  - {id: one, model: kling-2.6, prompt: x}\n")
    job = loaded.jobs[0]
    renders = {job.fingerprint: receipt_of(job, ReceiptState.UNKNOWN)}
    plan = plan_of(loaded, renders)
    entries = tuple(replace(entry, resend=True, held=held) for entry in plan.entries)
    return build_plan(plan.basis, entries, renders)


@pytest.mark.parametrize(
    ("terms", "given", "code"),
    [
        pytest.param(ConsentTerms(ceilings=NONE), None, "not-confirmed", id="no-consent"),
        pytest.param(ConsentTerms(ceilings=NONE, locked=True), ConsentMethod.YES, "locked-plan", id="locked"),
        pytest.param(
            ConsentTerms(ceilings=replace(NONE, run={"apiframe": 24})), ConsentMethod.YES, "over-ceiling", id="ceiling"
        ),
        pytest.param(
            ConsentTerms(ceilings=replace(NONE, budget={"apiframe": 24})),
            ConsentMethod.YES,
            "over-ceiling",
            id="budget",
        ),
        pytest.param(
            ConsentTerms(ceilings=replace(NONE, job={"apiframe": 24})), ConsentMethod.YES, "over-ceiling", id="one-job"
        ),
    ],
)
def test_a_send_again_is_a_purchase(
    campaign: Campaign, terms: ConsentTerms, given: ConsentMethod | None, code: str
) -> None:
    """Every rule that holds for what is bought holds for what is sent again, at what it holds."""
    plan = _sent_again(campaign, 25)
    assert refusal(plan, terms, given) == code
    assert needs_ceiling(plan, ConsentTerms(ceilings=NONE))
    assert confirm(plan, ConsentTerms(ceilings=NONE), ConsentMethod.YES).plan is plan


def test_a_send_again_without_a_price_is_allowed_by_number(campaign: Campaign) -> None:
    """What it may cost is not known, so it counts as a job without a price, also in the command that is proposed."""
    plan = _sent_again(campaign, None)
    assert refusal(plan, ConsentTerms(ceilings=NONE)) == "unpriced"
    assert needed_flags(plan) == ("--allow-unpriced", "1")
    assert confirm(plan, ConsentTerms(ceilings=NONE, allow_unpriced=1), ConsentMethod.YES).plan is plan


UNPRICED = """
shots:
  - id: b
    provider: aimlapi
    model: kling-video/v2.1/pro/image-to-video
    params: {image_url: "https://example.com/a.png"}
    prompt: "{{ n }}"
    matrix: {n: [sent, next]}
"""


@pytest.mark.parametrize(
    ("ceilings", "code"),
    [
        pytest.param({"run": {"aimlapi": 10}}, "untold-charges", id="ceiling-of-the-run"),
        pytest.param({"budget": {"aimlapi": 10}}, "untold-charges", id="budget"),
        pytest.param({"run": {"apiframe": 10}}, None, id="another-providers-ceiling"),
        pytest.param({}, None, id="no-ceiling"),
    ],
)
def test_no_ceiling_is_held_beside_a_send_of_unknown_cost(
    campaign: Campaign, ceilings: dict[str, dict[str, int]], code: str | None
) -> None:
    """A send without a price and without an outcome may cost anything, so what bounds it with others refuses."""
    loaded = campaign(UNPRICED)
    sent = receipt_of(loaded.jobs[0], ReceiptState.UNKNOWN)
    plan = plan_of(loaded, {loaded.jobs[0].fingerprint: sent})
    limits = {"run": {}, "budget": {}, "job": {}, **ceilings}
    terms = ConsentTerms(ceilings=Ceilings(**limits), allow_unpriced=1)
    if code is None:
        assert confirm(plan, terms, ConsentMethod.YES).plan is plan
    else:
        assert refusal(plan, terms) == code


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        pytest.param("budget", "untold-charges", id="budget-counts-earlier-purchases"),
        pytest.param("run", None, id="a-run-counts-its-own"),
    ],
)
def test_no_budget_is_held_beside_a_charge_that_is_not_known(campaign: Campaign, limit: str, code: str | None) -> None:
    """An earlier purchase without a charge or a price is unknown and not 0; only the budget counts it."""
    loaded = campaign(UNPRICED)
    bought = receipt_of(loaded.jobs[0], credits=Credits(planned=None, reported=None))
    plan = plan_of(loaded, {loaded.jobs[0].fingerprint: bought})
    limits: dict[str, dict[str, int]] = {"run": {}, "budget": {}, "job": {}, limit: {"aimlapi": 10}}
    terms = ConsentTerms(ceilings=Ceilings(**limits), allow_unpriced=1)
    if code is None:
        assert confirm(plan, terms, ConsentMethod.YES).plan is plan
    else:
        assert refusal(plan, terms) == code
