"""Looks for a purchase in the provider's job list by what was asked for; absence from a list settles nothing."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from kbatch.providers.base import Listed, NotNow, Page
from kbatch.receipts.receipt import Receipt
from kbatch.run.context import Line, Run

_MOST_PAGES = 50
_TRIES = 4
_EARLIER = timedelta(minutes=10)


async def find_job(run: Run, line: Line, receipt: Receipt) -> Listed | NotNow | None:
    """Return the job with the receipt's model, prompt and parameters (image URLs apart) that no receipt owns.

    Of several the oldest one; None when the list was read to its end, or to a time before the send, without one.
    """
    owned = {one.job_id for known in run.renders.values() for one in (known, *known.also, *known.failed)}
    best: Listed | None = None
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await _page(run, line, cursor)
        if isinstance(page, NotNow):
            return page
        for job in page.jobs:
            if job.model == receipt.model and job.job_id not in owned and not _before(job, receipt):
                whole = await _job(run, line, job.job_id)
                if isinstance(whole, Listed) and same_request(whole.input, receipt.request):
                    best = whole
        cursor = page.cursor
        if cursor is None or (page.jobs and _before(page.jobs[-1], receipt)):
            break
    return best


async def _page(run: Run, line: Line, cursor: str | None) -> Page | NotNow:
    page: Page | NotNow = NotNow(message="not asked")
    for attempt in range(_TRIES):
        reply = await line.ask(line.provider.jobs(cursor), timeout_s=run.options.poll_timeout_s)
        page = line.provider.read_jobs(reply)
        if isinstance(page, Page) or page.stop:
            break
        if not await run.wait(line, attempt, page.retry_after_s):
            break
    return page


async def _job(run: Run, line: Line, job_id: str) -> Listed | NotNow:
    if job_id in line.listed:
        return line.listed[job_id]
    job: Listed | NotNow = NotNow(message="not asked")
    for attempt in range(_TRIES):
        job = line.provider.read_job(await line.ask(line.provider.poll(job_id), timeout_s=run.options.poll_timeout_s))
        if isinstance(job, Listed) or job.stop:
            break
        if not await run.wait(line, attempt, job.retry_after_s):
            break
    if isinstance(job, Listed):
        line.listed[job_id] = job
    return job


def _before(job: Listed, receipt: Receipt) -> bool:
    """Whether a job is clearly older than the send, by both clocks with ten minutes between them."""
    if job.created_at is None or receipt.submitted_at is None:
        return False
    try:
        created = datetime.fromisoformat(job.created_at)
        return created < datetime.fromisoformat(receipt.provider_time or receipt.submitted_at) - _EARLIER
    except (ValueError, TypeError):
        return False


def same_request(theirs: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> bool:
    """Whether a job's input is our request, pictures apart: their URLs differ from upload to upload."""
    if theirs is None:
        return False
    return _flat(theirs) == _flat(ours)


def _flat(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a body without the nesting and without pictures."""
    flat: dict[str, Any] = {}
    for name, value in request.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value))
        elif name not in ("start_image", "end_image", "image_url", "static_mask", "webhookUrl", "webhookEvents"):
            flat[name] = json.dumps(value, sort_keys=True)
    return flat
