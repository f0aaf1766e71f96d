"""Polls many jobs at once by the provider's list of ended jobs, of the session's own account.

A list item is taken for a poll only when all of it is as expected; everything else that it says only makes its job's
task poll singly: a failure (the job may be bought again after it), another model or charge, a job of an earlier run,
whose input the list does not show.
"""

from collections.abc import Collection
from datetime import datetime

import anyio
from msgspec import Struct

from kbatch.providers.base import JobPage, Listed, NotNow, Succeeded
from kbatch.receipts.receipt import Receipt
from kbatch.runner.context import ProviderSession, Run
from kbatch.runner.limits.polling.list_polling import (
    after_failure,
    after_reading,
    asks_for_failed,
    next_page_pays,
    reached,
)
from kbatch.runner.limits.polling.watches import Watch


class _Read(Struct, frozen=True, kw_only=True):
    """Pages that were read: how many, when the last job on them was created, and whether they are all."""

    pages: int
    end: datetime | None
    last: bool


def is_proof(job: Listed, receipt: Receipt, *, own: bool) -> bool:
    """Whether a list item needs no single poll: a clip of the job, the model and the charge that were agreed.

    `own`: this run's submit was answered with the job's id, so its input needs no comparison; an id of an earlier run
    comes from a file.
    """
    outcome = job.outcome
    if not (own and isinstance(outcome, Succeeded) and outcome.url and not outcome.expired):
        return False
    agreed = job.job_id == receipt.job_id and job.model == receipt.model
    return agreed and outcome.credits is not None and outcome.credits == receipt.credits.planned


async def read_ended(run: Run, session: ProviderSession) -> None:
    """Read the list of ended jobs as far as it pays, and tell the watches what it shows and what it does not."""
    watches = session.watches
    watched, began_s = tuple(watches.jobs.values()), anyio.current_time()
    done = watches.reading = anyio.Event()
    try:
        completed = await _read(run, session, watched, failed=False)
        failed = asks_for_failed(watches.lists) and await _read(run, session, watched, failed=True)
    finally:
        watches.reading = None
        done.set()
    now_s = anyio.current_time()
    if completed is None or failed is None:
        watches.lists = after_failure(watches.lists, now_s=now_s)
    else:
        pages = completed.pages + (failed.pages if failed else 0)
        ended = sum(watch.shown is not None for watch in watched)
        watches.lists = after_reading(watches.lists, now_s=now_s, pages=pages, ended=ended)
    if completed is not None:
        _note_absences(watched, completed, began_s)


def _note_absences(watched: Collection[Watch], read: _Read, began_s: float) -> None:
    for watch in watched:
        if reached(watch.sent, read.end, last_page=read.last):
            watch.absences, watch.absent_s = watch.absences + watch.due, began_s
        else:
            watch.missed = watch.due


async def _read(run: Run, session: ProviderSession, watched: Collection[Watch], *, failed: bool) -> _Read | None:
    cursor, pages = None, 0
    while True:
        page = await _page(run, session, cursor, failed=failed)
        if isinstance(page, NotNow):
            return None
        pages += 1
        for job in page.jobs:
            watch = session.watches.jobs.get(job.job_id)
            if watch is not None:
                watch.show(job)
        ends = [date_in(job.created_at) for job in (page.jobs[:1] + page.jobs[-1:])] or [None]
        due = [watch.sent for watch in watched if watch.due and watch.sent and watch.shown is None]
        cursor = page.cursor
        if cursor is None or not next_page_pays(due, page_began=ends[0], page_end=ends[-1], pages=pages):
            return _Read(pages=pages, end=ends[-1], last=cursor is None)


async def _page(run: Run, session: ProviderSession, cursor: str | None, *, failed: bool) -> JobPage | NotNow:
    assert session.ended_jobs is not None
    reply = await session.ask(session.ended_jobs(cursor, failed=failed), timeout_s=run.options.poll_timeout_s)
    return session.provider.read_jobs(reply)


def date_in(text: str | None) -> datetime | None:
    """Read an ISO 8601 date with its time zone; None for anything else."""
    try:
        date = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return date if date.tzinfo is not None else None
