"""The rows behind every report: each job once, each credit once, and everything that was paid."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from report_plans import CITIES, loaded, lockfile_of, plan_of, receipt_of
from report_samples import row

from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.charges import charged
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import Credits, Receipt, ReceiptState
from kbatch.report.data.accounts import Report, make_report, not_run, of_run
from kbatch.report.data.rows import RowRole, RowState, paths_of
from kbatch.report.data.shares import Slice, slices
from kbatch.report.data.sums import dollars
from kbatch.report.html.charts import bars, sessions
from kbatch.runner.outcome import JobEnd, Outcome

TWINS = """\
defaults: {model: kling-2.6, params: {duration: 5, generate_audio: false}}
shots:
  - {id: one, prompt: a ridge}
  - {id: two, prompt: a ridge}
  - {id: after, prompt: dusk, params: {start_image: "{{ last_frame('one') }}"}}
"""


def report_of(
    manifest: LoadedManifest, renders: dict[str, Receipt], here: frozenset[str] = frozenset(), **more: object
) -> Report:
    """Return the report of all jobs of a loaded manifest."""
    lockfile = replace(lockfile_of(manifest, renders), **more)  # type: ignore[arg-type]
    plan = plan_of(manifest, renders)
    return make_report(plan, lockfile, here, name="campaign.yaml", made_at="2026-11-21T12:00:00Z")


def test_every_job_is_one_row_in_the_manifests_order(tmp_path: Path) -> None:
    """Addresses, takes, axes and labels are those of the jobs; takes of one request share it."""
    manifest = loaded(tmp_path)
    rows = report_of(manifest, {}).rows
    assert [each.address for each in rows] == [job.address for job in manifest.jobs]
    assert [(each.request, each.take) for each in rows[:2]] == [("hero[city=lisbon]", 1), ("hero[city=lisbon]", 2)]
    assert (rows[0].axes, rows[0].labels, rows[0].params["duration"]) == ((("city", "lisbon"),), {"market": "eu"}, 5)
    assert {each.state for each in rows} == {RowState.NOT_BOUGHT}
    assert [each.planned for each in rows] == [15, 15, 15, 15, 24]


@pytest.mark.parametrize("state", list(ReceiptState))
def test_a_receipt_gives_its_state_and_its_money(tmp_path: Path, state: ReceiptState) -> None:
    """Spent is reported, else quoted; a failure keeps what was reported; an unknown outcome holds its quote."""
    manifest = loaded(tmp_path)
    job = manifest.jobs[0]
    credits = Credits(planned=15, reported=0 if state is ReceiptState.FAILED else None)
    receipt = receipt_of(job, state, credits=credits)
    first = report_of(manifest, {job.fingerprint: receipt}).rows[0]
    assert first.state.value == state.value
    expected = {ReceiptState.FAILED: (0, 0), ReceiptState.UNKNOWN: (0, 15)}.get(state, (15, 0))
    assert (first.spent, first.held) == expected


def test_a_request_that_two_jobs_share_counts_once(tmp_path: Path) -> None:
    """Both jobs show the clip; the credits stand in the first."""
    manifest = loaded(tmp_path, TWINS)
    job = manifest.jobs[0]
    here = frozenset(each.draft.output for each in manifest.jobs)
    report = report_of(manifest, {job.fingerprint: receipt_of(job)}, here)
    one, two, after = report.rows
    assert (one.spent, two.spent, two.planned, two.shares) == (15, 0, 0, "one")
    assert (one.output, two.output, two.here) == ("renders/one.mp4", "renders/two.mp4", True)
    assert report.accounts[0].spent == 15
    assert after.params["start_image"] == "last frame of one"


def test_what_was_paid_beside_the_jobs_is_there_too(tmp_path: Path) -> None:
    """Earlier purchases, orphans and other profiles' renders are rows of their own; all of it is what was charged."""
    manifest = loaded(tmp_path)
    job = manifest.jobs[0]
    receipt = replace(receipt_of(job), also=(receipt_of(job, job_id="job-before"),))
    renders = {
        job.fingerprint: receipt,
        "o" * 64: receipt_of(job, address="old[city=rome]"),
        "p" * 64: receipt_of(job, address="hero[city=lisbon]"),
    }
    profiles = {"draft": {"hero[city=lisbon]": IndexEntry(fingerprint="p" * 64, path="renders/draft/x.mp4")}}
    report = report_of(manifest, renders, profiles=profiles)
    assert {(each.role, each.address) for each in report.others} == {
        (RowRole.EARLIER, job.address),
        (RowRole.ORPHAN, "old[city=rome]"),
        (RowRole.PROFILE, "hero[city=lisbon]"),
    }
    assert report.accounts[0].spent == charged(renders)["apiframe"] == 60


def test_a_clip_is_here_only_when_its_file_is(tmp_path: Path) -> None:
    """A receipt alone shows no clip, and neither does another file at the job's place before it was delivered."""
    manifest = loaded(tmp_path)
    job = manifest.jobs[0]
    renders = {job.fingerprint: receipt_of(job)}
    assert not report_of(manifest, renders).rows[0].here
    assert report_of(manifest, renders, frozenset((job.draft.output,))).rows[0].here
    owed = {job.fingerprint: receipt_of(job, ReceiptState.RENDERED, output=None)}
    assert not report_of(manifest, owed, frozenset((job.draft.output,))).rows[0].here
    assert job.draft.output in paths_of(plan_of(manifest, renders).entries, renders)


def test_a_runs_report_says_how_each_job_ended_there(tmp_path: Path) -> None:
    """Blocked and skipped come from the run, since they leave no receipt."""
    manifest = loaded(tmp_path)
    ends = {job.address: JobEnd.SKIPPED for job in manifest.jobs} | {"card": JobEnd.BLOCKED}
    ended = of_run(report_of(manifest, {}), Outcome(ends=ends, reasons={"card": "needs a frame"}))
    assert [each.state for each in ended.rows] == [RowState.SKIPPED] * 4 + [RowState.BLOCKED]
    assert ended.rows[-1].error == "needs a frame"
    assert {each.state for each in not_run(report_of(manifest, {}), "no").rows} == {RowState.SKIPPED}


def test_a_secret_of_a_picture_url_is_not_shown(tmp_path: Path) -> None:
    """A picture's URL loses its query in every report."""
    body = CITIES.replace("slate\n    params: {", "slate\n    params: {start_image: 'https://a.example/b.png?x=1', ")
    (card,) = [each for each in report_of(loaded(tmp_path, body), {}).rows if each.shot == "card"]
    assert card.params["start_image"] == "https://a.example/b.png"


def test_slices_add_up_and_bars_fold() -> None:
    """Each side of the spending has all of it; the smallest bars become one."""
    rows = [row(f"a[n={number}]", axes=(("n", str(number)),), spent=number) for number in range(20)]
    assert sum(part.credits for part in slices(rows, "axis")) == sum(range(20)) == slices(rows, "shot")[0].credits
    shown = bars(slices(rows, "axis"), most=5)
    assert (len(shown), shown[0].percent, sum(bar.credits for bar in shown)) == (6, 100.0, 190) or shown[
        -1
    ].percent == 100.0
    assert sum(bar.credits for bar in shown) == 190
    assert bars([Slice(provider="p", name="free", jobs=1, credits=0)])[0].percent == 0


def test_a_timeline_has_a_lane_for_each_render_at_once() -> None:
    """Renders that overlap stand in lanes below each other; a long pause begins another session, the latest first."""
    times = [("10:00:00", "10:01:00"), ("10:00:30", "10:02:00"), ("10:01:00", "10:01:30"), ("14:00:00", None)]
    rows = [
        row(f"a{index}", submitted_at=f"2026-11-21T{began}Z", finished_at=ended and f"2026-11-21T{ended}Z")
        for index, (began, ended) in enumerate(times)
    ]
    later, first = sessions(rows)
    assert ([each.lane for each in first.spans], first.lanes, first.seconds) == ([0, 1, 0], 2, 120.0)
    assert [(each.start, each.width) for each in first.spans] == [(0.0, 50.0), (25.0, 75.0), (50.0, 25.0)]
    assert len(later.spans) == 1
    assert all(each.start >= 0 and each.start + each.width <= 100 for each in later.spans)


@pytest.mark.parametrize(("credits", "words"), [(None, ""), (430, "$4.30"), (123456, "$1,234.56")])
def test_dollars_are_exact(credits: int | None, words: str) -> None:
    """USD comes from the written decimal, and nothing is said without an amount."""
    assert dollars(Decimal("0.01"), credits) == words
    assert dollars(None, 5) == ""
