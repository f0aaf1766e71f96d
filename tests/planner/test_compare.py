"""Two plans compared: the change of every job, and the difference in each provider's credits."""

import json
from collections.abc import Sequence

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kbatch.errors import StateUnreadable
from kbatch.planner.actions import Action, ActionOptions
from kbatch.planner.approval.saved_plan import to_save
from kbatch.planner.comparison.compare import ChangeKind, Comparison, add, compare, make_comparison
from kbatch.planner.comparison.compared_jobs import ComparedJob, compared_jobs, compared_jobs_of_saved
from kbatch.planner.plan import as_json
from kbatch.planner.selection import Selection
from kbatch.receipts.receipt import Receipt
from kbatch.report.machine import compare_json
from kbatch.storage import packaged
from tests.planner.conftest import Campaign, entries_of, plan_of, receipt_of

BODY = """
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false}}
shots:
  - {id: hero, prompt: "a ridge above {{ city }}", matrix: {city: [oslo, rome]}}
  - {id: end, prompt: the end}
"""
OWN = "aimlapi/kling-video/v2.1/pro/image-to-video"


def sides(campaign: Campaign, body: str, renders: dict[str, Receipt] | None = None) -> tuple[ComparedJob, ...]:
    """Return the jobs of the plan of a manifest."""
    return compared_jobs(entries_of(campaign(body), renders))


def comparison_of(before: Sequence[ComparedJob], after: Sequence[ComparedJob]) -> Comparison:
    """Return the comparison of two plans."""
    return make_comparison("git:main", "abc", compare(before, after), {"apiframe": "credits"})


def rows(comparison: Comparison) -> list[tuple[str, str, tuple[str, ...], dict[str, int | None]]]:
    """Return kind, address, words and difference of every change."""
    return [
        (change.kind.value, change.job.address, change.words, dict(change.credits))
        for change in comparison.changes
        if change.kind is not ChangeKind.SAME
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected", "total"),
    [
        pytest.param("", "", [], (45, 45, 0), id="nothing"),
        pytest.param("# a comment", "# another", [], (45, 45, 0), id="a-comment"),
        pytest.param(
            "prompt: the end",
            "prompt: the end, params: {duration: 10}",
            [("changed", "end", ("duration 5 → 10",), {"apiframe": 10})],
            (45, 55, 10),
            id="dearer",
        ),
        pytest.param(
            "id: end, prompt: the end",
            "id: end, prompt: the very end of it all, labels: {x: y}",
            [("changed", "end", ("prompt the end → the very end of it all",), {"apiframe": 0})],
            (45, 45, 0),
            id="another-prompt",
        ),
        pytest.param(
            "[oslo, rome]",
            "[oslo, rome, kyiv]",
            [("added", "hero[city=kyiv]", (), {"apiframe": 15})],
            (45, 60, 15),
            id="added",
        ),
        pytest.param(
            "[oslo, rome]",
            "[rome]",
            [("removed", "hero[city=oslo]", (), {"apiframe": -15})],
            (45, 30, -15),
            id="removed",
        ),
        pytest.param(
            "id: end",
            "id: fin",
            [("renamed", "fin", ("was `end`",), {"apiframe": 0})],
            (45, 45, 0),
            id="renamed",
        ),
        pytest.param(
            "\ndefaults",
            "\nprices: {apiframe/kling-2.6: {credits: 20}}\ndefaults",
            [(kind, address, ("price 15 → 20",), {"apiframe": 5}) for kind, address in
             (("changed", "hero[city=oslo]"), ("changed", "hero[city=rome]"), ("changed", "end"))],
            (45, 60, 15),
            id="another-price",
        ),
        pytest.param(
            "\ndefaults",
            "\noutput: {dir: clips}\ndefaults",
            [("changed", address, (f"output renders/{name}.mp4 → clips/{name}.mp4",), {"apiframe": 0})
             for address, name in
             (("hero[city=oslo]", "hero-city-oslo"), ("hero[city=rome]", "hero-city-rome"), ("end", "end"))],
            (45, 45, 0),
            id="another-folder",
        ),
        pytest.param(
            "id: end, prompt: the end",
            "id: end, prompt: a ridge above oslo",
            [("changed", "end",
              ("prompt the end → a ridge above oslo", "same request as `hero[city=oslo]`, bought once"),
              {"apiframe": -15})],
            (45, 30, -15),
            id="now-a-duplicate",
        ),
        pytest.param(
            "id: end, prompt: the end",
            f"id: end, provider: aimlapi, model: {OWN.removeprefix('aimlapi/')}, prompt: the end,"
            " params: {image_url: 'https://e.com/a.png'}",
            [("changed", "end", (
                "provider apiframe → aimlapi",
                "duration 5 → unset",
                "generate_audio false → unset",
                "image_url unset → https://e.com/a.png",
                f"model kling-2.6 → {OWN.removeprefix('aimlapi/')}",
            ), {"apiframe": -15, "aimlapi": None})],
            (45, 30, -15),
            id="another-provider",
        ),
    ],
)  # fmt: skip
def test_what_became_of_a_job(
    campaign: Campaign, old: str, new: str, expected: list[object], total: tuple[int, int, int]
) -> None:
    """Every kind of change, what is said of it, and what it does to the total."""
    body = BODY if old in BODY else BODY + old
    comparison = comparison_of(sides(campaign, body), sides(campaign, body.replace(old, new) if old else body))
    got = rows(comparison)
    if "provider apiframe → aimlapi" in str(expected):
        assert [(one[0], one[1], one[3]) for one in got] == [(one[0], one[1], one[3]) for one in expected]  # type: ignore[index]
        assert got[0][2][0] == "provider apiframe → aimlapi"
    else:
        assert got == expected
    found = comparison.totals["apiframe"]
    assert (found.before, found.after, found.difference) == total


def test_what_is_paid_is_said(campaign: Campaign) -> None:
    """A job that was bought in between, one that is added and paid already, and one that is paid in both."""
    loaded = campaign(BODY)
    paid = {job.fingerprint: receipt_of(job) for job in loaded.jobs[:2]}
    before = sides(
        campaign, BODY.replace("[oslo, rome]", "[oslo]"), {loaded.jobs[0].fingerprint: receipt_of(loaded.jobs[0])}
    )
    comparison = comparison_of(before, sides(campaign, BODY, paid))
    assert [(change.job.address, change.kind, change.paid) for change in comparison.changes] == [
        ("hero[city=oslo]", ChangeKind.SAME, True),
        ("hero[city=rome]", ChangeKind.ADDED, True),
        ("end", ChangeKind.SAME, False),
    ]
    assert comparison.counts["paid"] == 2
    since = comparison_of(sides(campaign, BODY), sides(campaign, BODY, paid))
    assert rows(since) == [
        ("bought", "hero[city=oslo]", (), {"apiframe": -15}),
        ("bought", "hero[city=rome]", (), {"apiframe": -15}),
    ]


def test_what_is_bought_again_says_why(campaign: Campaign) -> None:
    """A job that was paid and would be bought now has the plan's own reason."""
    loaded = campaign(BODY)
    paid = {job.fingerprint: receipt_of(job) for job in loaded.jobs}
    again = compared_jobs(entries_of(loaded, paid, ActionOptions(replace=frozenset({"end"}))))
    assert rows(comparison_of(sides(campaign, BODY, paid), again)) == [
        ("changed", "end", ("bought again on purpose (--replace)",), {"apiframe": 15})
    ]


def test_two_names_of_one_request_are_paired_once(campaign: Campaign) -> None:
    """Several jobs that share a request and are renamed together find one former name each."""
    body = BODY.replace("a ridge above {{ city }}", "a ridge")
    found = rows(comparison_of(sides(campaign, body), sides(campaign, body.replace("id: hero", "id: ridge"))))
    assert [(kind, address) for kind, address, _, _ in found] == [
        ("renamed", "ridge[city=oslo]"),
        ("renamed", "ridge[city=rome]"),
    ]
    assert {words[0] for _, _, words, _ in found} == {"was `hero[city=oslo]`", "was `hero[city=rome]`"}


def test_an_unknown_price_makes_the_difference_unknown(campaign: Campaign) -> None:
    """A total with an unknown price is unknown, never 0; renaming such a job changes nothing all the same."""
    model = OWN.removeprefix("aimlapi/")
    line = f"\n  - {{id: still, provider: aimlapi, model: {model}, params: {{image_url: 'https://e.com/a.png'}}}}"
    with_still = sides(campaign, BODY + line.lstrip("\n").rstrip() + "\n")
    added = comparison_of(sides(campaign, BODY), with_still)
    assert added.totals["aimlapi"].difference is None
    assert added.totals["apiframe"].difference == 0
    renamed = sides(campaign, BODY + line.lstrip("\n").replace("id: still", "id: photo") + "\n")
    assert comparison_of(with_still, renamed).totals["aimlapi"].difference == 0


def test_a_saved_plan_is_compared_as_the_plan_it_was(campaign: Campaign) -> None:
    """Saving and reading back changes nothing; a listing without requests has no fields, and says so."""
    plan = plan_of(campaign(BODY))
    saved = json.loads(json.dumps(to_save(plan, source="campaign.yaml", simulated=False, selection=Selection())))
    schema = json.loads(packaged("plan.schema.json"))
    jsonschema.validate(saved, schema, cls=jsonschema.Draft202012Validator)
    after = sides(campaign, BODY.replace("the end", "the start"))
    assert rows(comparison_of(compared_jobs_of_saved(saved), after)) == rows(
        comparison_of(compared_jobs(plan.entries), after)
    )
    listing = json.loads(json.dumps(as_json(plan)))
    assert [words for _, _, words, _ in rows(comparison_of(compared_jobs_of_saved(listing), after))] == [
        ("its request",)
    ]


@pytest.mark.parametrize("broken", [{}, {"jobs": 1}, {"jobs": [{}]}, {"jobs": [], "bound": 1}])
def test_a_plan_that_is_none_cannot_be_compared(broken: dict[str, object]) -> None:
    """What lacks its parts stops, and is never taken for an empty plan."""
    with pytest.raises(StateUnreadable):
        compared_jobs_of_saved(broken)


def test_a_signed_url_is_no_part_of_a_saved_plan(campaign: Campaign) -> None:
    """What a URL hides in its query stays out of the file, and is no difference."""
    model = OWN.removeprefix("aimlapi/")
    body = f"shots: [{{id: s, provider: aimlapi, model: {model}, params: {{image_url: 'https://e.com/a.png?key=SECRET'}}}}]"
    plan = plan_of(campaign(body))
    saved = to_save(plan, source="campaign.yaml", simulated=False, selection=Selection())
    assert "SECRET" not in json.dumps(saved)
    assert rows(comparison_of(compared_jobs_of_saved(saved), compared_jobs(plan.entries))) == []


def test_the_json_is_what_the_schema_says(campaign: Campaign) -> None:
    """`plan --format json` with a comparison validates."""
    plan = plan_of(campaign(BODY))
    comparison = comparison_of(
        sides(campaign, BODY.replace("oslo", "kyiv").replace("the end", "an end")), compared_jobs(plan.entries)
    )
    document = {**as_json(plan), "comparison": compare_json.as_json(comparison)}
    schema = json.loads(packaged("plan.schema.json"))
    jsonschema.validate(json.loads(json.dumps(document)), schema, cls=jsonschema.Draft202012Validator)
    assert len(document["comparison"]["jobs"]) == 3
    assert [shot["shot"] for shot in document["comparison"]["shots"]] == ["hero", "end"]


_side = st.builds(
    lambda address, fingerprint, action, credits: ComparedJob(
        address=address,
        fingerprint=fingerprint,
        action=action,
        provider="apiframe" if fingerprint in "abc" else "aimlapi",
        model="m",
        variant="v",
        credits=credits if action is Action.RENDER else 0,
        reason="because",
        output=f"{address}.mp4",
        request={"prompt": fingerprint},
    ),
    st.sampled_from(["one", "two[a=1]", "two[a=2]", "three@2"]),
    st.sampled_from("abcd"),
    st.sampled_from(Action),
    st.sampled_from([None, 0, 15, 40]),
)
_plans = st.lists(_side, max_size=4, unique_by=lambda side: side.address)


@given(_plans, _plans)
def test_every_job_is_reported_once_and_the_sums_agree(before: list[ComparedJob], after: list[ComparedJob]) -> None:
    """Each job of either plan stands in exactly one change, and shots and totals add up to the same difference."""
    comparison = comparison_of(before, after)
    assert sorted(c.before.address for c in comparison.changes if c.before) == sorted(side.address for side in before)
    assert sorted(c.after.address for c in comparison.changes if c.after) == sorted(side.address for side in after)
    by_shot = add(shot.credits for shot in comparison.shots)
    for provider, total in comparison.totals.items():
        assert by_shot.get(provider, 0) == total.difference
        if None not in (total.before, total.after, total.difference):
            assert total.after - total.before == total.difference  # type: ignore[operator]


@given(_plans)
def test_a_plan_differs_in_nothing_from_itself(plan: list[ComparedJob]) -> None:
    """Comparing a plan with itself finds nothing, whatever its prices."""
    comparison = comparison_of(plan, plan)
    assert comparison.shots == ()
    assert {total.difference for total in comparison.totals.values()} <= {0}
    moved = [replace(side, address=f"new-{side.address}", output=None) for side in plan]
    assert {change.kind for change in comparison_of(plan, moved).changes} <= {ChangeKind.RENAMED}
