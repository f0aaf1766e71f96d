"""`POST /v2/videos/generate`: what a body may hold, and the purchase that it makes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kbatch.simulator.clips.orders import Beat, ClipOrder
from kbatch.simulator.exchange import APIFRAME, Reply, SimulatedRequest, read_json, reply_json
from kbatch.simulator.providers.apiframe import disputed
from kbatch.simulator.providers.apiframe.answers import WORDS, caller, error, invalid, owner_within, too_many
from kbatch.simulator.providers.apiframe.webhooks import EVENTS, schedule
from kbatch.simulator.providers.fields import Complaint, choice, link, many, record, text
from kbatch.simulator.providers.offers import OFFERS, Offer, offers_of, quote
from kbatch.simulator.providers.purchase import Purchase, accept, image_of, links_in
from kbatch.simulator.state import DAY_S, KeyUse, SimulatedJob, World, available, digest_of, phase, purse

KEY_LIMIT = 255

COMMON = {
    "prompt": text(1, 4000),
    "webhookUrl": link(),
    "webhookEvents": many(choice(*EVENTS), least=1),
}


def submit(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Accept a video job: 202 with its id, or one of the documented refusals; a replayed key charges nothing."""
    try:
        body = read_json(call.body)
    except ValueError as trouble:
        return error(400, f"Request body is not valid JSON: {trouble}")
    complaints = complaints_about(body, world.offers)
    if complaints:
        return invalid(complaints)
    key = call.headers.get("idempotency-key", "").strip() or None  # an empty header is none to a server
    if key is not None and len(key) > KEY_LIMIT:
        return error(400, f"Idempotency-Key must have at most {KEY_LIMIT} characters")
    person = caller(world, call)
    scope = None if key is None else f"{owner_within(world.terms.key_scope, person)} {key}"
    if scope is not None and scope in world.keys and now < world.keys[scope].at + DAY_S:
        return _replay(world, world.keys[scope], body, now)
    refusal = disputed.refuse(world, body)
    if refusal is not None:
        return refusal
    purchase = purchase_of(world, body, key, now)
    reply = _buy(world, replace(purchase, owner=person.user, team=person.team, purse=person.purse), scope, now)
    if isinstance(reply, Reply):
        return reply
    schedule(world, reply, call, body)
    return reply_json(202, {"jobId": reply.id, "status": "QUEUED"})


def complaints_about(body: object, offers: Mapping[tuple[str, str], Offer] = OFFERS) -> list[Complaint]:
    """Return what is wrong with the body of a submit: shape and common fields, then the model's own."""
    models = tuple(offer.model for offer in offers_of(APIFRAME, offers))
    if not isinstance(body, dict):
        return record({}).complain(body, "")
    offer = _offer(body, offers)
    key = (offer.body_key if offer is not None else None) or "klingParams"
    parameters = body.get(key, {})
    rest = {name: value for name, value in body.items() if name not in ("model", key)}
    found = record(COMMON).complain(rest, "")
    found += [(name, "Required") for name in ("prompt", "model") if name not in body]
    if "model" in body:
        found += choice(*models).complain(body["model"], "model")
    if offer is None:
        return found + ([] if isinstance(parameters, dict) else record({}).complain(parameters, key))
    return found + offer.complaints(parameters, key)


def _offer(body: Mapping[str, Any], offers: Mapping[tuple[str, str], Offer]) -> Offer | None:
    model = body.get("model")
    return offers.get((APIFRAME, model)) if isinstance(model, str) else None


def _replay(world: World, use: KeyUse, body: Mapping[str, Any], now: float) -> Reply:
    if use.digest != _digest(body):
        return error(409, "Idempotency-Key was already used with a different request body")
    job = world.jobs[use.job_id]
    return reply_json(202, {"jobId": job.id, "status": WORDS[phase(world, job, now)[0]]})


def _buy(world: World, purchase: Purchase, scope: str | None, now: float) -> SimulatedJob | Reply:
    if (
        world.terms.concurrency is not None
        and world.running[purse(APIFRAME, purchase.purse)] >= world.terms.concurrency
    ):
        return too_many(world, "Too many concurrent jobs")
    left, wanted = available(world, APIFRAME, purchase.purse), purchase.quote.credits
    if left < wanted:
        return error(402, "Insufficient credits", creditsRequired=wanted, creditsAvailable=left)
    job = accept(world, purchase, now)
    if scope is not None:
        world.keys[scope] = KeyUse(job_id=job.id, digest=_digest(purchase.sent), at=now)
    return job


def purchase_of(world: World, body: Mapping[str, Any], key: str | None, now: float) -> Purchase:
    """Return the purchase of a valid body, with defaults filled in and images looked up."""
    offer = world.offers[APIFRAME, body["model"]]
    completed = offer.complete(body.get(offer.body_key or "", {}))
    price = quote(offer, completed)
    images = {url: image_of(world, url, now) for url in links_in(completed)}
    start, end = (images.get(offer.said(completed, name)) for name in (offer.start, offer.end))
    wide, _, high = (offer.said(completed, offer.ratio) or "16:9").partition(":")
    clip = ClipOrder(
        provider=APIFRAME,
        model=offer.model,
        variant=price.variant,
        prompt=body["prompt"],
        seconds=float(offer.seconds(completed)),
        audio=bool(offer.said(completed, offer.audio)),
        ratio=(int(wide), int(high)),
        beats=tuple(Beat(prompt=beat["prompt"], seconds=beat["duration"]) for beat in offer.beats(completed)),
        start=start[0] if start else None,
        end=end[0] if end else None,
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


def _digest(body: Mapping[str, Any]) -> str:
    return digest_of(json.dumps(body, sort_keys=True))
