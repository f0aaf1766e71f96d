"""Brings pictures to a provider: a local file is uploaded or written into the body, a chained frame is extracted first.

An upload costs nothing and is no part of a job's identity; its URL is used again, by the run that resumes an
interrupted one too, until shortly before it ends.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import anyio
from msgspec import Struct

from kbatch.errors import Unreadable
from kbatch.manifest.drafts import Frame
from kbatch.manifest.images import LARGEST_BYTES, InlineImage, LocalImage, RemoteImage
from kbatch.media.frames import NoFrames, extract_frame
from kbatch.planner.jobs import Job
from kbatch.providers.base import Reason, Uploaded
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.receipt import Receipt
from kbatch.runner.context import FATAL, ProviderSession, Run, UploadedImage
from kbatch.storage import examine, sha256_of

_SPARE = timedelta(minutes=5)
_LIVES = timedelta(hours=1)
_TRIES = 6


class NotPublished(Exception):
    """A picture could not be brought to the provider and nothing was bought; `frame`: an upstream's clip gave none."""

    def __init__(self, message: str, *, frame: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.frame = frame


class Published(Struct, frozen=True, kw_only=True):
    """What stands for each picture token in the body, the inputs to record, and when the first upload of them ends."""

    words: Mapping[str, str]
    record: Mapping[str, Mapping[str, Any]]
    ends: datetime | None

    def stale(self, session: ProviderSession) -> bool:
        """Whether an upload is gone, or soon will be, by the provider's clock."""
        return self.ends is not None and _now(session) > self.ends - _SPARE


async def publish_inputs(run: Run, session: ProviderSession, job: Job) -> Published:
    """Bring each picture of a job to its provider; NotPublished when one cannot be."""
    words: dict[str, str] = {}
    record: dict[str, Mapping[str, Any]] = {}
    ends: list[datetime] = []
    for part in job.inputs:
        match part.image:
            case RemoteImage():
                continue
            case InlineImage(digest=digest, media_type=media_type, data=data):
                content = base64.b64decode(data)
                record[part.parameter] = {"sha256": digest}
            case LocalImage(path=path, digest=digest, media_type=media_type):
                content = await _read_local(run, path, digest)
                record[part.parameter] = {"sha256": digest}
            case Frame(which=which, address=address):
                content, record[part.parameter] = await _read_frame(run, which, address)
                media_type = "image/png"
        if session.provider.uploads:
            picture = await _ensure_uploaded(run, session, content, media_type)
            words[part.token] = picture.url
            ends.append(picture.ends)
        else:
            words[part.token] = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    return Published(words=words, record=record, ends=min(ends, default=None))


async def _read_local(run: Run, path: str, digest: str) -> bytes:
    try:
        data = await anyio.to_thread.run_sync(run.tree.read, path)
    except Unreadable as error:
        raise NotPublished(error.message) from error
    if sha256(data).hexdigest() != digest:
        raise NotPublished(f"`{path}` was changed since the plan was made")
    return data


async def _read_frame(run: Run, which: str, address: str) -> tuple[bytes, dict[str, Any]]:
    """Return the picture of an upstream's clip, and what the receipt says of it."""
    entry = next((entry for entry in run.confirmed.plan.entries if entry.address == address), None)
    receipt = run.renders.get(entry.job.fingerprint) if entry else None
    if entry is None or receipt is None or receipt.output is None:
        raise NotPublished(f"the clip of `{address}` is not here; `kbatch pull` fetches it", frame=True)
    path, bought = run.folder / receipt.output.path, receipt.output.sha256

    def extract() -> bytes:
        if sha256_of(path) != bought:
            raise NotPublished(f"the clip of `{address}` differs from its receipt", frame=True)
        return examine(path, lambda clip: extract_frame(clip, which))

    try:
        picture = await anyio.to_thread.run_sync(extract)
    except OSError as error:
        raise NotPublished(f"the clip of `{address}` cannot be read: {error.strerror}", frame=True) from error
    except NoFrames as error:
        raise NotPublished(f"`{address}`: {error.message}", frame=True) from error
    if len(picture) > LARGEST_BYTES:
        raise NotPublished(f"the {which} frame of `{address}` is larger than any picture may be", frame=True)
    used = {
        "sha256": sha256(picture).hexdigest(),
        "fingerprint": entry.job.fingerprint,
        "job_id": receipt.job_id,
        "frame": which,
    }
    return picture, used


async def _ensure_uploaded(run: Run, session: ProviderSession, content: bytes, media_type: str) -> UploadedImage:
    """Return an upload of these bytes that still lives for a while; tasks that want the same one share it."""
    digest = sha256(content).hexdigest()
    key = session.provider.name, digest
    async with run.uploading.setdefault(key, anyio.Lock()):
        known = run.uploads.get(key) or _earlier_upload(run, session, digest)
        if known is not None and known.ends - _SPARE > _now(session):
            return known
        uploaded = await _upload(run, session, content, f"{digest[:16]}.{media_type.rpartition('/')[2]}", media_type)
        picture = UploadedImage(url=uploaded.url, ends=_ends(uploaded.expires_at, _now(session)))
        # Recorded even where the provider did not tell it: later only this machine's clock would be left to count by.
        ends = f"{picture.ends.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        data = {
            "provider": session.provider.name,
            "digest": digest,
            "url": picture.url,
            "expires_at": ends,
            "origin": session.origin,
        }
        await run.record(Fact(kind=Kind.UPLOADED, data=data))
        run.uploads[key] = picture
        return picture


def _earlier_upload(run: Run, session: ProviderSession, digest: str) -> UploadedImage | None:
    """Return the upload of this user's interrupted run that lives longest; a simulator in this process forgets all."""
    if session.client.simulated:
        return None
    uploads = (
        UploadedImage(
            url=str(event.data["url"]), ends=_ends(event.data["expires_at"], datetime.fromisoformat(event.at))
        )
        for event in run.uploaded
        if (event.data["provider"], event.data["digest"]) == (session.provider.name, digest)
        and event.data.get("origin", session.origin) == session.origin
    )
    return max(uploads, key=lambda picture: picture.ends, default=None)


async def _upload(run: Run, session: ProviderSession, content: bytes, name: str, media_type: str) -> Uploaded:
    attempt = 0
    while True:
        if run.shutdown.graceful or session.stopped or session.closed_reason:
            raise NotPublished(session.stop_reason or session.closed_reason or "the run is stopping")
        request = session.provider.upload(name, media_type, content)
        outcome = session.provider.read_upload(await session.ask(request, timeout_s=run.options.submit_timeout_s))
        if isinstance(outcome, Uploaded):
            return outcome
        attempt += 1
        if outcome.reason in FATAL:
            session.stop(outcome.reason, outcome.message)
        elif (
            attempt < _TRIES
            and outcome.reason in (Reason.RATE, Reason.UNAVAILABLE, Reason.NO_CONNECTION)
            and await run.wait_to_submit(session, attempt - 1, outcome.retry_after_s)
        ):
            continue
        raise NotPublished(f"the picture could not be uploaded: {outcome.message}")


def expired_uploads(events: Iterable[Event], receipt: Receipt, at: datetime) -> bool:
    """Whether the body of a send names an upload that is gone at a moment of the provider's time."""
    return any(
        event.kind is Kind.UPLOADED
        and str(event.data["url"]) in (receipt.body or "")
        and at > _ends(event.data["expires_at"], datetime.fromisoformat(event.at)) - _SPARE
        for event in events
    )


def _now(session: ProviderSession) -> datetime:
    return session.provider_time() or datetime.now(UTC)


def _ends(expires_at: str | None, uploaded: datetime) -> datetime:
    """Return when an upload is gone; of one that does not tell, the shortest life that the documents name."""
    try:
        ends = datetime.fromisoformat(expires_at or "")
    except ValueError:
        return uploaded + _LIVES
    return ends if ends.tzinfo else ends.replace(tzinfo=UTC)
