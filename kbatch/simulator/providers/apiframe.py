"""Apiframe v2 as its documents describe it: every endpoint, its answers and its documented errors."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kbatch.simulator.clips.orders import Beat, ClipOrder
from kbatch.simulator.exchange import APIFRAME, Reply, SimulatedRequest, read_json, reply_json
from kbatch.simulator.providers.accounts import Person, person_of
from kbatch.simulator.providers.fields import Complaint, choice, link, many, record, text
from kbatch.simulator.providers.offers import OFFERS, Offer, cheapest_and_dearest, offers_of, quote, timeline_of
from kbatch.simulator.providers.purchase import Purchase, accept, image_of
from kbatch.simulator.state import (
    DAY_S,
    ENDED_WITHOUT_A_CLIP,
    KeyScope,
    KeyUse,
    Phase,
    SimulatedJob,
    World,
    available,
    clip_token,
    digest_of,
    expired,
    phase,
    stamp,
)

KEY_LIMIT = 255
MAX_CONCURRENT_SHOWN = 10
STATUSES = ("QUEUED", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED")
_WORDS = dict(zip(Phase, STATUSES, strict=True))

COMMON = {
    "prompt": text(1, 4000),
    "webhookUrl": link(),
    "webhookEvents": many(choice("progress", "completed", "failed"), most=3),
}
_IMAGES = ("start_image", "end_image")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    """Return an error in Apiframe's envelope."""
    return reply_json(status, {"error": message, **more}, headers)


def refuse_key(call: SimulatedRequest, now: float) -> Reply | None:
    """Return the 401 that a missing or an unknown key gets; a key `invalid` or `bad…` stands for an unknown one."""
    key = call.headers.get("x-api-key", "").strip()
    if not key:
        return error(401, "API key is required")
    return error(401, "Invalid API key") if key == "invalid" or key.startswith("bad") else None


def submit(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Accept a video job: 202 with its id, or one of the documented refusals; a replayed key charges nothing."""
    try:
        body = read_json(call.body)
    except ValueError as trouble:
        return error(400, f"Request body is not valid JSON: {trouble}")
    complaints = complaints_about(body)
    if complaints:
        return invalid(complaints)
    key = call.headers.get("idempotency-key")
    if key is not None and not re.fullmatch(rf"[!-~]{{1,{KEY_LIMIT}}}", key):
        return error(400, f"Idempotency-Key must have 1 to {KEY_LIMIT} printable characters")
    person = caller(call)
    scope = None if key is None else _scoped(world, person, key)
    if scope is not None and scope in world.keys and now < world.keys[scope].at + DAY_S:
        return _replay(world, world.keys[scope], body, now)
    return _buy(world, replace(purchase_of(world, body, key, now), owner=person.user), scope, now)


def poll(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show one job: 400 for what is no id, 404 for an unknown one, and for one of another user."""
    job_id = call.path.rpartition("/")[2]
    if not _UUID.fullmatch(job_id):
        return error(400, "Invalid job ID")
    job = world.jobs.get(job_id.lower())
    if job is None or job.provider != APIFRAME or job.owner not in ("", caller(call).user):
        return error(404, "Job not found")
    return reply_json(200, {**_shown(world, job, call.base, now), "input": job.input})


def job_at(world: World, call: SimulatedRequest) -> SimulatedJob | None:
    """Return the job that a poll is about."""
    return world.jobs.get(call.path.rpartition("/")[2].lower())


def list_jobs(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show a page of a user's jobs, newest first, without their input; `cursor` is the number below which to go on.

    An admin may ask for the team's.
    """
    person, scope = caller(call), call.query.get("scope", "user")
    wanted, model = call.query.get("status"), call.query.get("model")
    limit, cursor = call.query.get("limit", "20"), call.query.get("cursor")
    order = world.order[APIFRAME]
    complaints = []
    if wanted is not None and wanted not in STATUSES:
        complaints.append(("status", f"Expected one of {', '.join(STATUSES)}"))
    if not re.fullmatch(r"[1-9][0-9]?|100", limit, re.ASCII):
        complaints.append(("limit", "Number must be from 1 to 100"))
    if cursor is not None and not re.fullmatch(r"c[0-9]{1,12}", cursor, re.ASCII):
        complaints.append(("cursor", "Invalid cursor"))
    if scope not in ("user", "team"):
        complaints.append(("scope", "Expected one of user, team"))
    if complaints:
        return invalid(complaints)
    if scope == "team" and not person.admin:
        return error(403, "Only an admin of the team may list its jobs")
    below = len(order) if cursor is None else min(len(order), int(cursor[1:]))
    found: list[SimulatedJob] = []
    for number in range(below - 1, -1, -1):
        job = world.jobs[order[number]]
        mine = scope == "team" or job.owner in ("", person.user)
        if mine and model in (None, job.model) and wanted in (None, _WORDS[phase(world, job, now)[0]]):
            found.append(job)
        if len(found) > int(limit):
            break
    page = found[: int(limit)]
    more = len(found) > len(page)
    jobs = [_shown(world, job, call.base, now) for job in page]
    return reply_json(200, {"jobs": jobs, "nextCursor": f"c{page[-1].number}" if more else None, "hasMore": more})


def show_account(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show the account: the balance is `team.credits`; of the key only its name and how it begins are shown."""
    person = caller(call)
    team = {
        "id": person.team,
        "name": person.team_name,
        "credits": available(world, APIFRAME),
        "plan": "simulated",
        "customerId": f"cus_{person.team[:8]}",
        "maxConcurrentJobs": world.terms.concurrency or MAX_CONCURRENT_SHOWN,
    }
    role = "ADMIN" if person.admin else "MEMBER"
    user = {"id": person.user, "email": "nobody@simulated.invalid", "name": person.name, "role": role}
    shown = {"id": person.key_id, "name": "simulated", "prefix": person.prefix}
    return reply_json(200, {"user": user, "team": team, "apiKey": shown})


def list_models(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show what is on offer; needs no key."""
    models = []
    for offer in offers_of(APIFRAME):
        low, high = cheapest_and_dearest(offer)
        mode = "per_second" if offer.by_second else "fixed"
        models.append({"id": offer.model, "type": "video", "costMin": low, "costMax": high, "pricingMode": mode})
    return reply_json(200, {"models": models})


def complaints_about(body: object) -> list[Complaint]:
    """Return what is wrong with the body of a submit: shape and common fields, then the model's own."""
    models = tuple(offer.model for offer in offers_of(APIFRAME))
    if not isinstance(body, dict):
        return record({}).complain(body, "")
    parameters = body.get("klingParams", {})
    rest = {name: value for name, value in body.items() if name not in ("model", "klingParams")}
    found = record(COMMON).complain(rest, "")
    found += [(name, "Required") for name in ("prompt", "model") if name not in body]
    if "model" in body:
        found += choice(*models).complain(body["model"], "model")
    offer = _offer(body)
    if offer is None:
        return found + ([] if isinstance(parameters, dict) else record({}).complain(parameters, "klingParams"))
    return found + offer.complaints(parameters, "klingParams")


def _offer(body: Mapping[str, Any]) -> Offer | None:
    model = body.get("model")
    return OFFERS.get((APIFRAME, model)) if isinstance(model, str) else None


def _replay(world: World, use: KeyUse, body: Mapping[str, Any], now: float) -> Reply:
    if use.digest != _digest(body):
        return error(409, "Idempotency-Key was already used with a different request body")
    job = world.jobs[use.job_id]
    return reply_json(202, {"jobId": job.id, "status": _WORDS[phase(world, job, now)[0]]})


def caller(call: SimulatedRequest) -> Person:
    """Return the owner of the request's key."""
    return person_of(call.headers.get("x-api-key", "").strip())


def _scoped(world: World, person: Person, key: str) -> str:
    """Return an idempotency key together with whose it is."""
    owners = {KeyScope.TEAM: person.team, KeyScope.USER: person.user, KeyScope.KEY: person.key_id}
    return f"{owners[world.terms.key_scope]} {key}"


def _buy(world: World, purchase: Purchase, scope: str | None, now: float) -> Reply:
    if world.terms.concurrency is not None and world.running[APIFRAME] >= world.terms.concurrency:
        return too_many(world, "Too many concurrent jobs")
    left, wanted = available(world, APIFRAME), purchase.quote.credits
    if left < wanted:
        return error(402, "Insufficient credits", creditsRequired=wanted, creditsAvailable=left)
    job = accept(world, purchase, now)
    if scope is not None:
        world.keys[scope] = KeyUse(job_id=job.id, digest=_digest(purchase.sent), at=now)
    return reply_json(202, {"jobId": job.id, "status": "QUEUED"})


def purchase_of(world: World, body: Mapping[str, Any], key: str | None, now: float) -> Purchase:
    """Return the purchase of a valid body, with defaults filled in and images looked up."""
    offer = OFFERS[APIFRAME, body["model"]]
    completed = offer.complete(body.get("klingParams", {}))
    price = quote(offer, completed)
    images = {name: image_of(world, completed[name], now) for name in _IMAGES if name in completed}
    wide, _, high = completed.get("aspect_ratio", "16:9").partition(":")
    clip = ClipOrder(
        provider=APIFRAME,
        model=offer.model,
        variant=price.variant,
        prompt=body["prompt"],
        seconds=float(completed["duration"]),
        audio=completed.get("generate_audio", False),
        ratio=(int(wide), int(high)),
        beats=tuple(Beat(prompt=beat["prompt"], seconds=beat["duration"]) for beat in timeline_of(completed)),
        start=images["start_image"][0] if "start_image" in images else None,
        end=images["end_image"][0] if "end_image" in images else None,
    )
    return Purchase(
        provider=APIFRAME,
        model=offer.model,
        prompt=body["prompt"],
        input={name: value for name, value in body.items() if not name.startswith("webhook")},
        sent=body,
        quote=price,
        clip=clip,
        key=key,
        missing_image=next((url for _, url in images.values() if url is not None), None),
    )


def too_many(world: World, message: str, wait_s: int | None = None) -> Reply:
    """Return the 429, whose Retry-After is in seconds."""
    seconds = world.terms.retry_after_s if wait_s is None else wait_s
    return error(429, message, {"retry-after": str(seconds)})


def _shown(world: World, job: SimulatedJob, base: str, now: float) -> dict[str, Any]:
    where, progress = phase(world, job, now)
    ended = where not in (Phase.QUEUED, Phase.RUNNING)
    failed = where in ENDED_WITHOUT_A_CLIP
    return {
        "id": job.id,
        "status": _WORDS[where],
        "model": job.model,
        "progress": None if failed else progress,
        "result": _result(job, f"{base}/clips/{clip_token(world, job)}.mp4") if where is Phase.COMPLETED else None,
        "error": job.error if failed else None,
        "creditCost": 0 if failed else job.credits,
        "webhookStatus": None,
        "createdAt": stamp(job.created_at),
        "completedAt": stamp(job.ends_at) if ended else None,
        "expired": where is Phase.COMPLETED and expired(world, job, now),
    }


def _result(job: SimulatedJob, url: str) -> Any:
    if "result-string" in job.job_faults:
        return url
    return {"videos": [url]} if "result-list" in job.job_faults else {"videoUrl": url}


def invalid(complaints: list[Complaint]) -> Reply:
    """Return the 400 that lists all complaints with their paths."""
    details: dict[str, list[str]] = {}
    for path, message in complaints:
        details.setdefault(path, []).append(message)
    return error(400, "Validation failed", details=details)


def _digest(body: Mapping[str, Any]) -> str:
    return digest_of(json.dumps(body, sort_keys=True))
