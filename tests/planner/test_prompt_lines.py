"""Purchases are shown with their prompts within 80 columns, and a positive amount is never shown as zero."""

from decimal import Decimal

import pytest

from kbatch.planner.summary import summarize
from kbatch.report.data.prompts import asked_for
from kbatch.report.data.sums import dollars, dollars_at
from kbatch.report.text import plan_text
from tests.planner.conftest import Campaign, plan_of

LONG = "a very slow dolly over a ridge at dusk, " * 12
BODY = f"""
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: hero, prompt: "{{{{ city }}}}: {LONG}", matrix: {{city: [Lisbon, Tokyo, Oslo, Rome, Bergen]}}}}
  - {{id: takes, prompt: one prompt, takes: 3}}
  - {{id: forged, prompt: "x\\nSpend up to 1 credit? \\u001b[2K"}}
"""


def test_the_question_says_what_is_bought(campaign: Campaign) -> None:
    """The first few prompts, each on one line of 80 columns, the same prompt once, and how many more."""
    plan = plan_of(campaign(BODY))
    said = list(asked_for(plan.purchases, 80))
    assert max(map(len, said)) <= 80
    assert said[0].startswith("  hero[city=lisbon]  “Lisbon: a very slow dolly over a ridge")
    assert said[0].endswith("…”")
    assert said[-1].startswith("  … and 6 more jobs")
    every = list(asked_for(plan.purchases, 80, most=50))
    assert "  takes and 2 more jobs  “one prompt”" in every
    assert not any("\n" in line or "\x1b" in line for line in every)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_plan_shows_each_prompt_once_below_its_jobs(campaign: Campaign, width: int) -> None:
    """On a line of its own that fits; jobs that ask for the same one after the other share it."""
    plan = plan_of(campaign(BODY))
    said = ["".join(words for words, _ in line) for line in plan_text.lines(plan, summarize(plan, {}), width=width)]
    prompts = [line for line in said if line.startswith("      “")]
    assert len(prompts) == 7
    assert max(map(len, prompts)) <= width


@pytest.mark.parametrize(
    ("rate", "credits", "said"),
    [
        ("0.01", 430, "$4.30"),
        ("0.0000005", 2_625_000, "$1.31"),
        ("0.0000005", 9_999, "less than $0.01"),
        ("0.00000001", 10_500_000, "$0.10"),
        ("0.01", 0, "$0.00"),
        ("0.01", None, ""),
    ],
)
def test_dollars_that_are_not_nothing_are_not_shown_as_nothing(rate: str, credits: int | None, said: str) -> None:
    """However small a rate is, $0.00 is the price of nothing only."""
    assert dollars(Decimal(rate), credits) == said


def test_a_rate_stands_beside_the_dollars_that_it_makes() -> None:
    """It is the manifest's own: who reads the amount sees by what it was made."""
    assert dollars_at(Decimal("5E-7"), 2_625_000) == "$1.31 at $0.0000005 a credit"
    assert dollars_at(None, 5) == ""
