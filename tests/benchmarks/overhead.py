"""The overhead: CPU of a job from submit to the verified file, without the time of its render.

Its floor is a hand-written asyncio loop that makes the same requests with httpx; the loop with aiohttp is told too.
"""

import sys
from collections.abc import Iterator

from tests.benchmarks.makespan import kbatch, loop
from tests.benchmarks.measure import Row, median

JOBS, PLACES, LATENCY_S = 1_000, 64, 0.5


def rows() -> Iterator[Row]:
    """Measure renders of half a second, where the work around them is most of the time."""
    ours, by_hand = [], []
    for _ in range(3):
        by_hand.append(loop("httpx", JOBS, PLACES, LATENCY_S))
        ours.append(kbatch(JOBS, PLACES, LATENCY_S))
    mine, floor = median(ours), median(by_hand)
    aiohttp = loop("aiohttp", JOBS, PLACES, LATENCY_S)
    ms = [1000 * sample.cpu_s / JOBS for sample in (mine, floor, aiohttp)]
    note = f"{ms[0]:.1f} ms of CPU a job, httpx by hand {ms[1]:.1f}, aiohttp {ms[2]:.1f}"
    work = f"{JOBS:,} jobs of {LATENCY_S:g} s, {PLACES} at once"
    yield Row(
        figure="overhead",
        rate="scaled",
        work=work,
        kbatch=mine,
        floor=floor,
        ratio=mine.cpu_s / floor.cpu_s,
        aim=1.3,
        of="CPU",
        note=note,
    )


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["overhead", *sys.argv[1:]])
