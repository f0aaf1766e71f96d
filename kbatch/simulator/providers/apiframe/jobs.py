"""Apiframe's jobs as their owner sees them: one by its id, or a page of the list."""

import base64
import binascii
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kbatch.simulator.exchange import APIFRAME, Reply, SimulatedRequest, reply_json
from kbatch.simulator.faults.selection import FaultTarget, draw_job_faults
from kbatch.simulator.providers.accounts import Person
from kbatch.simulator.providers.apiframe.answers import STATUSES, WORDS, caller, error, invalid
from kbatch.simulator.providers.fields import Complaint, choice
from kbatch.simulator.providers.purchase import event_of
from kbatch.simulator.state import (
    ENDED_WITHOUT_A_CLIP,
    Phase,
    SimulatedJob,
    World,
    clip_token,
    expired,
    list_place,
    phase,
    stamp,
)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLACE = re.compile(r"([0-9]{1,16}) ([0-9a-f-]{36})", re.ASCII)
_USUAL_LIMIT = "20"

Place = tuple[int, str]
"""Where a job stands in the list: its moment in milliseconds, then its id."""


def poll(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show one job: 400 for what is no id, 404 for an unknown one, and for one of another user."""
    job_id = call.path.rpartition("/")[2]
    if not _UUID.fullmatch(job_id):
        return error(400, "Invalid job ID")
    job = job_at(world, call)
    if job is None or job.provider != APIFRAME or job.owner not in ("", caller(world, call).user):
        return error(404, "Job not found")
    return reply_json(200, {**shown(world, job, call.base, now), "input": job.input})


def job_at(world: World, call: SimulatedRequest) -> SimulatedJob | None:
    """Return the job that a poll is about."""
    return world.jobs.get(call.path.rpartition("/")[2].lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A checked query of the list: `before` is the place below which the page begins."""

    status: str | None
    model: str | None
    limit: int
    before: Place | None
    whole_team: bool
    job_id: str | None
    with_models: bool


def list_jobs(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show a page of jobs without their input, newest first by moment and id; `cursor` is the place of a page's last.

    A user's own jobs, or the team's for an admin. A job that is accepted while pages are read is on none of the rest.
    """
    asked = _question(call.query)
    if isinstance(asked, list):
        return invalid(asked)
    person = caller(world, call)
    if asked.whole_team and not person.admin:
        return error(403, "Only an admin of the team may list its jobs")
    found = list(islice(_found(world, asked, person, now), asked.limit + 1))
    page, more = found[: asked.limit], len(found) > asked.limit
    answer: dict[str, Any] = {
        "jobs": [item for job in page for item in _items(world, job, call.base, now)],
        "nextCursor": _cursor(list_place(page[-1])) if more else None,
        "hasMore": more,
    }
    if asked.with_models:
        answer["models"] = sorted({job.model for job in _seen(world, asked, person, None)})
    return reply_json(200, answer)


def _question(query: Mapping[str, str]) -> _Question | list[Complaint]:
    limit, cursor, search = query.get("limit", _USUAL_LIMIT), query.get("cursor"), query.get("search")
    scope, with_models = query.get("scope", "user"), query.get("include_models", "false")
    before = None if cursor is None else _place(cursor)
    complaints = choice("user", "team").complain(scope, "scope")
    complaints += choice("true", "false").complain(with_models, "include_models")
    if "status" in query:
        complaints += choice(*STATUSES).complain(query["status"], "status")
    if not re.fullmatch(r"[1-9][0-9]?|100", limit, re.ASCII):
        complaints.append(("limit", "Number must be from 1 to 100"))
    if cursor is not None and before is None:
        complaints.append(("cursor", "Invalid cursor"))
    if search is not None and not _UUID.fullmatch(search):
        complaints.append(("search", "Invalid uuid"))
    return complaints or _Question(
        status=query.get("status"),
        model=query.get("model"),
        limit=int(limit),
        before=before,
        whole_team=scope == "team",
        job_id=None if search is None else search.lower(),
        with_models=with_models == "true",
    )


def _found(world: World, asked: _Question, person: Person, now: float) -> Iterator[SimulatedJob]:
    for job in _seen(world, asked, person, asked.before):
        if asked.model in (None, job.model) and asked.status in (None, WORDS[phase(world, job, now)[0]]):
            yield job


def _seen(world: World, asked: _Question, person: Person, before: Place | None) -> Iterator[SimulatedJob]:
    """Yield the jobs that this caller may see, from a place on."""
    places = world.listed[APIFRAME]
    for at in range(len(places) if before is None else bisect_left(places, before), 0, -1):
        job = world.jobs[places[at - 1][1]]
        mine = job.team == person.team if asked.whole_team else job.owner == person.user
        if (mine or not job.owner) and asked.job_id in (None, job.id):
            yield job


def _cursor(place: Place) -> str:
    return base64.b64encode(f"{place[0]} {place[1]}".encode()).decode()


def _place(cursor: str) -> Place | None:
    try:
        found = _PLACE.fullmatch(base64.b64decode(cursor, validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        return None
    return None if found is None else (int(found[1]), found[2])


def _items(world: World, job: SimulatedJob, base: str, now: float) -> list[dict[str, Any]]:
    """Return a job's item, once but under a fault."""
    event = event_of(APIFRAME, FaultTarget.LIST, job.model, job.prompt)
    effects = draw_job_faults(world.terms.faults, world.fault_counts, event)
    item = shown(world, job, base, now)
    if "list-no-result" in effects:
        del item["result"]
    if "list-lacks" in effects:
        return []
    return [item, item] if "list-twice" in effects else [item]


def shown(world: World, job: SimulatedJob, base: str, now: float) -> dict[str, Any]:
    """Return a job as the list and webhooks show it, without its input."""
    where, progress = phase(world, job, now)
    ended = where not in (Phase.QUEUED, Phase.RUNNING)
    failed = where in ENDED_WITHOUT_A_CLIP
    return {
        "id": job.id,
        "status": WORDS[where],
        "model": job.model,
        "progress": None if failed else progress,
        "result": _result(job, f"{base}/clips/{clip_token(world, job)}.mp4") if where is Phase.COMPLETED else None,
        "error": job.error if failed else None,
        "creditCost": 0 if failed else job.credits,
        "webhookStatus": world.outbox.status.get(job.id),
        "createdAt": stamp(job.created_at),
        "completedAt": stamp(job.ends_at) if ended else None,
        "expired": where is Phase.COMPLETED and expired(world, job, now),
    }


def _result(job: SimulatedJob, url: str) -> Any:
    if "result-string" in job.job_faults:
        return url
    if "result-list" in job.job_faults:
        return {"videos": [url]}
    return {"video_url" if "result-video-url" in job.job_faults else "videoUrl": url}
