"""In flight: 2,000 jobs that render at once, polled within the provider's rate.

Told are memory a job, the share of a core, polls a job against asking every 5 s, and how late clips are noticed; time
is scaled, so that a render of 40 s stands for one of 200 s.
"""

import sys
from collections.abc import Iterator

from tests.benchmarks.measure import KBATCH, Row, Sample, folder, run
from tests.benchmarks.service import RENDER_S, bill, environment, manifest, simulator

JOBS, LATENCY_S = 2_000, 40.0


def rows() -> Iterator[Row]:
    """Let all jobs render at once, and hold the memory against that of a small run."""
    small, _ = _run(20)
    sample, polls = _run(JOBS)
    work = f"{JOBS:,} jobs of {LATENCY_S:g} s at once"
    kb = (sample.peak_mb - small.peak_mb) * 1024 / (JOBS - 20)
    yield Row(
        figure="in flight: memory",
        rate="scaled",
        work=work,
        kbatch=sample,
        ratio=kb / 20,
        aim=1,
        of="of 20 KB",
        note=f"{kb:.1f} KB a job",
    )
    share = sample.cpu_s / sample.wall_s
    yield Row(
        figure="in flight: CPU",
        rate="scaled",
        work=work,
        kbatch=sample,
        ratio=share / 0.5,
        aim=1,
        of="of half a core",
        note=f"{100 * share:.0f} % of a core",
    )
    fixed = RENDER_S / 5
    yield Row(
        figure="in flight: polls",
        rate="scaled",
        work=work,
        kbatch=sample,
        ratio=polls / JOBS / fixed,
        aim=0.5,
        of="those of every 5 s",
        note=f"{polls / JOBS:.1f} a job, every 5 s {fixed:.0f}",
    )


def _run(jobs: int) -> tuple[Sample, int]:
    with folder() as home, simulator(LATENCY_S) as url:
        command = (*KBATCH, "run", manifest(home, jobs), "--yes", "-j", str(jobs), "--format", "json")
        sample = run(command, env=environment(url, LATENCY_S))
        counted = bill(url)
    if counted["charges"]["count"] != jobs:
        raise RuntimeError(f"the bill shows {counted} for {jobs} jobs")
    return sample, counted["requests"]["poll"]


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["in_flight", *sys.argv[1:]])
