"""The plan in words keeps providers apart, folds long lists, and never prints an unknown price as a number."""

from msgspec.structs import replace

from kbatch.planner.actions import Action
from kbatch.planner.summary import summarize
from kbatch.report.text.plan_text import _jobs, lines
from tests.planner.conftest import Campaign, plan_of

MIXED = """
prices: {"aimlapi/kling-video/v2.1/pro/image-to-video": {credits: 1000}}
shots:
  - {id: a, model: kling-2.1, prompt: x, labels: {market: eu}}
  - id: b
    provider: aimlapi
    model: kling-video/v2.1/pro/image-to-video
    labels: {market: eu}
    params: {image_url: "https://example.com/a.png"}
"""


def words_of(campaign: Campaign, body: str) -> str:
    """Return the plan's text at 100 columns."""
    plan = plan_of(campaign(body))
    found = lines(plan, summarize(plan, {"apiframe": 8, "aimlapi": 4}), width=100)
    return "\n".join("".join(words for words, _ in line) for line in found)


def test_credits_of_two_providers_are_never_added(campaign: Campaign) -> None:
    """No line of the plan holds the sum of two providers' credits, and shares say whose they are."""
    text = words_of(campaign, MIXED)
    assert "1,005" not in text
    assert "2 jobs, 5 apiframe credits and 1,000 aimlapi credits: not bought yet" in text
    assert "market  eu 5 apiframe · eu 1,000 aimlapi" in text


def test_an_unknown_price_is_a_question_mark(campaign: Campaign) -> None:
    """Where the price is unknown the plan says so and prints no total."""
    text = words_of(campaign, MIXED.partition("shots:")[1] + MIXED.partition("shots:")[2])
    assert "1 job without a known price" in text
    assert "aimlapi   expected" not in text


def test_a_long_plan_folds_and_says_how_to_see_more(campaign: Campaign) -> None:
    """Of 100 jobs sixty stand in the text, the others are counted with their credits."""
    axis = ", ".join(str(number) for number in range(100))
    text = words_of(campaign, f"shots: [{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{axis}]}}}}]")
    assert "… and 40 jobs more, 200 credits; --only GLOB or --format json shows them" in text


def test_a_reason_that_names_each_job_is_one_group_and_purchases_come_first(campaign: Campaign) -> None:
    """A changed prompt of many jobs is said once, and of many rows the free ones are counted, below what is bought."""
    axis = ", ".join(str(number) for number in range(100))
    body = f"shots: [{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{axis}]}}}}]"
    plan = plan_of(campaign(body))
    entries = tuple(
        replace(entry, action=Action.REUSE, credits=0, reason="bought 2026-11-21")
        if number < 90
        else replace(entry, reason=f"prompt changed since `{entry.address}` was rendered")
        for number, entry in enumerate(plan.entries)
    )
    rows = ["".join(words for words, _ in line) for line in _jobs(entries, 100)]
    assert rows[0] == "  render   10 jobs, 50 credits: prompt changed since it was rendered"
    assert [row for row in rows if "reuse" in row] == ["  reuse    90 jobs: bought 2026-11-21"]
    assert not [row for row in rows if "s[n=5]" in row]
    assert all(any(f"s[n={number}]" in row for row in rows) for number in range(90, 100))


def test_an_axis_of_many_values_is_reported_in_one_line(campaign: Campaign) -> None:
    """Where all cost the same they are counted, else the dearest stand there and the others are counted."""
    many = ", ".join(str(number) for number in range(100))
    shot = f"{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{many}]}}}}"
    assert "    n  100 values, each 5\n" in words_of(campaign, f"shots: [{shot}]")
    dear = "{id: d, model: kling-2.1, prompt: 'dear {{ n }}', matrix: {n: [77]}}"
    text = words_of(campaign, f"shots: [{shot}, {dear}]")
    assert "    n  77 10 · 0 5 · 1 5 · " in text
    assert "… and 60 more\n" in text


def test_an_axis_of_some_values_is_reported_in_full(campaign: Campaign) -> None:
    """Up to forty values are all there, in the manifest's order."""
    some = ", ".join(str(number) for number in range(40))
    text = words_of(campaign, f"shots: [{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{some}]}}}}]")
    assert "    n  0 5 · 1 5 · 2 5" in text
    assert "39 5" in text
    assert "… and" not in text
