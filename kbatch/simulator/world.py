"""The pretended world: one call and one moment in, one reply out; all providers and the host of their clips.

`answer(world, call, now)` is the whole interface for a server. It reads no clock, disk or socket; the world is changed
in place. A charge is on the bill before its reply is returned, so a client that dies meanwhile cannot hide it.

An answer is made in this order: key, rate, faults that stand in for the request, the request itself, faults that take
its place afterwards, delays.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate

from kbatch.simulator import bill
from kbatch.simulator.clips.downloads import deliver
from kbatch.simulator.exchange import JSON_TYPE, Reply, SimulatedRequest, read_json, reply_json
from kbatch.simulator.faults.responses import fault_response, garbled, malformed, unknown_status
from kbatch.simulator.faults.selection import FaultEvent, FaultMoment, FaultTarget, select_fault
from kbatch.simulator.providers.apiframe.uploads import event_of_upload
from kbatch.simulator.providers.purchase import event_of
from kbatch.simulator.state import (
    Endpoint,
    Handle,
    Phase,
    SimulatedJob,
    SimulatedProvider,
    World,
    end_due_jobs,
    expired,
    is_expired_url,
    phase,
)

_KEY_HEADERS = ("x-api-key", "authorization", "proxy-authorization", "cookie")
_MINUTE_S = 60.0


def answer(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Return the reply to a request at the time `now`; `charged` says that the bill's charges changed."""
    paid = world.bill.paid_version
    end_due_jobs(world, now)
    reply = _routed(world, call, now)
    headers = {"date": formatdate(now, usegmt=True), **reply.headers}
    return replace(reply, headers=headers, charged=world.bill.paid_version != paid)


def _routed(world: World, call: SimulatedRequest, now: float) -> Reply:
    provider, methods = _found(world, call)
    if methods is None:
        return _error(404, "Not found")
    endpoint = methods.get("GET" if call.method == "HEAD" and "HEAD" in methods else call.method)
    if endpoint is None:
        return _error(405, "Method not allowed", {"allow": ", ".join(methods)})
    if endpoint.target is not None:
        bill.count(world.bill, endpoint.target)
    if provider is not None:
        call = replace(call, path=call.path.removeprefix(provider.prefix)) if provider.prefix else call
        refusal = _refuse(world, provider, call, now) if endpoint.keyed else None
        if refusal is not None:
            return refusal
    if endpoint.target is None or not world.terms.faults:
        return endpoint.handle(world, call, now)
    return _under_faults(world, provider, endpoint, call, now)


def _found(world: World, call: SimulatedRequest) -> tuple[SimulatedProvider | None, Mapping[str, Endpoint] | None]:
    """Return what a path leads to: a provider's endpoints, or pages of the host of clips, which is no provider's."""
    for provider in world.providers.values():
        if call.path.startswith(provider.prefix):
            methods = _at(provider.endpoints, call.path.removeprefix(provider.prefix))
            if methods is not None:
                return provider, methods
    return None, _at(_OWN, call.path)


def _at(table: Mapping[str, Mapping[str, Endpoint]], path: str) -> Mapping[str, Endpoint] | None:
    found = table.get(path)
    if found is None:
        found = next((there for under, there in table.items() if under[-1] == "/" and path.startswith(under)), None)
    return found


def _refuse(world: World, provider: SimulatedProvider, call: SimulatedRequest, now: float) -> Reply | None:
    refusal, limit = provider.refuse_key(call, now), world.terms.rate_per_minute
    if refusal is not None or limit is None:
        return refusal
    owner = "" if provider.rate_owner is None else provider.rate_owner(world, call)
    calls = world.calls[f"{provider.name} {owner}"]
    while calls and calls[0] <= now - _MINUTE_S:
        calls.popleft()
    if len(calls) < limit:
        calls.append(now)
        return None
    wait_s = math.ceil(calls[0] + _MINUTE_S - now)
    if provider.too_many is not None:
        return provider.too_many(world, call, wait_s, now)
    return _error(429, "Too many requests", {"retry-after": str(wait_s)})


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    return reply_json(status, {"error": message}, headers)


# faults


def _under_faults(
    world: World, provider: SimulatedProvider | None, endpoint: Endpoint, call: SimulatedRequest, now: float
) -> Reply:
    assert endpoint.target is not None
    target, event = endpoint.target, _event(world, provider, endpoint.target, call)
    rules, counts = world.terms.faults, world.fault_counts
    effect = select_fault(rules, counts, event, FaultMoment.BEFORE)
    if effect is not None:
        reply = fault_response(effect, world, call, event, now)
    else:
        reply = endpoint.handle(world, call, now)
        good = reply.status < 300 or reply.status == 304
        effect = select_fault(rules, counts, event, FaultMoment.AFTER) if good else None
        if effect is not None:
            reply = (
                garbled(reply)
                if effect == "garbled"
                else fault_response(effect, world, call, event, now)
                if target is FaultTarget.SUBMIT
                else _bent(effect, reply, call, provider)
            )
    delay = select_fault(rules, counts, event, FaultMoment.DELAY)
    if delay is None:
        return reply
    slow_s = world.terms.slow_s
    return replace(reply, drip_s=slow_s) if delay == "slow-download" else replace(reply, wait_s=slow_s)


def _bent(effect: str, reply: Reply, call: SimulatedRequest, provider: SimulatedProvider | None) -> Reply:
    """Return the true reply to a poll or download, changed by one fault; the server changes the bytes of a clip."""
    if effect == "unknown-status":
        return unknown_status(reply)
    if effect == "malformed":
        return malformed(reply)
    if effect == "download-redirect":
        moved = "moved" in call.query
        return reply if moved else Reply(status=302, headers={"location": f"{call.base}{call.path}?moved=1"})
    if provider is not None and provider.bend is not None:
        return provider.bend(effect, call, reply)
    return replace(reply, effect=effect)


def _event(world: World, provider: SimulatedProvider | None, target: FaultTarget, call: SimulatedRequest) -> FaultEvent:
    name = provider.name if provider is not None else next(iter(world.providers))
    if target is FaultTarget.SUBMIT:
        try:
            body = read_json(call.body)
        except ValueError:
            body = None
        model, prompt = (body.get("model"), body.get("prompt")) if isinstance(body, dict) else (None, None)
        return event_of(name, target, str(model), prompt if isinstance(prompt, str) else "")
    if target is FaultTarget.UPLOAD:
        return event_of_upload(name, call)
    job = _job_of_clip(world, call) if provider is None else provider.job_at(world, call)
    if job is None:
        return event_of(name, target, "", "")
    return event_of(job.provider, target, job.model, job.prompt)


# the host of clips and uploads, and the simulator's own pages


def _job_of_clip(world: World, call: SimulatedRequest) -> SimulatedJob | None:
    job_id = world.tokens.get(_token(call))
    return None if job_id is None else world.jobs[job_id]


def _token(call: SimulatedRequest) -> str:
    return call.path.removeprefix("/clips/").removesuffix(".mp4")


def get_clip(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Serve a clip: a request with a key is refused as a leak; 404 after the retention time."""
    refusal = _refuse_leak(world, call)
    if refusal is not None:
        return refusal
    job = _job_of_clip(world, call)
    if job is None or phase(world, job, now)[0] is not Phase.COMPLETED or expired(world, job, now):
        return _gone()
    if is_expired_url(world, job, _token(call)):
        return _gone()
    return Reply(status=200, headers={"content-type": "video/mp4"}, clip=job.clip)


def get_upload(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Serve an uploaded file until it expires."""
    refusal = _refuse_leak(world, call)
    if refusal is not None:
        return refusal
    pieces = call.path.split("/")
    upload = world.uploads.get(pieces[2])
    if upload is None or len(pieces) != 4 or pieces[3] != upload.name or now >= upload.expires_at:
        return _gone()
    return deliver(Reply(status=200, headers={"content-type": upload.media_type}), upload.data, call)


def get_from_other_host(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Answer as the other host of a redirect; a key in the request is recorded as leaked."""
    return _refuse_leak(world, call) or _error(404, "This is another host")


def _refuse_leak(world: World, call: SimulatedRequest) -> Reply | None:
    leaked = [name for name in _KEY_HEADERS if name in call.headers]
    for name in leaked:
        bill.warn_of_leak(world.bill, name)
    return _error(400, f"This host must not see a key: {', '.join(leaked)}") if leaked else None


def _gone() -> Reply:
    return Reply(status=404, headers={"content-type": "text/plain; charset=utf-8"}, body=b"Not found")


def show_bill(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Return the bill so far as JSON."""
    return Reply(status=200, headers={"content-type": JSON_TYPE}, body=bill.as_text(world.bill).encode())


def _media(handle: Handle, target: FaultTarget | None = None) -> dict[str, Endpoint]:
    return dict.fromkeys(("GET", "HEAD"), Endpoint(handle=handle, target=target))


_OWN: Mapping[str, Mapping[str, Endpoint]] = {
    "/__bill": {"GET": Endpoint(handle=show_bill)},
    "/clips/": _media(get_clip, FaultTarget.DOWNLOAD),
    "/uploads/": _media(get_upload),
    "/__elsewhere/": dict.fromkeys(("GET", "HEAD", "POST"), Endpoint(handle=get_from_other_host)),
}
