"""Acme Clips, pretended: what a package brings so that `--simulate` plays its provider."""

from kbatch.simulator.clips.orders import ClipOrder
from kbatch.simulator.exchange import Reply, SimulatedRequest, read_json, reply_json
from kbatch.simulator.faults.selection import FaultTarget
from kbatch.simulator.providers.offers import OfferedPrice
from kbatch.simulator.providers.purchase import Purchase, accept
from kbatch.simulator.state import (
    Endpoint,
    Phase,
    SimulatedJob,
    SimulatedProvider,
    World,
    available,
    balance,
    clip_token,
    phase,
)

_PRICES = {4: 3, 8: 5}
_STATES = {Phase.COMPLETED: "done", Phase.FAILED: "failed", Phase.CANCELLED: "failed"}


def _refuse_key(call: SimulatedRequest, _now: float) -> Reply | None:
    return None if call.headers.get("x-acme-key") else reply_json(401, {"error": "no key"})


def _submit(world: World, call: SimulatedRequest, now: float) -> Reply:
    body = read_json(call.body)
    price = OfferedPrice(variant=f"{body['seconds']}s", credits=_PRICES[body["seconds"]])
    if available(world, "acme") < price.credits:
        return reply_json(402, {"error": "not enough credits"})
    clip = ClipOrder(
        provider="acme",
        model=body["model"],
        variant=price.variant,
        prompt=body["prompt"],
        seconds=float(body["seconds"]),
        audio=False,
    )
    purchase = Purchase(provider="acme", model=body["model"], prompt=body["prompt"], input=body, quote=price, clip=clip)
    job = accept(world, purchase, now)
    return reply_json(202, {"id": job.id, "price": job.credits})


def _job_at(world: World, call: SimulatedRequest) -> SimulatedJob | None:
    return world.jobs.get(call.path.removeprefix("/clips/"))


def _poll(world: World, call: SimulatedRequest, now: float) -> Reply:
    job = _job_at(world, call)
    if job is None:
        return reply_json(404, {"error": "no such clip"})
    where, _ = phase(world, job, now)
    url = f"{call.base}/clips/{clip_token(world, job)}.mp4" if where is Phase.COMPLETED else None
    shown = {"id": job.id, "state": _STATES.get(where, "working"), "url": url, "price": job.credits}
    return reply_json(200, {**shown, "error": job.error})


def _account(world: World, _call: SimulatedRequest, _now: float) -> Reply:
    return reply_json(200, {"credits": balance(world, "acme")})


SIMULATED = SimulatedProvider(
    name="acme",
    credits=1000,
    endpoints={
        "/clips": {"POST": Endpoint(handle=_submit, target=FaultTarget.SUBMIT)},
        "/clips/": {"GET": Endpoint(handle=_poll, target=FaultTarget.POLL)},
        "/account": {"GET": Endpoint(handle=_account)},
    },
    refuse_key=_refuse_key,
    job_at=_job_at,
)
