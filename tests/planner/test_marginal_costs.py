"""What dropping a shot, label, model or axis value saves is the difference to the plan of the manifest without it."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kbatch.planner.actions import ActionOptions, PlanEntry, RecordedState
from kbatch.planner.costs.groups import CostGroup, groups_of
from kbatch.planner.costs.parts import name_of, parts_of
from kbatch.planner.decisions import decide
from kbatch.planner.jobs import Job
from kbatch.providers.registry import way_out
from kbatch.receipts.receipt import Receipt, ReceiptState
from tests.planner.conftest import Campaign, receipt_of

CITIES = ("a", "b", "c")


def recorded(renders: dict[str, Receipt]) -> RecordedState:
    """Return the state of these receipts."""
    return RecordedState(renders=renders, way_out=way_out)


def cost_of(entries: tuple[PlanEntry, ...]) -> dict[str, tuple[int, int]]:
    """Return known credits and unpriced purchases by provider."""
    sums: dict[str, tuple[int, int]] = {}
    for entry in entries:
        known, unpriced = sums.get(entry.job.provider, (0, 0))
        if entry.buys:
            sums[entry.job.provider] = known + (entry.credits or 0), unpriced + (entry.credits is None)
    return sums


def without(jobs: tuple[Job, ...], kind: str, name: str) -> list[Job]:
    """Return the jobs that a manifest without a part still has: no frame of a job that is gone can be used."""
    gone = {job.address for job in jobs if any(part[0] == kind and name_of(part) == name for part in parts_of(job))}
    while more := {job.address for job in jobs if job.address not in gone and gone.intersection(job.upstream)}:
        gone |= more
    return [job for job in jobs if job.address not in gone]


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """Return the shots of a small manifest: chains over axes, equal requests, labels, models with and without price."""
    shots = []
    for number in range(draw(st.integers(1, 4))):
        cities = sorted({"a", *draw(st.sets(st.sampled_from(CITIES)))})
        lights = sorted({"x", *draw(st.sets(st.sampled_from(("x", "y"))))})
        prompt = draw(st.sampled_from(("one", "{{ city }}", "{{ city }} {{ light }}")))
        model = draw(st.sampled_from(("kling-2.1", "kling-2.6")))
        label = draw(st.sampled_from(("eu", "us", "{{ city }}")))
        frame = f"last_frame('s{draw(st.integers(0, number - 1))}', city='a', light='x')" if number else ""
        start = f'start_image: "{{{{ {frame} }}}}"' if frame and draw(st.booleans()) else ""
        shots.append(
            f"  - {{id: s{number}, model: {model}, prompt: '{prompt}', labels: {{market: '{label}'}}, "
            f"params: {{{start}}}, takes: {draw(st.integers(1, 2))}, "
            f"matrix: {{city: [{', '.join(cities)}], light: [{', '.join(lights)}]}}}}"
        )
    return "shots:\n" + "\n".join(shots) + "\n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=manifests(), data=st.data())
def test_dropping_a_part_saves_what_planning_without_it_saves(
    campaign: Campaign, body: str, data: st.DataObject
) -> None:
    """For every part, with chains, shared requests, and some jobs bought, failed or unknown already."""
    jobs = campaign(body).jobs
    states = (None, None, ReceiptState.DONE, ReceiptState.FAILED, ReceiptState.UNKNOWN, ReceiptState.DELIVERED_WRONG)
    renders: dict[str, Receipt] = {}
    for fingerprint, job in {job.fingerprint: job for job in jobs}.items():
        state = data.draw(st.sampled_from(states))
        if state is not None:
            renders[fingerprint] = receipt_of(job, state)
    entries = decide(jobs, recorded(renders), ActionOptions())
    groups = groups_of(entries, jobs)
    whole = cost_of(entries)
    sides = {"shot": groups.shots, "variant": groups.variants, "label": groups.labels, "axis": groups.axes}
    for kind, found in sides.items():
        for group in found:
            rest = cost_of(decide(without(jobs, kind, group.name), recorded(renders), ActionOptions()))
            known, unpriced = rest.get(group.provider, (0, 0))
            assert group.saves is not None
            assert group.saves.credits == whole[group.provider][0] - known, (kind, group.name)
            assert group.saves.unpriced == whole[group.provider][1] - unpriced, (kind, group.name)


CHAIN = """
shots:
  - {id: hero, model: kling-2.1, prompt: "{{ city }}", matrix: {city: [lisbon, oslo]}}
  - id: reveal
    model: kling-2.6
    prompt: "slate {{ city }}"
    params: {duration: 5, generate_audio: false, start_image: "{{ last_frame('hero') }}"}
    matrix: {city: [lisbon, oslo]}
  - {id: again, model: kling-2.1, prompt: "lisbon"}
"""


def by_name(groups: tuple[CostGroup, ...]) -> dict[str, tuple[int, int]]:
    """Return credits and savings by name."""
    return {group.name: (group.credits, group.saves.credits if group.saves else -1) for group in groups}


def test_chains_and_shared_requests_are_counted(campaign: Campaign) -> None:
    """Without a shot go those that need its frames; a request that another shot makes too is bought all the same."""
    jobs = campaign(CHAIN).jobs
    groups = groups_of(decide(jobs, recorded({}), ActionOptions()), jobs)
    # hero 5 + 5, reveal 15 + 15; `again` asks for what hero[city=lisbon] asks for
    assert by_name(groups.shots) == {"hero": (10, 35), "reveal": (30, 30)}
    assert by_name(groups.axes) == {"city=lisbon": (20, 15), "city=oslo": (20, 20)}


def test_a_job_goes_with_the_frame_of_one_that_is_not_selected(campaign: Campaign) -> None:
    """Dropping a value takes its jobs' successors along though only these are in the plan."""
    jobs = campaign(CHAIN.replace("last_frame('hero')", "last_frame('hero', city='oslo')")).jobs
    reveal = [job for job in jobs if job.draft.shot == "reveal"]
    groups = groups_of(decide(reveal, recorded({}), ActionOptions()), jobs)
    assert by_name(groups.axes) == {"city=lisbon": (15, 15), "city=oslo": (15, 30)}


def test_without_the_manifest_no_saving_is_said(campaign: Campaign) -> None:
    """With --first other purchases would take the place of those that go: nothing is said."""
    jobs = campaign(CHAIN).jobs
    groups = groups_of(decide(jobs, recorded({}), ActionOptions()), None)
    assert {group.saves for group in (*groups.shots, *groups.axes)} == {None}
