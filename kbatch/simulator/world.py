"""The pretended world: one call and one moment in, one reply out; both providers and the host of their clips.

`answer(world, call, now)` is all that a door needs. It keeps no clock, touches no disk and knows no socket; the world
is advanced in place. A charge is on the bill before its reply is returned, so that no client can hide it by dying.

An answer is made in this order: key, rate, faults that stand in for the request, the request itself, faults that take
its place afterwards, delays.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate

from kbatch.simulator import bill
from kbatch.simulator.clips.downloads import deliver
from kbatch.simulator.exchange import AIMLAPI, APIFRAME, JSON_TYPE, Reply, SimulatedRequest, read_json, reply_json
from kbatch.simulator.faults.dice import FaultEvent, FaultMoment, FaultPlace, strike
from kbatch.simulator.faults.responses import mishap, unknown_status
from kbatch.simulator.providers import aimlapi, apiframe, uploads
from kbatch.simulator.providers.openapi import DOCUMENT
from kbatch.simulator.providers.purchase import event_of
from kbatch.simulator.state import Phase, SimulatedJob, World, expired, is_dead, phase, settle

Handle = Callable[[World, SimulatedRequest, float], Reply]

_KEY_HEADERS = ("x-api-key", "authorization", "proxy-authorization", "cookie")
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path: whose it is, whether it needs a key, and where faults may hit it."""

    handle: Handle
    provider: str = ""
    place: FaultPlace | None = None


def answer(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Return the reply to a call at a moment; it has the provider's `Date`, and `charged` when money moved."""
    paid = world.bill.paid_version
    settle(world, now)
    reply = _routed(world, call, now)
    headers = {"date": formatdate(now, usegmt=True), **reply.headers}
    return replace(reply, headers=headers, charged=world.bill.paid_version != paid)


def _routed(world: World, call: SimulatedRequest, now: float) -> Reply:
    methods = _EXACT.get(call.path)
    if methods is None:
        methods = next((found for prefix, found in _UNDER if call.path.startswith(prefix)), None)
    if methods is None:
        return apiframe.error(404, "Not found")
    endpoint = methods.get("GET" if call.method == "HEAD" and "HEAD" in methods else call.method)
    if endpoint is None:
        return apiframe.error(405, "Method not allowed", {"allow": ", ".join(methods)})
    if endpoint.place is not None:
        bill.count(world.bill, endpoint.place)
    refusal = _refuse(world, endpoint, call, now)
    if refusal is not None:
        return refusal
    if endpoint.place is None or not world.terms.faults:
        return endpoint.handle(world, call, now)
    return _under_faults(world, endpoint, call, now)


def _refuse(world: World, endpoint: Endpoint, call: SimulatedRequest, now: float) -> Reply | None:
    match endpoint.provider:
        case "apiframe":
            return apiframe.refuse_key(call) or _refuse_haste(world, endpoint, call, now)
        case "aimlapi":
            return aimlapi.refuse_key(call, now) or _refuse_haste(world, endpoint, call, now)
        case _:
            return None


def _refuse_haste(world: World, endpoint: Endpoint, call: SimulatedRequest, now: float) -> Reply | None:
    limit, calls = world.terms.rate_per_minute, world.calls[endpoint.provider]
    if limit is None:
        return None
    while calls and calls[0] <= now - _MINUTE_S:
        calls.popleft()
    if len(calls) < limit:
        calls.append(now)
        return None
    if endpoint.provider == AIMLAPI:
        return aimlapi.old_error(429, "Too many requests", call.path, now)
    return apiframe.too_many(world, "Too many requests", math.ceil(calls[0] + _MINUTE_S - now))


# faults


def _under_faults(world: World, endpoint: Endpoint, call: SimulatedRequest, now: float) -> Reply:
    assert endpoint.place is not None
    place, event = endpoint.place, _event(world, endpoint, call)
    rules, tally = world.terms.faults, world.tally
    effect = strike(rules, tally, event, FaultMoment.BEFORE)
    if effect is not None:
        reply = mishap(effect, world, call, event, now)
    else:
        reply = endpoint.handle(world, call, now)
        effect = strike(rules, tally, event, FaultMoment.AFTER) if reply.status < 300 else None
        if effect is not None:
            reply = (
                mishap(effect, world, call, event, now) if place is FaultPlace.SUBMIT else _bent(effect, reply, call)
            )
    delay = strike(rules, tally, event, FaultMoment.DELAY)
    if delay is None:
        return reply
    slow_s = world.terms.slow_s
    return replace(reply, drip_s=slow_s) if delay == "slow-download" else replace(reply, wait_s=slow_s)


def _bent(effect: str, reply: Reply, call: SimulatedRequest) -> Reply:
    """Return the true answer to a poll or a download, made wrong in one way; the door bends the bytes of a clip."""
    if effect == "unknown-status":
        return unknown_status(reply)
    if effect == "download-redirect":
        moved = "moved" in call.query
        return reply if moved else Reply(status=302, headers={"location": f"{call.base}{call.path}?moved=1"})
    return replace(reply, effect=effect)


def _event(world: World, endpoint: Endpoint, call: SimulatedRequest) -> FaultEvent:
    place = endpoint.place or FaultPlace.POLL
    if place is FaultPlace.SUBMIT:
        try:
            body = read_json(call.body)
        except ValueError:
            body = None
        model, prompt = (body.get("model"), body.get("prompt")) if isinstance(body, dict) else (None, None)
        return event_of(endpoint.provider, place, str(model), prompt if isinstance(prompt, str) else "")
    if place is FaultPlace.UPLOAD:
        return uploads.event_of_upload(call)
    job = _job_of_clip(world, call) if place is FaultPlace.DOWNLOAD else _JOB_AT[endpoint.provider](world, call)
    if job is None:
        return event_of(endpoint.provider or APIFRAME, place, "", "")
    return event_of(job.provider, place, job.model, job.prompt)


# the host of clips and uploads, and the simulator's own pages


def _job_of_clip(world: World, call: SimulatedRequest) -> SimulatedJob | None:
    job_id = world.tokens.get(_token(call))
    return None if job_id is None else world.jobs[job_id]


def _token(call: SimulatedRequest) -> str:
    return call.path.removeprefix("/clips/").removesuffix(".mp4")


def get_clip(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Hand out a clip: no key is needed and none is welcome; 404 once it is no longer kept."""
    refusal = _refuse_leak(world, call)
    if refusal is not None:
        return refusal
    job = _job_of_clip(world, call)
    if job is None or phase(world, job, now)[0] is not Phase.COMPLETED or expired(world, job, now):
        return _gone()
    if is_dead(world, job, _token(call)):
        return _gone()
    return Reply(status=200, headers={"content-type": "video/mp4"}, clip=job.clip)


def get_upload(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Hand out an uploaded file until it expires."""
    refusal = _refuse_leak(world, call)
    if refusal is not None:
        return refusal
    pieces = call.path.split("/")
    upload = world.uploads.get(pieces[2])
    if upload is None or len(pieces) != 4 or pieces[3] != upload.name or now >= upload.expires_at:
        return _gone()
    return deliver(Reply(status=200, headers={"content-type": upload.media_type}), upload.data, call)


def note_elsewhere(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Be the other host of a redirect: a key that comes here has crossed to a stranger."""
    return _refuse_leak(world, call) or apiframe.error(404, "This is another host")


def _refuse_leak(world: World, call: SimulatedRequest) -> Reply | None:
    leaked = [name for name in _KEY_HEADERS if name in call.headers]
    for name in leaked:
        bill.warn_of_leak(world.bill, name)
    return apiframe.error(400, f"This host must not see a key: {', '.join(leaked)}") if leaked else None


def _gone() -> Reply:
    return Reply(status=404, headers={"content-type": "text/plain; charset=utf-8"}, body=b"Not found")


def show_bill(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show what was charged and refunded so far."""
    return Reply(status=200, headers={"content-type": JSON_TYPE}, body=bill.as_text(world.bill).encode())


def show_openapi(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show the OpenAPI document of all this."""
    return reply_json(200, DOCUMENT)


def _apiframe(handle: Handle, place: FaultPlace | None = None) -> Endpoint:
    return Endpoint(handle=handle, provider=APIFRAME, place=place)


def _aimlapi(handle: Handle, place: FaultPlace | None = None) -> Endpoint:
    return Endpoint(handle=handle, provider=AIMLAPI, place=place)


def _media(handle: Handle, place: FaultPlace | None = None) -> dict[str, Endpoint]:
    return dict.fromkeys(("GET", "HEAD"), Endpoint(handle=handle, place=place))


_EXACT: Mapping[str, Mapping[str, Endpoint]] = {
    "/v2/videos/generate": {"POST": _apiframe(apiframe.submit, FaultPlace.SUBMIT)},
    "/v2/jobs": {"GET": _apiframe(apiframe.list_jobs)},
    "/v2/me": {"GET": _apiframe(apiframe.show_account)},
    "/v2/models": {"GET": Endpoint(handle=apiframe.list_models)},
    "/v2/uploads": {"POST": _apiframe(uploads.upload, FaultPlace.UPLOAD)},
    aimlapi.PATH: {"POST": _aimlapi(aimlapi.submit, FaultPlace.SUBMIT), "GET": _aimlapi(aimlapi.poll, FaultPlace.POLL)},
    "/v2/billing": {"GET": _aimlapi(aimlapi.show_balance)},
    "/__bill": {"GET": Endpoint(handle=show_bill)},
    "/__openapi.json": {"GET": Endpoint(handle=show_openapi)},
}
_UNDER: tuple[tuple[str, Mapping[str, Endpoint]], ...] = (
    ("/v2/jobs/", {"GET": _apiframe(apiframe.poll, FaultPlace.POLL)}),
    ("/clips/", _media(get_clip, FaultPlace.DOWNLOAD)),
    ("/uploads/", _media(get_upload)),
    ("/__elsewhere/", dict.fromkeys(("GET", "HEAD", "POST"), Endpoint(handle=note_elsewhere))),
)
_JOB_AT = {APIFRAME: apiframe.job_at, AIMLAPI: aimlapi.job_at}
