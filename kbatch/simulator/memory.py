"""Lets a new world remember a job of an earlier one, so that an interrupted rehearsal can be resumed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kbatch.simulator import world
from kbatch.simulator.exchange import Call
from kbatch.simulator.state import World

_PATHS = {"apiframe": "/v2/videos/generate", "aimlapi": "/v2/generate/video/kling/generation"}


def remember(known: World, provider: str, job_id: str, body: Mapping[str, Any], now: float) -> None:
    """Accept `body` again and let the job answer to its earlier id; a body that is refused today is forgotten."""
    headers = {"x-api-key": "earlier", "authorization": "Bearer earlier", "content-type": "application/json"}
    call = Call(method="POST", path=_PATHS[provider], headers=headers, body=json.dumps(body).encode())
    world.answer(known, call, now)
    order = known.order[provider]
    if not order or job_id in known.jobs:
        return
    job = known.jobs.pop(order[-1])
    order[-1] = job_id
    known.jobs[job_id] = replace(job, id=job_id)
    known.due[:] = [(at, number, job_id if name == job.id else name) for at, number, name in known.due]
