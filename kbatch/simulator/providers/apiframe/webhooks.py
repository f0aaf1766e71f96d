"""Apiframe's webhooks: the events of a job that are sent, their times and their signatures.

The signature is an HMAC-SHA256 of the body under the SHA-256 of the API key: under its bytes in the vendor's SDK, under
its hex text in a public server; the world's terms say which.
"""

import hashlib
import hmac
import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kbatch.simulator.exchange import APIFRAME, SimulatedRequest
from kbatch.simulator.faults.selection import FaultTarget, draw_job_faults
from kbatch.simulator.providers.apiframe.answers import key_of
from kbatch.simulator.providers.apiframe.jobs import shown
from kbatch.simulator.providers.purchase import event_of
from kbatch.simulator.state import ENDED_WITHOUT_A_CLIP, SignatureKey, SimulatedJob, World
from kbatch.simulator.webhooks import PENDING, Delivery, plan

EVENTS = ("progress", "completed", "failed")
TOLD_AT = (0.2, 0.6)
"""When progress is sent, as shares of the latency."""

FORGED_CLIP = "https://forged.invalid/clip.mp4"
_LATER_S = 0.05
_TOLD = ("status", "progress", "result", "model", "creditCost", "completedAt")


Content = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """One webhook to plan: when, what it says, and its secret, None where it is not signed."""

    at: float
    content: Content
    secret: bytes | None
    last: bool = False


def schedule(world: World, job: SimulatedJob, call: SimulatedRequest, body: Mapping[str, Any]) -> None:
    """Plan the webhooks of a newly accepted job; without `webhookEvents` every event is sent."""
    if "webhookUrl" not in body:
        return
    world.outbox.status[job.id] = PENDING
    event = event_of(APIFRAME, FaultTarget.WEBHOOK, job.model, job.prompt)
    effects = draw_job_faults(world.terms.faults, world.fault_counts, event)
    if "webhook-never" in effects:
        return
    form = world.terms.webhook_key
    foreign = _secret("somebody else's key", form)
    own = foreign if "webhook-missigned" in effects else _secret(key_of(call), form)
    secret = None if "webhook-unsigned" in effects else own
    told = [
        _Letter(at=at, content=_content(world, job, call.base, name, at), secret=secret)
        for at, name in _events(world, job)
        if name in body.get("webhookEvents", EVENTS)
    ]
    told[-1:] = [replace(letter, last=True) for letter in told[-1:]]
    if "webhook-forged" in effects:
        lie = {"event": "completed", "status": "COMPLETED", "progress": 100, "result": {"videoUrl": FORGED_CLIP}}
        content = _content(world, job, call.base, "progress", job.created_at)
        told.append(_Letter(at=job.created_at, content={**content, **lie}, secret=foreign))
    for letter in _bent(world, told, effects):
        plan(world.outbox, letter.at, _delivery(job, body["webhookUrl"], letter))


def _bent(world: World, told: list[_Letter], effects: Collection[str]) -> list[_Letter]:
    """Return the letters as they go out: late, twice, again, or with an outdated one at the end."""
    late_s = world.terms.slow_s if "webhook-late" in effects else 0.0
    told = [replace(letter, at=letter.at + late_s) for letter in told for _ in range(1 + ("webhook-twice" in effects))]
    end = next((letter for letter in told if letter.last), None)
    if end is not None and "webhook-replayed" in effects:
        told.append(replace(end, at=end.at + world.terms.slow_s))
    if end is not None and "webhook-disorder" in effects:
        stale = {"event": "progress", "status": "PROCESSING", "progress": 50, "result": None, "completedAt": None}
        content = {**end.content, **stale}
        content.pop("error", None)
        told.append(replace(end, at=end.at + _LATER_S, content=content, last=False))
    return told


def _events(world: World, job: SimulatedJob) -> Iterable[tuple[float, str]]:
    """Yield the events of a job with their moments, in order."""
    for share in TOLD_AT:
        at = job.created_at + share * world.terms.latency_s
        if job.created_at < at < job.ends_at:
            yield at, "progress"
    if job.ends_at < math.inf:
        yield job.ends_at, "failed" if job.end in ENDED_WITHOUT_A_CLIP else "completed"


def _content(world: World, job: SimulatedJob, base: str, name: str, at: float) -> Content:
    """Return the body of an event: the documented fields as the job has them then, and for a failure its error."""
    now = shown(world, job, base, at)
    content = {"event": name, "jobId": job.id, **{field: now[field] for field in _TOLD}}
    return {**content, "error": now["error"]} if name == "failed" else content


def _delivery(job: SimulatedJob, url: str, letter: _Letter) -> Delivery:
    data = json.dumps(letter.content, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", "x-webhook-event": letter.content["event"]}
    if letter.secret is not None:
        headers["x-webhook-signature"] = "sha256=" + hmac.new(letter.secret, data, hashlib.sha256).hexdigest()
    return Delivery(job_id=job.id, url=url, headers=headers, body=data, last=letter.last)


def _secret(key: str, form: SignatureKey) -> bytes:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass"))
    return digest.digest() if form is SignatureKey.RAW else digest.hexdigest().encode()
