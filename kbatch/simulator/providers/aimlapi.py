"""The AI/ML API's Kling endpoints as its documents describe them, with both error envelopes that the API uses.

The newer envelope carries 400, 403 and the outages, the older one 401, 404 and 429. The three forms of a job id stand
for three ages of the API: nanoid jobs have no `meta` on acceptance and a bare video. Both paths serve every model; a
job is found on the path that it was begun on only, since no document says that the other one knows it.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from kbatch.simulator.clips.orders import Beat, ClipOrder, StillImage
from kbatch.simulator.exchange import AIMLAPI, Reply, SimulatedRequest, read_json, reply_json
from kbatch.simulator.providers import aimlapi_records
from kbatch.simulator.providers.fields import Complaint, image_bytes, is_link
from kbatch.simulator.providers.offers import AIMLAPI_CREDITS_PER_USD, OFFERS, Offer, quote
from kbatch.simulator.providers.purchase import Purchase, accept, image_of, uuid_of
from kbatch.simulator.state import (
    ENDED_WITHOUT_A_CLIP,
    Phase,
    SimulatedJob,
    World,
    available,
    balance,
    clip_token,
    digest_of,
    phase,
    shared_image,
    stamp,
)

PATH = "/v2/generate/video/kling/generation"
NEWER_PATH = "/v2/video/generations"
MODEL = "kling-video/v2.1/pro/image-to-video"
_NANOID = "useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict"
OUT_OF_CREDITS = "err_insufficent_credits"
_TRACE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ID = re.compile(r"[A-Za-z0-9_:./-]{1,200}")
"""What an id of any of the three forms consists of."""

STATUSES = ("queued", "generating", "waiting", "active", "completed", "error")


def error(status: int, message: str, path: str, now: float, **inner: Any) -> Reply:
    """Return an error in the newer envelope; `inner` goes into `error`, `data` usually."""
    title = HTTPStatus(status).phrase
    document = {
        "title": title,
        "status": status,
        "message": message,
        "instance": path,
        "timestamp": stamp(now),
        "error": {"name": title.replace(" ", "") + "Exception", "message": message, "data": None, **inner},
    }
    return reply_json(status, document)


def old_error(status: int, message: str, path: str, now: float) -> Reply:
    """Return an error in the older envelope."""
    document = {"message": message, "path": path, "requestId": f"sim-{round(now * 1000):x}", "statusCode": status}
    return reply_json(status, {**document, "timestamp": stamp(now)})


def refuse_key(call: SimulatedRequest, now: float) -> Reply | None:
    """Return the 401 that a missing or an unknown key gets; a key `invalid` or `bad…` stands for an unknown one."""
    scheme, _, key = call.headers.get("authorization", "").strip().partition(" ")
    key = key.strip()
    if scheme.lower() == "bearer" and key and key != "invalid" and not key.startswith("bad"):
        return None
    return old_error(401, "Unauthorized" if key else "API key is required", call.path, now)


def key_of(call: SimulatedRequest) -> str:
    """Return the bearer key of a request."""
    return call.headers.get("authorization", "").strip().partition(" ")[2].strip()


def trace_of(call: SimulatedRequest) -> str | None:
    """Return the caller's own name for a request; one that is malformed is dropped in silence, as the vendor says."""
    word = call.headers.get("x-client-request-id")
    return word if word is not None and _TRACE.fullmatch(word) else None


def submit(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Accept a video job: its price is held, to be charged when it completes and released when it fails."""
    reply, job = _submitted(world, call, now)
    known = job is not None and not _is_old(job)
    return _traced(reply, call, job, inference_id=_id_of(world, call, job, now), priced=known)


def _id_of(world: World, call: SimulatedRequest, job: SimulatedJob | None, now: float) -> str:
    """Return the id of an inference: of a refused request one that leads to no job."""
    return job.id if job is not None else digest_of(f"{world.terms.seed}|refused|{now!r}|{key_of(call)}")[:21]


def _traced(
    reply: Reply, call: SimulatedRequest, job: SimulatedJob | None, *, inference_id: str | None, priced: bool
) -> Reply:
    """Return an answer with the headers that lead from it to its record, and with its cost where that is known."""
    headers = {**reply.headers}
    if inference_id is not None:
        headers["x-inference-id"] = inference_id
    trace = trace_of(call)
    if trace is not None:
        headers["x-client-request-id"] = trace
    if job is not None and priced and "no-usage" not in job.job_faults:
        headers["x-aimlapi-credits-used"] = str(job.credits)
        headers["x-aimlapi-usd-spent"] = f"{_usd(job.credits):.9f}"
    return replace(reply, headers=headers)


def _submitted(world: World, call: SimulatedRequest, now: float) -> tuple[Reply, SimulatedJob | None]:
    try:
        body = read_json(call.body)
    except ValueError as trouble:
        return error(400, f"Invalid JSON: {trouble}", call.path, now), None
    complaints = complaints_about(body, world.offers)
    if complaints:
        return _invalid(complaints, call, now), None
    purchase = replace(purchase_of(world, body, now), asker=key_of(call), trace=trace_of(call), path=call.path)
    if world.terms.concurrency is not None and world.running[AIMLAPI] >= world.terms.concurrency:
        return old_error(429, "Too many concurrent generations", call.path, now), None
    if available(world, AIMLAPI) < purchase.quote.credits:
        return out_of_credits(call.path, now), None
    job = accept(world, purchase, now)
    answer: dict[str, Any] = {"id": job.id, "status": "queued"}
    return reply_json(200, answer if _is_old(job) else {**answer, **_meta(job)}), job


def complaints_about(body: object, offers: Mapping[tuple[str, str], Offer] = OFFERS) -> list[Complaint]:
    """Return what is wrong with the body of a submit; an unknown model's is held against the documented one."""
    model = body.get("model") if isinstance(body, dict) else None
    offer = offers.get((AIMLAPI, model)) if isinstance(model, str) else None
    return (offer or OFFERS[AIMLAPI, MODEL]).complaints(body, "")


def poll(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show one job; a failure stands inside a 200."""
    job_id = call.query.get("generation_id", "")
    if not job_id:
        return _invalid([("generation_id", "Required")], call, now)
    job = job_at(world, call)
    if job is None or job.provider != AIMLAPI or job.path not in ("", call.path):
        absent = old_error(404, "Inference not found", call.path, now)
        return _traced(absent, call, None, inference_id=job_id if _ID.fullmatch(job_id) else None, priced=False)
    where, _ = phase(world, job, now)
    done = where is Phase.COMPLETED
    url = f"{call.base}/clips/{clip_token(world, job)}.mp4" if done else ""
    answer = {
        "id": job.id,
        "status": _word(job, where),
        "video": _video(job, url) if done and "video-url" not in job.job_faults else None,
        "error": _trouble(job) if where in ENDED_WITHOUT_A_CLIP else None,
    }
    if done and "video-url" in job.job_faults:
        answer["video_url"] = url
    reply = reply_json(200, {**answer, **_meta(job)} if done else answer)
    return _traced(reply, call, job, inference_id=job.id, priced=done)


def job_at(world: World, call: SimulatedRequest) -> SimulatedJob | None:
    """Return the job that a poll is about."""
    return world.jobs.get(call.query.get("generation_id", ""))


def show_balance(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show the balance in USD; what is held for running jobs still counts as balance."""
    return reply_json(200, {"current_balance": _usd(balance(world, AIMLAPI)), "currency": "USD"})


def show_logs(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show the requests of the asking key, or with a management key those of another one."""
    key = key_of(call)
    if not aimlapi_records.may_read(call, key):
        return error(403, "Reading another key requires a management key", call.path, now)
    return _shown(aimlapi_records.logs(world, call, now, key), call, now)


def show_transactions(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show what moved the account's balance."""
    return _shown(aimlapi_records.transactions(world, call, now), call, now)


def _shown(found: Reply | list[Complaint], call: SimulatedRequest, now: float) -> Reply:
    return found if isinstance(found, Reply) else _invalid(found, call, now)


def out_of_credits(path: str, now: float) -> Reply:
    """Return the 403 that means: no credits left (the spelling is theirs)."""
    message = "You have run out of credits. Please top up your balance or update your payment method"
    return error(403, message, path, now, data={"kind": OUT_OF_CREDITS})


def purchase_of(world: World, body: Mapping[str, Any], now: float) -> Purchase:
    """Return the purchase of a valid body, with defaults filled in and images looked up."""
    offer = world.offers[AIMLAPI, body["model"]]
    completed = offer.complete(body)
    price = quote(offer, completed)
    wide, _, high = (offer.said(completed, offer.ratio) or "16:9").partition(":")
    names = [name for name in (offer.start, offer.end) if name in completed]
    images = {name: _image(world, completed[name], now) for name in names if name is not None}
    shown = {name: value for name, value in completed.items() if name not in images}
    clip = ClipOrder(
        provider=AIMLAPI,
        model=offer.model,
        variant=price.variant,
        prompt=completed.get("prompt", ""),
        seconds=float(offer.seconds(completed)),
        audio=bool(offer.said(completed, offer.audio)),
        ratio=(int(wide), int(high)),
        beats=tuple(Beat(prompt=beat["prompt"], seconds=beat["duration"]) for beat in offer.beats(completed)),
        start=images[offer.start][0] if offer.start in images else None,
        end=images[offer.end][0] if offer.end in images else None,
    )
    return Purchase(
        provider=AIMLAPI,
        model=offer.model,
        prompt=clip.prompt,
        input=shown,
        quote=price,
        clip=clip,
        missing_image=next((url for _, url in images.values() if url is not None), None),
    )


def _image(world: World, value: str, now: float) -> tuple[StillImage, str | None]:
    if is_link(value):
        return image_of(world, value, now)
    return StillImage(data=shared_image(world, image_bytes(value) or b"")), None


def job_id(digest: str, number: int, model: str) -> str:
    """Return an id in the three documented forms in turn: 18 digits, `<uuid>:<model>`, 21 characters of a nanoid."""
    match number % 3:
        case 0:
            return str(10**17 + int(digest, 16) % (9 * 10**17))
        case 1:
            return f"{uuid_of(digest)}:{model}"
        case _:
            return "".join(_NANOID[int(digest[2 * at : 2 * at + 2], 16) % 64] for at in range(21))


def _is_old(job: SimulatedJob) -> bool:
    return len(job.id) == 21


def _word(job: SimulatedJob, where: Phase) -> str:
    pending = ("waiting", "active") if "older-words" in job.job_faults else ("queued", "generating")
    words = {Phase.QUEUED: pending[0], Phase.RUNNING: pending[1], Phase.COMPLETED: "completed"}
    return words.get(where, "error")


def _video(job: SimulatedJob, url: str) -> Any:
    video = {"url": url}
    if not _is_old(job):
        video |= {"content_type": "video/mp4", "file_name": "output.mp4"}
    return [{"url": url}] if "video-list" in job.job_faults else video


def _trouble(job: SimulatedJob) -> Mapping[str, Any]:
    if ":" in job.id:
        return {"detail": [{"loc": ["body", "image_url"], "msg": job.error, "type": "generation_error"}]}
    return {"name": "GenerationError", "message": job.error}


def _meta(job: SimulatedJob) -> Mapping[str, Any]:
    if "no-usage" in job.job_faults:
        return {}
    return {"meta": {"usage": {"credits_used": job.credits, "usd_spent": _usd(job.credits)}}}


def _usd(credits: int) -> float:
    return round(credits / AIMLAPI_CREDITS_PER_USD, 6)


def _invalid(complaints: list[Complaint], call: SimulatedRequest, now: float) -> Reply:
    data = [{"path": path.split(".") if path else [], "message": message} for path, message in complaints]
    return error(400, "Invalid payload provided", call.path, now, data=data)
