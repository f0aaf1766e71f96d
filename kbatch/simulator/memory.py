"""Lets a new world remember a job of an earlier one, so that an interrupted rehearsal can be resumed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kbatch.simulator.state import Phase, World


def remember(known: World, provider: str, job_id: str, body: Mapping[str, Any], now: float) -> None:
    """Let a job of an earlier world, bought with `body`, answer to its id as completed at `now`.

    It was charged by that world: this one neither bills it nor draws its fate. A body that is refused today, and an id
    that is already known, are passed over.
    """
    of = known.providers.get(provider)
    if of is None or of.remember is None or job_id in known.jobs:
        return
    job = of.remember(known, body, now)
    if job is None:
        return
    known.jobs[job_id] = replace(job, id=job_id, end=Phase.COMPLETED, error=None, ends_at=now)
    known.order[provider].append(job_id)
