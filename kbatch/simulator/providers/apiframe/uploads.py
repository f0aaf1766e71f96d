"""Apiframe's uploads: a file becomes a URL that the simulator serves for an hour."""

from kbatch.simulator.clips.file_kinds import EXTENSIONS, media_type_of, parts_of
from kbatch.simulator.exchange import APIFRAME, Reply, SimulatedRequest, reply_json
from kbatch.simulator.faults.selection import FaultEvent, FaultTarget, draw_job_faults
from kbatch.simulator.providers.apiframe.answers import error, invalid
from kbatch.simulator.providers.purchase import event_of, uuid_of
from kbatch.simulator.state import Upload, World, digest_of, stamp

MEBIBYTE = 1024 * 1024
IMAGE_LIMIT = 25 * MEBIBYTE
VIDEO_LIMIT = 50 * MEBIBYTE
SOON_S = 30.0
KINDS_TAKEN = "PNG, JPEG, WebP, GIF, MP4, WebM, MOV, MP3, WAV, OGG or M4A"


def upload(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Take a file from the multipart field `file`, told by its first bytes, and serve it for an hour."""
    try:
        parts = parts_of(call.headers.get("content-type", ""), call.body)
    except ValueError as trouble:
        return error(400, str(trouble))
    files = [part for part in parts if part.name == "file" and part.filename is not None]
    if len(files) != 1 or len(parts) != 1:
        return invalid([("file", "Expected exactly one file in the field `file`")])
    data = files[0].data
    media_type = media_type_of(data)
    if media_type is None:
        return invalid([("file", f"Unsupported file type: {KINDS_TAKEN}")])
    kind = media_type.partition("/")[0]
    if len(data) > (VIDEO_LIMIT if kind == "video" else IMAGE_LIMIT):
        return invalid([("file", "File too large")])
    job_faults = draw_job_faults(world.terms.faults, world.fault_counts, event_of_upload(APIFRAME, call))
    lives_s = SOON_S if "expires-soon" in job_faults else world.terms.upload_lives_s
    name = uuid_of(digest_of(f"{world.terms.seed}|upload|{len(world.uploads)}|{now!r}"))
    file = Upload(
        id=name,
        name=f"file.{EXTENSIONS[media_type]}",
        media_type=media_type,
        data=data,
        expires_at=now + lives_s,
    )
    world.uploads[name] = file
    shown = {
        "id": name,
        "url": f"{call.base}/uploads/{name}/{file.name}",
        "kind": kind,
        "contentType": media_type,
        "byteSize": len(data),
        "expiresAt": stamp(file.expires_at),
    }
    return reply_json(201, shown)


def event_of_upload(provider: str, call: SimulatedRequest) -> FaultEvent:
    """Return how the dice see an upload: a rule's `match` is held against the file's name."""
    try:
        names = [part.filename or "" for part in parts_of(call.headers.get("content-type", ""), call.body)]
    except ValueError:
        names = []
    return event_of(provider, FaultTarget.UPLOAD, "upload", names[0] if names else "")
