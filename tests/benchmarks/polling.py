"""Polling, in virtual time: kbatch's rhythm against asking every 5 s, for renders of one length and of many.

Counted are polls a job, and how late a finished clip is noticed, in hundredths of its render time.
"""

import heapq
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kbatch.runner.limits.polling.render_time_estimate import (
    RenderTimeEstimate,
    first_poll_after,
    learn,
    next_poll_after,
)
from tests.benchmarks.measure import Row, Sample

JOBS, PLACES, USUAL_S, FIXED_S = 600, 16, 60.0, 5.0
Draw = Callable[[random.Random], float]
RENDERS: dict[str, Draw] = {
    "all of 100 s": lambda _dice: 100.0,
    "all of 200 s": lambda _dice: 200.0,
    "60 to 120 s": lambda dice: dice.uniform(60, 120),
    "150 s, a tenth more or less": lambda dice: max(20.0, dice.gauss(150, 15)),
    "60 to 300 s": lambda dice: dice.uniform(60, 300),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a rhythm came to: polls a job, and how late clips were noticed as a share of their render time."""

    polls: float
    late: float


def rows() -> Iterator[Row]:
    """Hold each kind of renders against both rhythms."""
    for name, draw in RENDERS.items():
        ours, fixed = _count(draw, adaptive=True), _count(draw, adaptive=False)
        note = f"{ours.polls:.1f} polls a job, every {FIXED_S:g} s {fixed.polls:.1f}"
        nothing = Sample(wall_s=0.0, cpu_s=0.0, peak_mb=0.0)
        yield Row(
            figure="polls",
            work=name,
            kbatch=nothing,
            ratio=ours.polls / fixed.polls,
            aim=0.5,
            of="those of every 5 s",
            note=note,
        )
        note = f"noticed {100 * ours.late:.1f} % late"
        yield Row(
            figure="noticed",
            work=name,
            kbatch=nothing,
            ratio=ours.late / 0.05,
            aim=1,
            of="5 % of the render",
            note=note,
        )


def _count(draw: Draw, *, adaptive: bool) -> Counted:
    dice = random.Random(1)
    known = RenderTimeEstimate(usual_s=USUAL_S)
    polls, late, started = 0, 0.0, 0
    due: list[tuple[float, int, float, float, float]] = []

    def start(now_s: float) -> None:
        nonlocal started
        if started < JOBS:
            first_s = first_poll_after(known, dice.random()) if adaptive else FIXED_S
            heapq.heappush(due, (now_s + first_s, started, now_s, draw(dice), 0.0))
            started += 1

    for _ in range(PLACES):
        start(0.0)
    while due:
        now_s, number, began_s, takes_s, running_s = heapq.heappop(due)
        polls += 1
        elapsed_s = now_s - began_s
        if elapsed_s < takes_s:
            wait_s = next_poll_after(elapsed_s, dice.random()) if adaptive else FIXED_S
            heapq.heappush(due, (now_s + wait_s, number, began_s, takes_s, elapsed_s))
            continue
        late += (elapsed_s - takes_s) / takes_s
        known = learn(known, running_s=running_s, ended_s=elapsed_s)
        start(now_s)
    return Counted(polls=polls / JOBS, late=late / JOBS)


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["polling", *sys.argv[1:]])
