"""The live display of a run on a virtual clock: redrawn while nothing happens, and never late."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from trio.testing import MockClock

from kbatch.cli.ui.progress import Progress
from kbatch.pipeline.load import load
from kbatch.planner.actions import ActionOptions, RecordedState
from kbatch.planner.decisions import decide
from kbatch.planner.plan import Basis, Plan, build_plan
from kbatch.planner.summary import summarize
from kbatch.report.data.running import ProgressView, RunProgress, clock
from kbatch.runner.progress_events import EventKind, ProgressEvent

MANIFEST = """kbatch: 1
name: c
provider: apiframe
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: shot, prompt: "a {{ n }}", matrix: {n: [a, b, c, d, e]}}
"""
NAMES = tuple(f"shot[n={letter}]" for letter in "abcde")
NOON = datetime(2026, 11, 30, 12, 0, 0)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return a plan of five jobs at four credits each, which usually take one to five minutes."""
    path = tmp_path / "c.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    loaded = load(path)
    entries = decide(loaded.jobs, RecordedState(), ActionOptions())
    known = frozenset(job.fingerprint for job in loaded.jobs)
    return build_plan(Basis(manifest="c.yaml", settings=loaded.settings, known=known, inputs={}, notes=()), entries, {})


class Screen:
    """What is drawn on in a terminal's place."""

    room = 8

    def __init__(self) -> None:
        self.drawn: list[tuple[float, ProgressView]] = []
        self.lines: list[str] = []

    def above(self, line: str) -> None:
        """Take a line."""
        self.lines.append(line)

    def draw(self, picture: ProgressView) -> None:
        """Take a picture."""
        self.drawn.append((anyio.current_time(), picture))


def bought(names: Sequence[str], *, credits: int | None = 4) -> list[ProgressEvent]:
    """Return the output while these jobs are bought."""
    return [
        ProgressEvent(moment=moment, address=name, credits=credits, provider="apiframe")
        for name in names
        for moment in (EventKind.SUBMITTING, EventKind.ACCEPTED)
    ]


def drawn_while(plan: Plan, work: Any) -> list[tuple[float, ProgressView]]:
    """Return the pictures that are drawn while some work goes on, each with its time."""
    screen = Screen()

    async def working() -> None:
        progress = Progress(plan, summarize(plan, {}), live=screen, clock=anyio.current_time)  # type: ignore[arg-type]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.keep_drawing)
            await work(progress.tell)
            tasks.cancel_scope.cancel()

    trio.run(working, clock=MockClock(autojump_threshold=0))
    return screen.drawn


def test_five_acceptances_in_thirty_milliseconds_are_all_shown(plan: Plan) -> None:
    """A tenth of a second later the picture has all that is committed, with no further event."""

    async def work(tell: Any) -> None:
        for happening in bought(NAMES):
            tell(happening)
            await anyio.sleep(0.003)
        await anyio.sleep(0.2)

    drawn = drawn_while(plan, work)
    assert "committed apiframe 20" in drawn[-1][1].foot[1]
    assert [row.state for row in drawn[-1][1].rows] == ["accepted"] * 5


def test_it_is_redrawn_by_a_clock(plan: Plan) -> None:
    """About once a second while nothing happens, with the time that has passed."""

    async def work(tell: Any) -> None:
        for happening in bought(NAMES[:1]):
            tell(happening)
        await anyio.sleep(90.0)

    drawn = drawn_while(plan, work)
    times = [at for at, _ in drawn]
    assert all(later - earlier <= 1.2 for earlier, later in pairwise(times))
    assert len(drawn) <= 100
    assert drawn[-1][1].rows[0].elapsed in ("1:29", "1:30")
    assert drawn[-1][1].foot[0].startswith("0 of 5, 1:")


def test_many_events_are_not_many_pictures(plan: Plan) -> None:
    """Ten a second at most, however much happens."""

    async def work(tell: Any) -> None:
        for turn in range(1000):
            tell(ProgressEvent(moment=EventKind.RENDERING, address=NAMES[turn % 5], progress=turn // 10))
            await anyio.sleep(0.001)

    assert len(drawn_while(plan, work)) <= 12


def running(plan: Plan) -> RunProgress:
    """Return a run that has begun at 100 s of its clock."""
    return RunProgress(plan, summarize(plan, {}), now_s=100.0)


def test_a_job_shows_when_it_should_end(plan: Plan) -> None:
    """At first as its card says, then as those of its kind took in this run, and that it takes longer than that."""
    run = running(plan)
    for happening in bought(NAMES[:2]):
        run.update(happening, 100.0)
    first = run.view(110.0, NOON, rows=8).rows[0]
    assert (first.elapsed, first.end) == ("0:10", "ends 12:00:50 to 12:04:50")
    run.update(ProgressEvent(moment=EventKind.RENDERED, address=NAMES[0]), 140.0)
    rows = {row.address: row for row in run.view(140.0, NOON, rows=8).rows}
    assert rows[NAMES[1]].end == "ends about 12:00:00"
    assert rows[NAMES[0]].end == ""
    rows = {row.address: row for row in run.view(150.0, NOON, rows=8).rows}
    assert rows[NAMES[1]].end == "longer than usual"


def test_what_is_not_known_to_be_refused_is_committed(plan: Plan) -> None:
    """An unknown outcome may be charged, a refusal is not, and a job without a price is no 0."""
    run = running(plan)
    for name in NAMES[:2]:
        run.update(ProgressEvent(moment=EventKind.SUBMITTING, address=name, credits=4, provider="apiframe"), 100.0)
        run.update(ProgressEvent(moment=EventKind.UNKNOWN, address=name), 101.0)
    assert "committed apiframe 8" in run.tally()
    run.update(ProgressEvent(moment=EventKind.ACCEPTED, address=NAMES[0], credits=4, provider="apiframe"), 102.0)
    assert "committed apiframe 8" in run.tally()
    run.update(ProgressEvent(moment=EventKind.REFUSED, address=NAMES[1]), 102.0)
    assert "committed apiframe 4" in run.tally()
    for happening in bought(NAMES[2:3], credits=None):
        run.update(happening, 103.0)
    assert "committed apiframe 4 and 1 job without a price" in run.tally()


def test_more_jobs_than_rows_are_counted(plan: Plan) -> None:
    """In a low terminal the oldest are shown, and how many more there are."""
    run = running(plan)
    for place, happening in enumerate(bought(NAMES)):
        run.update(happening, 100.0 + place)
    picture = run.view(120.0, NOON, rows=2)
    assert ([row.address for row in picture.rows], picture.more) == (list(NAMES[:2]), 3)


@pytest.mark.parametrize(("seconds", "said"), [(0.0, "0:00"), (59.9, "0:59"), (61.0, "1:01"), (3723.0, "1:02:03")])
def test_time_is_counted_as_a_clock_counts_it(seconds: float, said: str) -> None:
    """Minutes and seconds, with hours once there are any."""
    assert clock(seconds) == said
