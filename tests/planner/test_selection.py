"""Selections: GLOBs over addresses, labels, failures, the first N purchases, and the upstream that comes along."""

import pytest

from kbatch.planner.actions import ActionOptions
from kbatch.planner.plan import first_purchases
from kbatch.planner.selection import Selection, select
from tests.planner.conftest import Campaign, entries_of

BODY = """
defaults: {model: kling-2.1}
shots:
  - {id: hero, prompt: "{{ city }} {{ light }}", labels: {market: eu},
     matrix: {city: [oslo, rome], light: [day, night]}}
  - {id: hero-2, prompt: x, labels: {market: us}, takes: 2}
  - {id: end, prompt: y, params: {start_image: "{{ last_frame('hero', city='oslo', light='day') }}"}}
"""


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        pytest.param(Selection(only=("hero-2",)), ["hero-2", "hero-2@2"], id="a-bare-shot-id-is-all-its-jobs"),
        pytest.param(Selection(only=("hero[city=oslo*",)), ["hero[city=oslo,light=day]", "hero[city=oslo,light=night]"],
                     id="brackets-are-literal"),
        pytest.param(Selection(only=("hero-?@?",)), ["hero-2@2"], id="question-mark-is-one-character"),
        pytest.param(Selection(only=("*night]", "hero-2")),
                     ["hero[city=oslo,light=night]", "hero[city=rome,light=night]", "hero-2", "hero-2@2"],
                     id="flags-add-up"),
        pytest.param(Selection(only=("hero",), exclude=("*rome*", "*night*")), ["hero[city=oslo,light=day]"],
                     id="exclude-after-only"),
        pytest.param(Selection(labels=(("market", "us"),)), ["hero-2", "hero-2@2"], id="label"),
        pytest.param(Selection(labels=(("city", "rome"), ("light", "day"))), ["hero[city=rome,light=day]"],
                     id="labels-of-axes-all-must-hold"),
        pytest.param(Selection(only=("end",)), ["hero[city=oslo,light=day]", "end"], id="upstream-comes-along"),
        pytest.param(Selection(failed=True), ["hero-2"], id="failed"),
    ],
)  # fmt: skip
def test_selections(campaign: Campaign, selection: Selection, wanted: list[str]) -> None:
    """Each flag selects the jobs that the contract says, in manifest order."""
    jobs, problems = select(campaign(BODY).jobs, selection, frozenset({"hero-2"}))
    assert problems == ()
    assert [job.address for job in jobs] == wanted


@pytest.mark.parametrize(
    ("selection", "hint"),
    [
        pytest.param(Selection(only=("heroo",)), "did you mean `hero`?", id="only"),
        pytest.param(Selection(exclude=("hero[city=paris*",)), None, id="exclude"),
        pytest.param(Selection(only=("hero[light=day]",)),
                     "brackets are literal, and an address has all its axes: "
                     "`--only 'hero[*light=day*'` or `--only hero --label light=day`", id="a-part-of-the-axes"),
        pytest.param(Selection(only=("hero[light=day,city=oslo]",)),
                     "brackets are literal, and an address has all its axes: "
                     "`--only 'hero[*city=oslo*light=day*'` or `--only hero --label city=oslo --label light=day`",
                     id="axes-in-another-order"),
        pytest.param(Selection(exclude=("hero[city=oslo]",)),
                     "brackets are literal, and an address has all its axes: `--exclude 'hero[*city=oslo*'`",
                     id="a-label-does-not-exclude"),
        pytest.param(Selection(labels=(("market", "uk"),)), None, id="label"),
        pytest.param(Selection(only=("HERO",)), None, id="case-counts"),
    ],
)  # fmt: skip
def test_what_selects_nothing_is_a_problem(campaign: Campaign, selection: Selection, hint: str | None) -> None:
    """A flag that matches no job is said, since the run would not be what was meant."""
    _, problems = select(campaign(BODY).jobs, selection, frozenset())
    assert [problem.code for problem in problems] == ["no-such-job"]
    if hint:
        assert problems[0].hint == hint


def test_first_keeps_only_the_first_purchases_and_what_does_not_need_the_others(campaign: Campaign) -> None:
    """A canary buys N jobs; a job whose upstream is left out is left out too."""
    entries = entries_of(campaign(BODY), options=ActionOptions())
    assert [entry.address for entry in first_purchases(entries, 1)] == ["hero[city=oslo,light=day]"]
    assert first_purchases(entries, 0) == ()
    assert len(first_purchases(entries, 99)) == len(entries)


def test_a_glob_that_would_select_more_is_not_proposed(campaign: Campaign) -> None:
    """Where one value begins with another, only the label is exact; without a label the addresses are shown."""
    body = "shots: [{id: s, model: kling-2.1, prompt: '{{ a }} {{ b }}', matrix: {a: [x, x-long], b: [p, q]}}]"
    jobs = campaign(body).jobs
    _, problems = select(jobs, Selection(only=("s[a=x]",)), frozenset())
    said = "brackets are literal, and an address has all its axes"
    assert problems[0].hint == f"{said}: `--only s --label a=x`"
    _, problems = select(jobs, Selection(exclude=("s[a=x]",)), frozenset())
    assert problems[0].hint == f"{said}, such as `s[a=x,b=p]`"
