"""The ceiling of a run, under every order of answers: never passed while providers charge what they quote."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.planner.ceilings import Ceilings
from kbatch.runner.limits.credit_reservations import CreditReservations

NAMES = ("apiframe", "aimlapi")


@dataclass
class Book:
    """What is true, kept apart from what is tested: each purchase's amount by provider, and what was charged before."""

    ceilings: Ceilings
    spent: dict[str, int]
    taken: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in NAMES})

    def fits(self, provider: str, credits: int) -> bool:
        """Whether one more purchase stays within every ceiling."""
        total = sum(self.taken[provider].values()) + credits
        run, budget, job = (
            limits.get(provider) for limits in (self.ceilings.run, self.ceilings.budget, self.ceilings.job)
        )
        return (
            (run is None or total <= run)
            and (budget is None or total + self.spent[provider] <= budget)
            and (job is None or credits <= job)
        )


amounts = st.integers(0, 60)
limits = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 200))
ceilings = st.builds(Ceilings, run=limits, budget=limits, job=st.dictionaries(st.sampled_from(NAMES), amounts))
held = st.dictionaries(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(("u1", "u2")), amounts))
acts = st.lists(
    st.tuples(
        st.sampled_from(("take", "take", "take", "refuse", "report", "charge", "refund")),
        st.sampled_from(NAMES),
        st.sampled_from([f"job-{number}" for number in range(8)]),
        amounts,
    ),
    max_size=60,
)


@given(ceilings, st.fixed_dictionaries(dict.fromkeys(NAMES, amounts)), held, acts)
def test_no_order_of_answers_passes_a_ceiling(
    ceilings: Ceilings, spent: dict[str, int], held: dict[str, dict[str, int]], acts: list[tuple[str, str, str, int]]
) -> None:
    """A purchase is refused exactly when it would pass a ceiling; refusals and refunds give back what was taken."""
    reservations = CreditReservations(ceilings, spent, held)
    book = Book(ceilings, spent)
    for provider, unknown in held.items():
        book.taken[provider].update(unknown)
    for act, provider, name, credits in acts:
        mine = book.taken[provider]
        if act == "take" and name not in mine:
            fits = book.fits(provider, credits)
            assert reservations.reserve(provider, name, credits) is fits
            if fits:
                mine[name] = credits
        elif act == "refuse":
            reservations.release(provider, name)
            mine.pop(name, None)
        elif act == "report" and name in mine:  # said while the job renders: what is reserved stays reserved
            reservations.charge(provider, name, min(credits, mine[name]), before=None)
        elif act == "charge" and name in mine:
            mine[name] = min(credits, mine[name])
            reservations.finalize(provider, name, mine[name], before=None)
        elif act == "refund" and name in mine:
            reservations.finalize(provider, name, 0, before=mine[name])
            mine[name] = 0
        assert reservations.committed(provider) == sum(mine.values())


def test_a_charge_above_the_quote_leaves_less() -> None:
    """What was charged beyond the quote is taken from what is left, and nothing more is taken once it is used up."""
    reservations = CreditReservations(Ceilings(run={"apiframe": 20}, budget={}, job={}), {}, {})
    assert reservations.reserve("apiframe", "one", 5)
    reservations.charge("apiframe", "one", 18, before=5)
    assert not reservations.reserve("apiframe", "two", 5)
    assert reservations.reserve("apiframe", "three", 2)


def test_an_earlier_run_s_refund_frees_the_budget_only() -> None:
    """A job of an earlier run that fails now gives back to the budget, not to this run's own ceiling."""
    reservations = CreditReservations(
        Ceilings(run={"apiframe": 10}, budget={"apiframe": 30}, job={}), {"apiframe": 25}, {}
    )
    assert not reservations.reserve("apiframe", "new", 10)
    reservations.finalize("apiframe", "of an earlier run", 0, before=15)
    assert reservations.reserve("apiframe", "new", 10)
    assert not reservations.reserve("apiframe", "newer", 1)


def test_an_unpriced_job_counts_once_its_charge_is_told() -> None:
    """It reserves nothing, and then what it cost."""
    reservations = CreditReservations(Ceilings(run={"aimlapi": 10}, budget={}, job={}), {}, {})
    assert reservations.reserve("aimlapi", "one", None)
    reservations.charge("aimlapi", "one", 9, before=None)
    assert not reservations.reserve("aimlapi", "two", 2)


def test_what_an_unknown_outcome_held_is_released_when_it_failed() -> None:
    """Found and refunded, it holds nothing any more."""
    reservations = CreditReservations(Ceilings(run={"apiframe": 10}, budget={}, job={}), {}, {"apiframe": {"lost": 8}})
    assert not reservations.reserve("apiframe", "new", 5)
    reservations.finalize("apiframe", "lost", 0, before=8)
    assert reservations.reserve("apiframe", "new", 10)


def test_what_is_said_before_the_end_gives_nothing_back():
    """A provider may say less than it takes at the end: the reservation stays until the render has ended."""
    reservations = CreditReservations(Ceilings(run={"aimlapi": 10}, budget={}, job={}), {}, {})
    assert reservations.reserve("aimlapi", "one", 8)
    reservations.charge("aimlapi", "one", 1, before=None)
    assert not reservations.reserve("aimlapi", "two", 8)
    reservations.finalize("aimlapi", "one", 1, before=1)
    assert reservations.reserve("aimlapi", "two", 8)


@pytest.mark.parametrize(
    ("before", "left"), [(None, 4), (0, 4), (10, 14), (16, 20)], ids=["none-known", "nothing", "less", "the-same"]
)
@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
def test_an_earlier_run_s_charge_counts_against_the_budget_once(before: int | None, left: int, ended: bool) -> None:
    """Of a charge of 16 only what its receipt had not said yet is new; another provider's budget stays as it was."""
    ceilings = Ceilings(run={}, budget={"apiframe": 30, "aimlapi": 5}, job={})
    reservations = CreditReservations(ceilings, {"apiframe": 10}, {})
    tell = reservations.finalize if ended else reservations.charge
    tell("apiframe", "bought earlier", 16, before=before)
    assert not reservations.reserve("apiframe", "new", left + 1)
    assert reservations.reserve("apiframe", "new", left)
    assert reservations.committed("apiframe") == left
    assert reservations.reserve("aimlapi", "new", 5)


def test_a_charge_of_a_provider_without_earlier_ones_counts() -> None:
    """Where no receipt of a provider has cost anything yet, an adopted purchase is the first that its budget counts."""
    reservations = CreditReservations(Ceilings(run={}, budget={"apiframe": 30}, job={}), {}, {})
    reservations.charge("apiframe", "adopted", 20, before=None)
    assert not reservations.reserve("apiframe", "new", 11)
    assert reservations.reserve("apiframe", "new", 10)
