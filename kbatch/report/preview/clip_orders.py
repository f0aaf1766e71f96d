"""Orders to the simulator for jobs that have no clip here; pure."""

import json
from collections.abc import Mapping
from typing import Any

from kbatch.manifest.drafts import Frame
from kbatch.manifest.images import LocalImage
from kbatch.models.body import parameters_of
from kbatch.planner.jobs import Job
from kbatch.simulator.clips.orders import Beat, ClipOrder, Ratio, StillImage

_WIDE: Ratio = (16, 9)


def order_of(job: Job, pictures: Mapping[str, StillImage]) -> ClipOrder:
    """Return the simulator's order of a job; `pictures` are by parameter."""
    return ClipOrder(
        provider=job.provider,
        model=job.model,
        variant=job.quote.variant,
        prompt=job.draft.prompt or "",
        seconds=float(job.clip.duration_s),
        audio=job.clip.audio,
        ratio=_ratio(_said(job, job.card.ratio)),
        beats=_beats(_said(job, job.card.timeline)),
        start=pictures.get(job.card.start or ""),
        end=pictures.get(job.card.end or ""),
        take=job.draft.take,
    )


def shape_of(job: Job, jobs: Mapping[str, Job]) -> Ratio:
    """Return the shape of a job's clip, width to height: as ordered, else that of its start picture, else 16:9."""
    for _ in range(len(jobs) + 1):
        ratio = _ratio(_said(job, job.card.ratio))
        if ratio is not None:
            return ratio
        match next((part.image for part in job.inputs if part.parameter == job.card.start), None):
            case Frame(address=address):
                job = jobs[address]
            case LocalImage(width=width, height=height):
                return width, height
            case _:
                break
    return _WIDE


def _said(job: Job, name: str | None) -> Any:
    """Return a parameter's value, None where the model has none such or the request leaves it out."""
    return parameters_of(job.card, job.request).get(name) if name is not None else None


def _ratio(text: Any) -> Ratio | None:
    wide, colon, high = str(text).partition(":")
    return (int(wide), int(high)) if colon and wide.isdigit() and high.isdigit() and int(wide) and int(high) else None


def _beats(text: Any) -> tuple[Beat, ...]:
    if not text:
        return ()
    parts = json.loads(text) if isinstance(text, str) else text
    return tuple(Beat(prompt=str(part["prompt"]), seconds=float(part["duration"])) for part in parts)
