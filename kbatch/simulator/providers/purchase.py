"""The moment of acceptance: a job is made, its fate drawn, and its price charged, all in one step.

An id is a UUID unless the provider makes its own. It is a hash of seed, request, moment and number: the same for the
same run, another for another run, so that an id left over from an earlier world never names a job of this one.
"""

import heapq
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from kbatch.simulator.bill import BilledCharge, charge
from kbatch.simulator.clips.orders import ClipOrder, StillImage
from kbatch.simulator.faults.selection import FaultEvent, FaultTarget, draw_job_faults
from kbatch.simulator.providers.fields import is_link
from kbatch.simulator.providers.offers import OfferedPrice
from kbatch.simulator.state import Phase, SimulatedJob, World, add_job, digest_of, purse, shared_image, stamp

SHORTER_BY_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A request that passed every check; `missing_image` names a picture of ours that is no longer there.

    `sent` is the whole body, of which an API may show less as the job's `input`; owner, team, purse, asker, trace
    and path are the job's.
    """

    provider: str
    model: str
    prompt: str
    input: Mapping[str, Any]
    quote: OfferedPrice
    clip: ClipOrder
    key: str | None = None
    owner: str = ""
    team: str = ""
    purse: str = ""
    asker: str = ""
    trace: str | None = None
    path: str = ""
    sent: Mapping[str, Any] = field(default_factory=dict)
    missing_image: str | None = None


def accept(world: World, purchase: Purchase, now: float) -> SimulatedJob:
    """Make the job and charge it; it is on the bill when this returns."""
    job = job_of(world, purchase, _draw_job_faults(world, purchase), now)
    add_job(world, job)
    account = purse(job.provider, job.purse)
    world.running[account] += 1
    if job.ends_at < math.inf:
        heapq.heappush(world.due, (job.ends_at, job.number, job.id))
    sums = world.held if world.providers[job.provider].holds else world.spent
    sums[account] += job.credits
    line = BilledCharge(
        job_id=job.id,
        provider=job.provider,
        model=job.model,
        variant=job.variant,
        credits=job.credits,
        idempotency_key=purchase.key,
        at=stamp(now),
    )
    charge(world.bill, line)
    return job


def job_of(world: World, purchase: Purchase, job_faults: frozenset[str], now: float) -> SimulatedJob:
    """Return the job that a purchase makes, not yet part of the world."""
    number = len(world.order[purchase.provider])
    take = world.takes[purchase.clip] = world.takes.get(purchase.clip, 0) + 1
    end, error = _end(purchase, job_faults)
    return SimulatedJob(
        id=_job_id(world, purchase, number, now),
        number=number,
        provider=purchase.provider,
        model=purchase.model,
        variant=purchase.quote.variant,
        prompt=purchase.prompt,
        input=purchase.input,
        credits=purchase.quote.credits * (2 if "charge-double" in job_faults else 1),
        created_at=now,
        ends_at=math.inf if "hang" in job_faults else now + world.terms.latency_s,
        end=end,
        error=error,
        job_faults=job_faults,
        clip=_delivered(replace(purchase.clip, take=take), job_faults),
        owner=purchase.owner,
        team=purchase.team,
        purse=purchase.purse,
        asker=purchase.asker,
        trace=purchase.trace,
        path=purchase.path,
    )


def event_of(provider: str, target: FaultTarget, model: str, prompt: str) -> FaultEvent:
    """Return how the dice see a request about this model and prompt."""
    return FaultEvent(target=target, provider=provider, prompt=prompt, subject=f"{provider}|{model}|{prompt}")


def links_in(value: Any) -> Iterator[str]:
    """Yield every http or https URL in a value, those in lists and objects too."""
    if isinstance(value, str):
        yield from [value] if is_link(value) else []
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from links_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from links_in(item)


def image_of(world: World, value: str, now: float) -> tuple[StillImage, str | None]:
    """Return the picture behind a URL, and the URL when it is an upload of ours that has expired or never was."""
    parts = urlsplit(value)
    pieces = parts.path.split("/")
    if len(pieces) == 4 and pieces[1] == "uploads":
        upload = world.uploads.get(pieces[2])
        if upload is None or now >= upload.expires_at:
            return StillImage(host=parts.netloc), value
        return StillImage(data=shared_image(world, upload.data)), None
    return StillImage(host=parts.netloc), None


def _draw_job_faults(world: World, purchase: Purchase) -> frozenset[str]:
    event = event_of(purchase.provider, FaultTarget.SUBMIT, purchase.model, purchase.prompt)
    return draw_job_faults(world.terms.faults, world.fault_counts, event)


def _end(purchase: Purchase, job_faults: frozenset[str]) -> tuple[Phase, str | None]:
    if purchase.missing_image is not None:
        return Phase.FAILED, f"Could not fetch the image {purchase.missing_image}"
    if "fail-moderation" in job_faults:
        return Phase.FAILED, "Content moderation: the generated video was flagged as violating the content policy"
    if "fail" in job_faults:
        return Phase.FAILED, "Generation failed: the model returned an internal error"
    if "cancelled" in job_faults:
        return Phase.CANCELLED, "The job was cancelled"
    return Phase.COMPLETED, None


def _delivered(clip: ClipOrder, job_faults: frozenset[str]) -> ClipOrder:
    if "short-clip" in job_faults:
        clip = replace(clip, seconds=max(0.5, clip.seconds - SHORTER_BY_S))
    if "silent-clip" in job_faults:
        clip = replace(clip, audio=False)
    if "wrong-size" in job_faults:
        clip = replace(clip, ratio=(4, 3) if clip.ratio != (4, 3) else (1, 1))
    return clip


def _job_id(world: World, purchase: Purchase, number: int, now: float) -> str:
    body = json.dumps(purchase.input, sort_keys=True)
    digest = digest_of(f"{world.terms.seed}|{purchase.provider}|{number}|{now!r}|{purchase.key}|{body}")
    own = world.providers[purchase.provider].job_id
    return uuid_of(digest) if own is None else own(digest, number, purchase.model)


def uuid_of(digest: str) -> str:
    """Return a UUID of a digest in hex."""
    variant = "89ab"[int(digest[16], 16) % 4]
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
