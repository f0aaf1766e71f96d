"""The provider's rate kept, 500 calls a minute, in virtual time: calls a job, and the makespan that they leave.

Downloads are no calls of the API. The peers (`tests.benchmarks.peers`) all submit 64 at once and poll each job every
0.25 s, so one loop stands for them; it is given what they lack, a wait for its turn, since a 429 ends them.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import trio
from httpx import ASGITransport, AsyncClient
from trio.testing import MockClock

from kbatch.runner.limits.rate import rate_of, take_turn
from kbatch.simulator.server import SimulatorSettings, build_app
from tests.benchmarks.loops import body_of
from tests.benchmarks.measure import Row, Sample
from tests.virtual_run import Finished, VirtualRun

PER_MINUTE, JOBS = 500, 1_000
SHORT_S, SCALE = 0.5, 0.0025
"""Renders so short that the rate is what holds them up; kbatch's waits are scaled as for renders of 200 s."""
_PEERS_POLL_S = 0.25


def rows() -> Iterator[Row]:
    """Count calls a job by how many are in flight, then hold the makespan against N ÷ rate and other ways to poll."""
    for places, render_s in ((64, 200.0), (256, 200.0), (2_000, 300.0)):
        yield _calls(places, render_s)
    yield from _makespan()


def _calls(places: int, render_s: float) -> Row:
    jobs = max(JOBS, places)
    ours, single = (run(jobs, places, render_s, lists=lists) for lists in (True, False))
    late = 100 * sum(ours.late) / len(ours.late)
    return Row(
        figure="rate kept: calls",
        work=f"{jobs:,} jobs of {render_s:g} s, {places:,} at once",
        kbatch=_sample(ours.seconds),
        ratio=ours.per_job,
        aim=1.2,
        of="one call a job",
        note=f"polling each job {single.per_job:.2f}; noticed {late:.1f} % late",
        rate="kept",
    )


def _makespan() -> Iterator[Row]:
    least_s = JOBS / PER_MINUTE * 60
    for places in (64, 256):
        ours, single = (run(JOBS, places, SHORT_S, scale=SCALE, lists=lists) for lists in (True, False))
        work = f"{JOBS:,} jobs of {SHORT_S:g} s, {places} at once"
        note = f"{ours.per_job:.2f} calls a job"
        yield _row(work, ours.seconds, least_s, aim=1.1, of="N ÷ rate", note=note)
        note = f"{single.per_job:.2f} calls a job"
        yield _row(work, ours.seconds, single.seconds, of="polling each job", note=note)
    script_s, calls = trio.run(_script, clock=MockClock(autojump_threshold=0))
    note = f"{calls / JOBS:.2f} calls a job"
    ours = run(JOBS, 64, SHORT_S, scale=SCALE)
    yield _row(f"{JOBS:,} jobs of {SHORT_S:g} s, 64 at once", ours.seconds, script_s, of="the peers' loop", note=note)


def run(jobs: int, places: int, render_s: float, *, scale: float = 1.0, lists: bool = True) -> Finished:
    """Run a campaign to its end; RuntimeError when not each job was bought once and noticed."""
    with tempfile.TemporaryDirectory(prefix="kbatch-benchmark-") as name:
        done = VirtualRun(
            folder=Path(name), jobs=jobs, places=places, render_s=render_s, scale=scale, lists=lists
        ).finish()
    if (done.calls.count("submit"), len(done.noticed)) != (jobs, jobs):
        raise RuntimeError(f"{done.calls.count('submit')} submits and {len(done.noticed)} clips for {jobs} jobs")
    return done


def _row(work: str, ours_s: float, theirs_s: float, *, of: str, note: str, aim: float | None = None) -> Row:
    return Row(
        figure="rate kept: makespan",
        work=work,
        kbatch=_sample(ours_s),
        floor=_sample(theirs_s),
        ratio=ours_s / theirs_s,
        aim=aim,
        of=of,
        note=note,
        rate="kept",
    )


def _sample(seconds: float) -> Sample:
    return Sample(wall_s=seconds, cpu_s=0.0, peak_mb=0.0)


async def _script() -> tuple[float, int]:
    """Return the seconds and calls of the peers' loop, each call of which waits for its turn."""
    began_s, calls, rate = anyio.current_time(), 0, rate_of(PER_MINUTE)
    settings = SimulatorSettings(
        latency_s=SHORT_S, clips=False, clock=lambda: 1e9 + anyio.current_time(), credits={"apiframe": 10**9}
    )
    places = anyio.Semaphore(64)
    async with AsyncClient(transport=ASGITransport(build_app(settings)), base_url="http://peer") as client:

        async def call(method: str, path: str, content: bytes | None = None) -> Any:
            nonlocal rate, calls
            rate, wait_s = take_turn(rate, anyio.current_time())
            await anyio.sleep(wait_s)
            calls += 1
            return (await client.request(method, path, content=content, headers={"X-API-Key": "peer"})).json()

        async def render(number: int) -> None:
            async with places:
                job = await call("POST", "/v2/videos/generate", body_of(number))
                while True:
                    await anyio.sleep(_PEERS_POLL_S)
                    if (await call("GET", f"/v2/jobs/{job['jobId']}"))["status"] == "COMPLETED":
                        return

        async with anyio.create_task_group() as tasks:
            for number in range(JOBS):
                tasks.start_soon(render, number)
    return anyio.current_time() - began_s, calls


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["rate_kept", *sys.argv[1:]])
