"""The makespan: how long 1,000 renders of 2 s take together, against the least that is possible and loops by hand."""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.measure import KBATCH, PYTHON, Row, Sample, folder, median, run
from tests.benchmarks.service import bill, environment, manifest, simulator

RENDER_S = 2.0
JOBS = 1_000


def rows() -> Iterator[Row]:
    """Measure each concurrency; the start of either side counts."""
    for concurrency in (64, 256):
        yield from _at(concurrency)


def _at(concurrency: int) -> Iterator[Row]:
    ideal_s = math.ceil(JOBS / concurrency) * RENDER_S
    ours = median([kbatch(JOBS, concurrency) for _ in range(2)])
    by_hand = {client: median([loop(client, JOBS, concurrency) for _ in range(2)]) for client in ("aiohttp", "httpx")}
    work = f"{JOBS:,} jobs of {RENDER_S:g} s, {concurrency} at once"
    told = "; ".join(f"{client} {sample.wall_s / ideal_s:.2f} × ideal" for client, sample in by_hand.items())
    ratio = ours.wall_s / ideal_s
    aim = 1.08 if concurrency == 64 else None
    yield Row(
        figure="makespan",
        rate="scaled",
        work=work,
        kbatch=ours,
        floor=_ideal(ideal_s),
        ratio=ratio,
        aim=aim,
        of="ideal",
        note=told,
    )
    floor = by_hand["aiohttp"]
    aim = 1.1 if concurrency == 256 else None
    yield Row(
        figure="makespan",
        rate="scaled",
        work=work,
        kbatch=ours,
        floor=floor,
        ratio=ours.wall_s / floor.wall_s,
        aim=aim,
        of="aiohttp",
    )


def _ideal(seconds: float) -> Sample:
    return Sample(wall_s=seconds, cpu_s=0.0, peak_mb=0.0)


def kbatch(jobs: int, concurrency: int, latency_s: float = RENDER_S) -> Sample:
    """Render a new campaign with kbatch, every clip verified and journaled; RuntimeError when the bill differs."""

    def ours(url: str, home: Path) -> Sample:
        command = (*KBATCH, "run", manifest(home, jobs), "--yes", "-j", str(concurrency), "--format", "json")
        return run(command, env=environment(url, latency_s))

    return served(jobs, ours, latency_s)


def loop(client: str, jobs: int, concurrency: int, latency_s: float = RENDER_S) -> Sample:
    """Render the same with a hand-written loop."""
    words = (PYTHON, "-m", "tests.benchmarks.loops", client)
    return served(
        jobs, lambda url, home: run((*words, url, str(jobs), str(concurrency), str(latency_s), home)), latency_s
    )


def served(jobs: int, work: Callable[[str, Path], Sample], latency_s: float) -> Sample:
    """Work against a simulator of its own, whose bill must show each job charged and fetched once."""
    with folder() as home, simulator(latency_s) as url:
        sample = work(url, home)
        counted = bill(url)
    if (counted["charges"]["count"], counted["requests"]["download"]) != (jobs, jobs):
        raise RuntimeError(f"the bill shows {counted} for {jobs} jobs")
    return sample


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["makespan", *sys.argv[1:]])
