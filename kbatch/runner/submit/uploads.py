"""Uploads images, or encodes them for the body; a chained frame is extracted from its clip first.

An upload costs nothing and is not part of the fingerprint. Its URL is reused, also by the run that resumes an
interrupted one, until shortly before it expires.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import anyio
from msgspec import UNSET, Struct

from kbatch.errors import Unreadable
from kbatch.manifest.drafts import Frame
from kbatch.manifest.images import LARGEST_BYTES, InlineImage, LocalImage, RemoteImage
from kbatch.media.frames import NoFrames, extract_frame
from kbatch.planner.jobs import Job
from kbatch.providers.base import NotAccepted, Uploaded
from kbatch.receipts import event_data
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.receipt import Receipt
from kbatch.runner.context import FATAL, ProviderSession, Run, UploadedImage
from kbatch.runner.limits.retry import UPLOAD_TRIES
from kbatch.storage import examine, sha256_of

_SPARE = timedelta(minutes=5)
_LIVES = timedelta(hours=1)


class NotPublished(Exception):
    """An image could not be uploaded and nothing was submitted; `frame`: an upstream clip gave no frame."""

    def __init__(self, message: str, *, frame: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.frame = frame


class Published(Struct, frozen=True, kw_only=True):
    """Values of the image tokens in the body, the inputs to record, and when the first of the uploads expires."""

    values: Mapping[str, str]
    record: Mapping[str, Mapping[str, Any]]
    ends: datetime | None

    def stale(self, session: ProviderSession) -> bool:
        """Whether an upload has expired, or will within five minutes, by the provider's clock."""
        return self.ends is not None and _now(session) > self.ends - _SPARE


async def publish_inputs(run: Run, session: ProviderSession, job: Job) -> Published:
    """Upload or encode each image of a job; NotPublished when one fails."""
    values: dict[str, str] = {}
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
            values[part.token] = picture.url
            ends.append(picture.ends)
        else:
            values[part.token] = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    return Published(values=values, record=record, ends=min(ends, default=None))


async def _read_local(run: Run, path: str, digest: str) -> bytes:
    try:
        data = await anyio.to_thread.run_sync(run.tree.read, path)
    except Unreadable as error:
        raise NotPublished(error.message) from error
    if sha256(data).hexdigest() != digest:
        raise NotPublished(f"`{path}` was changed since the plan was made")
    return data


async def _read_frame(run: Run, which: str, address: str) -> tuple[bytes, dict[str, Any]]:
    """Return a frame of an upstream clip as PNG, and the input to record for it."""
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
    """Return a valid upload of these bytes; tasks that need the same image share one upload."""
    digest = sha256(content).hexdigest()
    key = session.provider.name, digest
    async with run.uploading.setdefault(key, anyio.Lock()):
        known = run.uploads.get(key) or _earlier_upload(run, session, digest)
        if known is not None and known.ends - _SPARE > _now(session):
            return known
        uploaded = await _upload(run, session, content, f"{digest[:16]}.{media_type.rpartition('/')[2]}", media_type)
        picture = UploadedImage(url=uploaded.url, ends=_ends(uploaded.expires_at, _now(session)))
        # Recorded even without a reported expiry, which could later only be derived from this machine's clock.
        ends = f"{picture.ends.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        data = event_data.Uploaded(
            provider=session.provider.name, digest=digest, url=picture.url, expires_at=ends, origin=session.origin
        )
        await run.record(Fact(data=data))
        run.uploads[key] = picture
        return picture


def _earlier_upload(run: Run, session: ProviderSession, digest: str) -> UploadedImage | None:
    """Return the recorded upload that expires last; None for the in-process simulator, which keeps none."""
    if session.client.simulated:
        return None
    uploads = (
        UploadedImage(url=upload.url, ends=_ends(upload.expires_at, datetime.fromisoformat(event.at)))
        for event in run.uploaded
        if isinstance(upload := event.data, event_data.Uploaded)
        and (upload.provider, upload.digest) == (session.provider.name, digest)
        and upload.origin in (UNSET, session.origin)
    )
    return max(uploads, key=lambda picture: picture.ends, default=None)


async def _upload(run: Run, session: ProviderSession, content: bytes, name: str, media_type: str) -> Uploaded:
    async def send() -> Uploaded | NotAccepted:
        if run.shutdown.graceful or session.stopped or session.closed_reason:
            raise NotPublished(session.stop_reason or session.closed_reason or "the run is stopping")
        request = session.provider.upload(name, media_type, content)
        return session.provider.read_upload(await session.ask(request, timeout_s=run.options.submit_timeout_s))

    outcome = await run.retry(session, UPLOAD_TRIES, send, to_submit=True)
    if isinstance(outcome, Uploaded):
        return outcome
    if outcome.reason in FATAL:
        session.stop(outcome.reason, outcome.message)
    raise NotPublished(f"the picture could not be uploaded: {outcome.message}")


def expired_uploads(events: Iterable[Event], receipt: Receipt, at: datetime) -> bool:
    """Whether the body of a send names an upload that has expired at a provider's time."""
    return any(
        isinstance(upload := event.data, event_data.Uploaded)
        and upload.url in (receipt.body or "")
        and at > _ends(upload.expires_at, datetime.fromisoformat(event.at)) - _SPARE
        for event in events
    )


def _now(session: ProviderSession) -> datetime:
    return session.provider_time() or datetime.now(UTC)


def _ends(expires_at: str | None, uploaded: datetime) -> datetime:
    """Return when an upload expires; without `expires_at` after an hour, the shortest documented life."""
    try:
        ends = datetime.fromisoformat(expires_at or "")
    except ValueError:
        return uploaded + _LIVES
    return ends if ends.tzinfo else ends.replace(tzinfo=UTC)
