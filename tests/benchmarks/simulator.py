"""The simulator: requests that it answers in a second without clips, so that it is known when it is the bottleneck."""

import sys
from collections.abc import Iterator

from tests.benchmarks.makespan import loop
from tests.benchmarks.measure import Row

JOBS, PLACES = 3_000, 64


def rows() -> Iterator[Row]:
    """Submit, poll and fetch as fast as a loop with aiohttp can; renders take no time."""
    sample = loop("aiohttp", JOBS, PLACES, 0.0)
    note = f"{JOBS / sample.wall_s:,.0f} jobs/s, {3 * JOBS / sample.wall_s:,.0f} requests/s"
    yield Row(figure="simulator", work=f"{JOBS:,} jobs, {PLACES} at once", kbatch=sample, note=note)


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["simulator", *sys.argv[1:]])
