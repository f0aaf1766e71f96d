"""The plan in words keeps providers apart, folds long lists, and never prints an unknown price as a number."""

import shlex

import pytest
from msgspec.structs import replace

from kbatch.planner.actions import Action
from kbatch.planner.summary import summarize
from kbatch.report.text import plan_jobs
from kbatch.report.text.plan_text import lines
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
    """Of 100 jobs the first six stand in the text, the others are counted with their credits."""
    axis = ", ".join(str(number) for number in range(100))
    text = words_of(campaign, f"shots: [{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{axis}]}}}}]")
    assert "… and 94 jobs more, 470 credits; `kbatch plan --all` shows them" in text


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
    rows = ["".join(words for words, _ in line) for line in plan_jobs.lines(entries, 100)]
    assert rows[0] == "  render   10 jobs, 50 credits: prompt changed since it was rendered"
    assert [row for row in rows if "reuse" in row] == [
        "  reuse    90 jobs: paid already; `kbatch plan --all` shows them"
    ]
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
    assert "… and 60 more, together 300\n" in text


def test_an_axis_of_some_values_is_reported_in_full(campaign: Campaign) -> None:
    """Up to forty values are all there, in the manifest's order."""
    some = ", ".join(str(number) for number in range(40))
    text = words_of(campaign, f"shots: [{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{some}]}}}}]")
    assert "    n  0 5 · 1 5 · 2 5" in text
    assert "39 5" in text
    assert "… and" not in text


def test_what_costs_money_stands_first_and_paid_jobs_are_one_line(campaign: Campaign) -> None:
    """Fifty purchases behind 250 paid jobs are seen at once, and a paid job that needs a look has its own line."""
    axis = ", ".join(str(number) for number in range(300))
    plan = plan_of(campaign(f"shots: [{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{axis}]}}}}]"))
    entries = tuple(
        replace(
            entry,
            action=Action.REUSE,
            credits=0,
            reason="stale: its upstream was bought anew" if number == 3 else f"bought 2026-11-{number % 28 + 1:02}",
            reminder=number == 3,
        )
        if number < 250
        else entry
        for number, entry in enumerate(plan.entries)
    )
    rows = ["".join(words for words, _ in line) for line in plan_jobs.lines(entries, 80)]
    assert rows[0] == "  render   50 jobs, 250 credits: not bought yet"
    assert rows[-2:] == [
        "  reuse    1 job: stale: its upstream was bought anew, first s[n=3]",
        "  reuse    249 jobs: paid already; `kbatch plan --all` shows them",
    ]
    assert len(rows) < 20
    every = ["".join(words for words, _ in line) for line in plan_jobs.lines(entries, 80, every=True)]
    assert sum(row.startswith("    s[n=") for row in every) == 300


def test_a_seed_that_changed_in_each_job_is_one_reason(campaign: Campaign) -> None:
    """Ten thousand reasons of one shot are one group with its first; of many groups the dearest are shown."""
    axis = ", ".join(str(number) for number in range(200))
    plan = plan_of(campaign(f"shots: [{{id: s, model: kling-2.1, prompt: '{{{{ n }}}}', matrix: {{n: [{axis}]}}}}]"))
    seeds = tuple(
        replace(entry, reason=f"seed {number} → {number + 1} changed since `{entry.address}` was rendered")
        for number, entry in enumerate(plan.entries)
    )
    rows = ["".join(words for words, _ in line) for line in plan_jobs.lines(seeds, 100)]
    assert rows[0].endswith("200 jobs, 1,000 credits: seed 0 → 1 changed since it was rendered, each in its own way")
    failures = tuple(
        replace(entry, reason=f"failed last time, nothing was charged: {number}")
        for number, entry in enumerate(plan.entries)
    )
    rows = ["".join(words for words, _ in line) for line in plan_jobs.lines(failures, 100)]
    assert rows[-1] == "  … and 188 jobs for 188 more reasons, 940 credits; `kbatch plan --all` shows them"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_digest_is_short_and_whole_where_it_is_copied(campaign: Campaign, width: int) -> None:
    """The command that agrees has all of it, in rows that a shell joins to the same words."""
    plan = plan_of(campaign("shots: [{id: s, model: kling-2.1, prompt: x}]"))
    command = f"kbatch run 'a b.yaml' --only 's*' --approve {plan.digest}"
    found = lines(plan, summarize(plan, {}), width=width, command=command)
    rows = ["".join(words for words, _ in line) for line in found]
    at = rows.index("  to agree to exactly this plan:")
    copied = "\n".join(rows[at + 1 :])
    assert shlex.split(copied.replace("\\\n", "")) == shlex.split(command)
    assert width < 80 or max(map(len, rows[at:])) <= width
    assert plan.digest not in "\n".join(rows[:at])
    assert f"{plan.digest[:19]}…" in rows[at - 1]
    alone = ["".join(words for words, _ in line) for line in lines(plan, summarize(plan, {}), width=width)]
    assert alone[-1] == f"  {plan.digest}"


def test_sides_have_remainders_that_add_up(campaign: Campaign) -> None:
    """Thirty shots: the dearest twelve, and one row with the jobs and credits of the others."""
    shots = ", ".join(f"{{id: s{n}, model: kling-2.1, prompt: p{n}, params: {{mode: standard}}}}" for n in range(30))
    text = words_of(campaign, f"shots: [{shots}]")
    assert "by shot\n" in text
    assert "… and 18 more    18 jobs         54" in text
