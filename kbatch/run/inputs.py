"""Brings pictures to a provider: a local file is uploaded or written into the body, a chained frame is extracted first.

An upload costs nothing and is no part of a job's identity; its URL is used again in the run until shortly before it ends.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import anyio

from kbatch.files import read_bytes
from kbatch.manifest.drafts import Frame
from kbatch.manifest.pictures import InlinePicture, LocalPicture, RemotePicture
from kbatch.media.frames import extract_frame
from kbatch.plan.jobs import Job
from kbatch.problems import Unreadable
from kbatch.providers.base import NotAccepted, Reason, Uploaded
from kbatch.receipts.events import Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.run.context import FATAL, Line, Run

_SPARE = timedelta(minutes=5)
_TRIES = 6


class NotPublished(Exception):
    """A picture could not be brought to the provider; nothing was bought."""


async def publish_inputs(run: Run, line: Line, job: Job) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return what stands for each picture token in the body, and the inputs to record in the receipt."""
    words: dict[str, str] = {}
    record: dict[str, dict[str, Any]] = {}
    for part in job.inputs:
        picture = part.picture
        match picture:
            case RemotePicture():
                continue
            case InlinePicture(digest=digest, media_type=media_type, data=data):
                words[part.token] = f"data:{media_type};base64,{data}"
                record[part.parameter] = {"sha256": digest}
            case LocalPicture(path=path, digest=digest, media_type=media_type):
                content = await _read_local(run, path, digest)
                words[part.token] = await _bring(run, line, content, media_type)
                record[part.parameter] = {"sha256": digest}
            case Frame():
                content, used = await _read_frame(run, picture)
                words[part.token] = await _bring(run, line, content, "image/png")
                record[part.parameter] = used
    return words, record


async def _read_local(run: Run, path: str, digest: str) -> bytes:
    try:
        data = await anyio.to_thread.run_sync(run.tree.read, path)
    except Unreadable as error:
        raise NotPublished(error.message) from error
    if sha256(data).hexdigest() != digest:
        raise NotPublished(f"`{path}` was changed since the plan was made")
    return data


async def _read_frame(run: Run, frame: Frame) -> tuple[bytes, dict[str, Any]]:
    """Return the picture of an upstream's clip, and what the receipt says of it."""
    entry = next(entry for entry in run.confirmed.plan.entries if entry.address == frame.address)
    receipt = run.renders[entry.job.fingerprint]
    if receipt.output is None:
        raise NotPublished(f"the clip of `{frame.address}` is not here; `kbatch pull` fetches it")
    path = run.folder / receipt.output.path

    def extract() -> bytes:
        clip = read_bytes(path)
        if sha256(clip).hexdigest() != receipt.output.sha256:  # type: ignore[union-attr]
            raise NotPublished(f"the clip of `{frame.address}` differs from its receipt")
        return extract_frame(clip, frame.which)

    try:
        picture = await anyio.to_thread.run_sync(extract)
    except OSError as error:
        raise NotPublished(f"the clip of `{frame.address}` cannot be read: {error.strerror}") from error
    used = {
        "sha256": sha256(picture).hexdigest(),
        "fingerprint": entry.job.fingerprint,
        "job_id": receipt.job_id,
        "frame": frame.which,
    }
    return picture, used


async def _bring(run: Run, line: Line, content: bytes, media_type: str) -> str:
    """Return the URL or data: URI by which the provider gets these bytes."""
    if not line.provider.uploads:
        return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    digest = sha256(content).hexdigest()
    known = run.uploads.get((line.provider.name, digest))
    if known is not None and (known[1] is None or known[1] - _SPARE > datetime.now(UTC) + timedelta(seconds=line.skew_s)):
        return known[0]
    uploaded = await _upload(run, line, content, f"{digest[:16]}.{media_type.rpartition('/')[2]}", media_type)
    data = {"provider": line.provider.name, "digest": digest, "url": uploaded.url, "expires_at": uploaded.expires_at}
    await run.record(Fact(kind=Kind.UPLOADED, data=data))
    run.uploads[line.provider.name, digest] = (uploaded.url, _moment(uploaded.expires_at))
    return uploaded.url


async def _upload(run: Run, line: Line, content: bytes, name: str, media_type: str) -> Uploaded:
    for attempt in range(_TRIES):
        request = line.provider.upload(name, media_type, content)
        outcome = line.provider.read_upload(await line.ask(request, timeout_s=run.options.submit_timeout_s))
        if isinstance(outcome, Uploaded):
            return outcome
        if outcome.reason in FATAL:
            line.stop(outcome.reason, outcome.message)
            raise NotPublished(outcome.message)
        if outcome.reason in (Reason.INVALID, Reason.MODERATION, Reason.NOT_FOUND) or attempt == _TRIES - 1:
            raise NotPublished(f"the picture could not be uploaded: {outcome.message}")
        await run.wait(line, attempt, outcome.retry_after_s)
    raise NotPublished("the picture could not be uploaded")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_recorded(record: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return inputs as plain JSON objects."""
    return {name: dict(used) for name, used in record.items()}


__all__ = ["NotAccepted", "NotPublished", "as_recorded", "publish_inputs"]
