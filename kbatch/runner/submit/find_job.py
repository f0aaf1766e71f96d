"""Looks for a purchase in the provider's job list by the exact body that was sent; absence from it proves nothing.

A job is claimed only when it can belong to no other send: the jobs without an owner that have this input are as many
as the open sends with this body, and no job remains whose input is not fully shown. One job belongs to one purchase.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from kbatch.providers.base import Listed, NotNow, Reply
from kbatch.providers.endpoints import at_endpoint
from kbatch.receipts.join import records_of
from kbatch.receipts.lifecycle import OPEN, State
from kbatch.receipts.receipt import Receipt
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.submit.job_matching import Likeness, likeness, sent_body

_MOST_PAGES = 50
_EARLIER = timedelta(minutes=10)  # tolerated difference between the two clocks


class Ambiguous(Struct, frozen=True, kw_only=True):
    """The job list does not identify the job; `reason` says why."""

    reason: str


Found = Listed | NotNow | Ambiguous | None


async def find_job(run: Run, session: ProviderSession, fingerprint: str, *, exists: bool = False) -> Found:
    """Return the job of a send, None when no job of the list can be it.

    With `exists` the provider has said that the key is in use, with another body (an image gets a new URL with each
    upload): then images are ignored, provided that no other purchase differs by images only.
    """
    receipt = run.renders[fingerprint]
    body = receipt.request if exists else sent_body(receipt)
    if body is None:
        return Ambiguous(reason="what exactly was sent is not known here")
    rivals = _rivals(run, fingerprint, body, exists=exists)
    if isinstance(rivals, Ambiguous):
        return rivals
    candidates = await _candidates(run, session, receipt)
    if not isinstance(candidates, list):
        return candidates
    like = [(job, likeness(job.input, body, pictures=not exists)) for job in candidates]
    if any(alike is Likeness.UNSURE for _, alike in like):
        return Ambiguous(reason="a job in the provider's list may be it, and does not show all of its input")
    same = [job for job, alike in like if alike is Likeness.SAME]
    if not same:
        return None
    if len(same) != len(rivals):
        return Ambiguous(reason=f"{len(same)} jobs in the provider's list could be {len(rivals)} sends")
    same.sort(key=lambda job: (job.created_at or "", job.job_id))
    return same[rivals.index(fingerprint)]


def _rivals(run: Run, fingerprint: str, body: Mapping[str, Any], *, exists: bool) -> list[str] | Ambiguous:
    """Return the open sends that would match the same jobs, this one included, the earliest first.

    Ambiguous while one of them is being sent: its job may be in the list before its answer arrives.
    """
    mine, open_ones = run.renders[fingerprint], [fingerprint]
    for other, receipt in run.renders.items():
        if other == fingerprint or (receipt.provider, receipt.model) != (mine.provider, mine.model):
            continue
        if exists:
            if likeness(receipt.request, body, pictures=False) is Likeness.SAME:
                return Ambiguous(reason="another purchase differs from it by a picture, or a take, only")
            continue
        if receipt.stage not in OPEN:
            continue
        theirs = sent_body(receipt)
        if theirs is None and likeness(receipt.request, body, pictures=False) is Likeness.OTHER:
            continue
        if theirs is not None and likeness(theirs, body) is not Likeness.SAME:
            continue
        on_its_way = (other, receipt.attempt) in run.touched and receipt.stage is State.INTENDED
        if theirs is None or on_its_way:
            return Ambiguous(reason="another send that is not settled may be the same job")
        open_ones.append(other)
    return sorted(open_ones, key=lambda one: (run.renders[one].submitted_at or "", one))


async def _candidates(run: Run, session: ProviderSession, receipt: Receipt) -> list[Listed] | NotNow | Ambiguous:
    """Return the jobs of the receipt's model, created since it was sent and owned by no receipt, with their input."""
    mine = frozenset(_owned(run, receipt.provider))
    eligible: Callable[[Listed], bool] = lambda job: job.model == receipt.model and job.job_id not in mine  # noqa: E731
    found: dict[str, Listed] = {}
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await run.ask_page(session, session.provider.jobs(cursor), session.provider.read_jobs)
        if isinstance(page, NotNow):
            return page
        for job in page.jobs:
            if eligible(job) and not _before(job, receipt):
                whole = await _job(run, session, receipt, job.job_id)
                if isinstance(whole, NotNow):
                    return whole
                found[job.job_id] = whole
        cursor = page.cursor
        if cursor is None or (page.jobs and _before(page.jobs[-1], receipt)):
            return list(found.values())
    return Ambiguous(reason="the provider's list is too long to be read to the time of the send")


def _owned(run: Run, provider: str) -> Iterator[str]:
    yield from (job_id for name, job_id in run.job_owners if name == provider)
    for known in run.renders.values():
        yield from (one.job_id for one in records_of(known) if one.job_id is not None and one.provider == provider)


async def _job(run: Run, session: ProviderSession, receipt: Receipt, job_id: str) -> Listed | NotNow:
    """Return a job with its input, which the list omits; NotNow when the answer is about another job."""
    if job_id in session.listed_jobs:
        return session.listed_jobs[job_id]

    def read(reply: Reply) -> Listed | NotNow:
        job = session.provider.read_job(reply)
        if isinstance(job, Listed) and job.job_id != job_id:
            return NotNow(message=f"asked for job {job_id}, it answers about {job.job_id}", strange=True)
        return job

    request = at_endpoint(session.provider, receipt.endpoint).poll(job_id)
    job = await run.ask_page(session, request, read)
    if isinstance(job, Listed):
        session.listed_jobs[job_id] = job
    return job


def _before(job: Listed, receipt: Receipt) -> bool:
    """Whether a job is older than the send by more than ten minutes, which clock differences may explain."""
    if job.created_at is None or receipt.submitted_at is None:
        return False
    try:
        created = datetime.fromisoformat(job.created_at)
        return created < datetime.fromisoformat(receipt.provider_time or receipt.submitted_at) - _EARLIER
    except (ValueError, TypeError):
        return False
