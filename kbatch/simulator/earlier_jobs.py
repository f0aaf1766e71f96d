"""Restores jobs of an earlier simulation in a new world, so that an interrupted simulated run can be resumed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kbatch.simulator.state import Phase, World, add_job


def restore_job(known: World, provider: str, job_id: str, body: Mapping[str, Any], now: float) -> None:
    """Add a job of an earlier world, bought with `body`, as completed at `now`.

    The earlier world charged it, so this one neither bills it nor draws its faults. A body that is refused today and an
    id that is already known change nothing.
    """
    of = known.providers.get(provider)
    if of is None or of.restore_job is None or job_id in known.jobs:
        return
    job = of.restore_job(known, body, now)
    if job is None:
        return
    add_job(known, replace(job, id=job_id, end=Phase.COMPLETED, error=None, ends_at=now))
