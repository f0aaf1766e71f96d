"""Checks the paths and requests of a lockfile, which is untrusted input, before clips are read, moved or downloaded.

A clip must be in the manifest's folder, at a path that a manifest can name; a job's purchase must have the job's own
request.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kbatch import storage
from kbatch.errors import StateUnreadable
from kbatch.models.fingerprint import canonical, fingerprint
from kbatch.planner.jobs import Job
from kbatch.receipts import store
from kbatch.receipts.join import records_of
from kbatch.receipts.lockfile.audit import CLIPS, is_clip_path, is_outside
from kbatch.receipts.receipt import Receipt, ReceiptState, without_queries

_HINT = "`kbatch lock check` shows where; no run of kbatch writes this"
_PLAIN = re.compile(r"(?:[\w-][\w.-]*/)*(?:\.kept/)?[\w-][\w.-]*\.mp4")


def check_clip_paths(found: store.LoadedState, lockfile: Path) -> None:
    """Raise StateUnreadable for a clip path outside the manifest's folder, or one that no clip can have."""
    for path in _paths(found):
        if is_outside(path):
            message = f"{lockfile}: names a clip outside the manifest's folder: `{path}`"
            raise StateUnreadable(message, hint=_HINT)
        if not (_PLAIN.fullmatch(path) or is_clip_path(path)):
            message = f"{lockfile}: names `{path}` as a clip, and no clip lies there"
            raise StateUnreadable(message, hint=CLIPS)


def _paths(found: store.LoadedState) -> Iterator[str]:
    for index in (found.lockfile.jobs, *found.lockfile.profiles.values()):
        yield from (entry.path for entry in index.values())
    for shown in found.lockfile.renders.values():
        yield from (one.output.path for one in records_of(shown) if one.output)


def check_requests(jobs: Iterable[Job], found: store.LoadedState, lockfile: Path) -> None:
    """Raise StateUnreadable when a job's purchase is recorded with another request, so its clip would be another one.

    Unknown sends are left out: `resend_rules` and `find_job` handle a wrong record of these.
    """
    for job in jobs:
        receipt = found.lockfile.renders.get(job.fingerprint)
        for one in records_of(receipt) if receipt is not None else ():
            if one.job_id is not None and one.state is not ReceiptState.UNKNOWN and is_of_another_request(job, one):
                message = f"{lockfile}: what was bought for `{job.address}` is on record with another request"
                raise StateUnreadable(message, hint=_HINT)


def is_of_another_request(job: Job, record: Receipt) -> bool:
    """Whether a record has another provider, model or request than the job, queries of URLs aside."""
    if (record.provider, record.model) != (job.provider, job.model):
        return True
    ours = job.request
    if record.request == ours:
        return False
    try:
        if canonical(record.request) == canonical(without_queries(ours)):
            return False
        made = fingerprint(job.provider, job.model, record.request, job.draft.take, job.card)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return True
    return made != job.fingerprint


def check_links(folder: Path, clips: Iterable[str]) -> None:
    """Raise LinkRefused when the folder of one of these clips is reached by a link of the repository."""
    for clip in {clip.rpartition("/")[0] for clip in clips}:
        storage.resolve(folder / clip)
