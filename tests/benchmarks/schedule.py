"""The order of work, in virtual time: kbatch's places and urgency against the manifest's order and the ideal.

Clips of 5, 10 and 15 s whose renders take as long in proportion, and a chain of five among 500; trio's clock leaps, so
the seconds are those of the renders and nothing of this machine is in them.
"""

import math
import sys
from collections.abc import Iterator, Mapping

import anyio
import trio
from trio.testing import MockClock

from kbatch.api import Proposal, load, plan
from kbatch.planner.actions import PlanEntry
from kbatch.runner.limits.concurrency import Slots
from kbatch.runner.limits.priority import priorities
from tests.benchmarks.measure import Row, Sample, folder
from tests.benchmarks.service import manifest

_MIXED = """shots:
  - id: job
    prompt: "job {{ n }}"
    matrix: {n: "{{ range(33) }}", seconds: [5, 10, 15]}
    params: {duration: "{{ seconds }}"}
"""
_CHAIN = """shots:
  - {id: job, prompt: "job {{ n }}", matrix: {n: "{{ range(495) }}"}}
  - {id: c0, prompt: first}
""" + "".join(
    f"""  - {{id: c{n}, prompt: link {n}, params: {{start_image: "{{{{ last_frame('c{n - 1}') }}}}"}}}}\n"""
    for n in range(1, 5)
)


def rows() -> Iterator[Row]:
    """Work both campaigns in kbatch's order and in the manifest's."""
    for work, shots, places in (
        ("99 clips of 5, 10 and 15 s, 16 at once", _MIXED, 16),
        ("a chain of 5 among 500, 64 at once", _CHAIN, 64),
    ):
        with folder() as home:
            proposal = plan(load(manifest(home, 0, shots)))
        entries = proposal.plan.entries
        urgent = priorities(proposal.plan)
        written = {entry.address: -float(number) for number, entry in enumerate(entries)}
        ours, theirs = _makespan(proposal, urgent, places), _makespan(proposal, written, places)
        ideal = max(_longest_path(entries), math.fsum(map(_seconds, entries)) / places)
        note = f"in the manifest's order {theirs / ideal:.2f} × ideal"
        yield Row(
            figure="order of work",
            work=work,
            kbatch=_sample(ours),
            floor=_sample(ideal),
            ratio=ours / ideal,
            of="ideal",
            note=note,
        )


def _sample(seconds: float) -> Sample:
    return Sample(wall_s=seconds, cpu_s=0.0, peak_mb=0.0)


def _seconds(entry: PlanEntry) -> float:
    return float(entry.job.clip.duration_s * 10)


def _longest_path(entries: tuple[PlanEntry, ...]) -> float:
    ends: dict[str, float] = {}
    for entry in entries:
        ends[entry.address] = _seconds(entry) + max((ends[need] for need in entry.job.upstream), default=0.0)
    return max(ends.values())


def _makespan(proposal: Proposal, urgency: Mapping[str, float], places: int) -> float:
    """Return the virtual seconds until the last job has ended."""

    async def work() -> float:
        slots = Slots(places)
        ended = {entry.address: anyio.Event() for entry in proposal.plan.entries}

        async def job(entry: PlanEntry) -> None:
            for need in entry.job.upstream:
                await ended[need].wait()
            async with slots.hold(urgency[entry.address]):
                await anyio.sleep(_seconds(entry))
            ended[entry.address].set()

        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for entry in sorted(proposal.plan.entries, key=lambda entry: -urgency[entry.address]):
                tasks.start_soon(job, entry)
        return anyio.current_time() - began

    return float(trio.run(work, clock=MockClock(autojump_threshold=0)))


if __name__ == "__main__":
    from tests.benchmarks.__main__ import main

    main(["schedule", *sys.argv[1:]])
