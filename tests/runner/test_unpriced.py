"""Purchases of unknown cost under a ceiling, one at a time, and what each report and each end lets the others do."""

from collections.abc import Mapping

import anyio
import pytest

from kbatch.planner.actions import PlanEntry
from kbatch.planner.ceilings import Ceilings
from kbatch.runner.limits.credit_reservations import CreditReservations
from kbatch.runner.limits.unpriced import CEILING_REACHED, Unpriced
from tests.campaign_rig import AIMLAPI
from tests.planner.conftest import Campaign, campaign, entries_of

__all__ = ["campaign"]

pytestmark = pytest.mark.anyio

TWO = f"""
shots:
  - id: shot
    provider: aimlapi
    model: {AIMLAPI}
    prompt: "{{{{ n }}}}"
    matrix: {{n: [one, two]}}
    params: {{image_url: "https://example.com/a.png"}}
"""


class Ceiling:
    """A ceiling in credits of AI/ML, and what is reserved under it; `known` are charges of its model."""

    def __init__(self, campaign: Campaign, credits: int | None, known: int | None = None, stated: str = "") -> None:
        self.first, self.second = entries_of(campaign(stated + TWO))
        limit: Mapping[str, int] = {} if credits is None else {"aimlapi": credits}
        self.reservations = CreditReservations(Ceilings(run=limit, budget={}, job={}), {}, {})
        self.kind = ("aimlapi", AIMLAPI, self.first.job.quote.variant)
        self.unpriced = Unpriced(self.reservations, {} if known is None else {self.kind: known})

    async def reserve(self, entry: PlanEntry) -> str | None:
        """Reserve an entry; "waits" when it has to wait for another one."""
        with anyio.move_on_after(0.01):
            return await self.unpriced.reserve(entry)
        return "waits"

    def report(self, credits: int) -> None:
        """Report a charge of the first purchase, as a run does: to the ceiling and to what is known."""
        purchase = self.first.job.fingerprint
        self.reservations.charge("aimlapi", purchase, credits, before=None)
        self.unpriced.charged(self.kind, purchase, credits)


async def test_without_a_ceiling_nothing_waits(campaign: Campaign) -> None:
    """There is nothing to hold, so both go at once, and their charges still count as this run's."""
    ceiling = Ceiling(campaign, None)
    assert await ceiling.reserve(ceiling.first) is None
    assert await ceiling.reserve(ceiling.second) is None
    ceiling.report(30)
    assert ceiling.reservations.committed("aimlapi") == 30


@pytest.mark.parametrize(
    ("reports", "ends", "then"),
    [
        pytest.param([], None, "waits", id="not-reported"),
        pytest.param([30], None, "waits", id="reported-and-still-rendering"),
        pytest.param([30], "rendered", None, id="reported-and-rendered"),
        pytest.param([0], "rendered", "waits", id="no-render-is-free"),
        pytest.param([], "rendered", "waits", id="rendered-without-a-charge"),
        pytest.param([50], "rendered", CEILING_REACHED, id="no-room-for-another-one"),
        pytest.param([], "not_charged", None, id="refused-or-failed"),
    ],
)
async def test_the_next_one_waits_for_a_final_charge(
    campaign: Campaign, reports: list[int], ends: str | None, then: str | None
) -> None:
    """Under a ceiling of 70 credits the second goes once the first's charge is final, at that charge."""
    ceiling = Ceiling(campaign, 70)
    assert await ceiling.reserve(ceiling.first) is None
    for credits in reports:
        ceiling.report(credits)
    if ends is not None:
        getattr(ceiling.unpriced, ends)("aimlapi", ceiling.first.job.fingerprint)
    assert await ceiling.reserve(ceiling.second) == then
    if then is None:
        assert ceiling.reservations.committed("aimlapi") == (60 if reports else 0)


@pytest.mark.parametrize(
    ("reports", "why"),
    [
        pytest.param([], "is not told", id="no-charge"),
        pytest.param([30], "may change until its render has ended", id="charge-before-the-end"),
    ],
)
async def test_an_end_without_a_final_charge_ends_buying(campaign: Campaign, reports: list[int], why: str) -> None:
    """No ceiling can be proven after it, so nothing more of the provider is bought, and the reason names the job."""
    ceiling = Ceiling(campaign, 70)
    assert await ceiling.reserve(ceiling.first) is None
    for credits in reports:
        ceiling.report(credits)
    ceiling.unpriced.ended("aimlapi", ceiling.second.job.fingerprint)
    assert await ceiling.reserve(ceiling.second) == "waits"
    ceiling.unpriced.ended("aimlapi", ceiling.first.job.fingerprint)
    said = await ceiling.reserve(ceiling.second)
    assert said == (
        f"what `{ceiling.first.address}` was charged {why}, so the ceiling cannot be held: "
        "nothing more of aimlapi is bought in this run"
    )


async def test_another_purchases_end_frees_nothing(campaign: Campaign) -> None:
    """Only the purchase that goes alone lets the others go."""
    ceiling = Ceiling(campaign, 70)
    assert await ceiling.reserve(ceiling.first) is None
    ceiling.unpriced.charged(ceiling.kind, ceiling.second.job.fingerprint, 30)
    ceiling.unpriced.rendered("aimlapi", ceiling.first.job.fingerprint)
    assert await ceiling.reserve(ceiling.second) == "waits"
    ceiling.unpriced.not_charged("aimlapi", ceiling.second.job.fingerprint)
    assert await ceiling.reserve(ceiling.second) == "waits"


async def test_a_known_charge_is_reserved_and_nothing_waits(campaign: Campaign) -> None:
    """Both go at once at the highest known charge, or not at all."""
    ceiling = Ceiling(campaign, 70, known=40)
    assert await ceiling.reserve(ceiling.first) is None
    assert ceiling.reservations.committed("aimlapi") == 40
    assert await ceiling.reserve(ceiling.second) == CEILING_REACHED
    assert ceiling.reservations.committed("aimlapi") == 40
    ceiling.reservations.release("aimlapi", ceiling.first.job.fingerprint)
    assert ceiling.reservations.committed("aimlapi") == 0
    assert await ceiling.reserve(ceiling.second) is None


async def test_a_ceiling_without_room_lets_none_go_alone(campaign: Campaign) -> None:
    """Not one credit fits, and an unknown charge is at least one."""
    ceiling = Ceiling(campaign, 0)
    assert await ceiling.reserve(ceiling.first) == CEILING_REACHED


@pytest.mark.parametrize(("known", "reserved"), [(None, 20), (15, 20), (40, 40)])
async def test_a_stated_price_is_raised_to_a_known_charge(campaign: Campaign, known: int | None, reserved: int) -> None:
    """What a manifest alone says of a price is not believed below what was charged."""
    ceiling = Ceiling(campaign, 70, known=known, stated=f"prices: {{aimlapi/{AIMLAPI}: {{credits: 20}}}}\n")
    assert ceiling.first.invented
    assert await ceiling.reserve(ceiling.first) is None
    assert ceiling.reservations.committed("aimlapi") == reserved
