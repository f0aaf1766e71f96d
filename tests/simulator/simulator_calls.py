"""Short words for calls to a world: what the tests of the simulator say again and again."""

import io
import json
from collections.abc import Mapping
from typing import Any

from PIL import Image

from kbatch.simulator.exchange import Reply, SimulatedRequest
from kbatch.simulator.faults.selection import FaultRule
from kbatch.simulator.faults.selection import rule as fault
from kbatch.simulator.providers.packaged import PACKAGED
from kbatch.simulator.state import World, WorldTerms, new_world
from kbatch.simulator.world import answer

START = 1_780_000_000.0
KLING = "kling-video/v2.1/pro/image-to-video"
GENERATION = "/v2/generate/video/kling/generation"
APIFRAME_KEY = {"x-api-key": "afk_test"}
AIMLAPI_KEY = {"authorization": "Bearer test"}


def image(size: tuple[int, int] = (64, 36), colour: str = "red", kind: str = "PNG") -> bytes:
    """Return a small picture of one colour."""
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, kind)
    return target.getvalue()


PNG = image()


def new(*faults: FaultRule | str, **terms: Any) -> World:
    """Return a new world; a fault may be given by its name."""
    rules = tuple(fault(entry) if isinstance(entry, str) else entry for entry in faults)
    return new_world(WorldTerms(faults=rules, **terms), PACKAGED)


def call(
    world: World,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: Any = b"",
    now: float = START,
) -> Reply:
    """Return the world's reply; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = dict(headers or {})
    return answer(world, SimulatedRequest(method=method, path=path, query=query or {}, headers=names, body=data), now)


def apiframe_submit(world: World, *, now: float = START, key: str | None = None, **changes: Any) -> Reply:
    """Return the reply to a submit of a five-second clip of kling-2.6 without audio, with changes to its body."""
    body = {"prompt": "a dog on a beach", "model": "kling-2.6", "klingParams": {"generate_audio": False}, **changes}
    headers = APIFRAME_KEY if key is None else {**APIFRAME_KEY, "idempotency-key": key}
    return call(world, "POST", "/v2/videos/generate", headers=headers, body=body, now=now)


def aimlapi_submit(world: World, *, now: float = START, **changes: Any) -> Reply:
    """Return the reply to a submit of a five-second clip to AI/ML, with changes to its body."""
    body = {"model": KLING, "image_url": "https://pictures.example/a.png", "prompt": "a cat in the rain", **changes}
    return call(world, "POST", GENERATION, headers=AIMLAPI_KEY, body=body, now=now)


def submit(world: World, provider: str, *, now: float = START) -> Reply:
    """Return the reply to a plain submit to either provider."""
    return apiframe_submit(world, now=now) if provider == "apiframe" else aimlapi_submit(world, now=now)


def apiframe_poll(world: World, job_id: str, *, now: float = START) -> Reply:
    """Return the reply to a poll of an Apiframe job."""
    return call(world, "GET", f"/v2/jobs/{job_id}", headers=APIFRAME_KEY, now=now)


def aimlapi_poll(world: World, job_id: str, *, now: float = START) -> Reply:
    """Return the reply to a poll of an AI/ML job."""
    return call(world, "GET", GENERATION, headers=AIMLAPI_KEY, query={"generation_id": job_id}, now=now)


def job_id(reply: Reply) -> str:
    """Return the id in an acceptance of either provider."""
    found = document(reply)
    return str(found.get("jobId") or found["id"])


def poll(world: World, provider: str, job: str, *, now: float = START) -> Reply:
    """Return the reply to a poll of either provider."""
    return apiframe_poll(world, job, now=now) if provider == "apiframe" else aimlapi_poll(world, job, now=now)


def clip_url(reply: Reply) -> str:
    """Return the path of the clip in a poll's answer, in whichever shape it stands there."""
    found = document(reply)
    target = found.get("result") or found.get("video")
    if isinstance(target, list):
        target = target[0]
    if isinstance(target, dict):
        target = target.get("videoUrl") or target.get("video_url") or target.get("url") or target["videos"][0]
    return str(target).removeprefix("http://127.0.0.1")


def download(world: World, url: str, headers: Mapping[str, str] | None = None, *, now: float = START) -> Reply:
    """Return the reply to a GET of a clip."""
    path, _, query = url.partition("?")
    return call(world, "GET", path, headers=headers, query={query.partition("=")[0]: "1"} if query else {}, now=now)


def document(reply: Reply) -> Any:
    """Return a reply's JSON."""
    return json.loads(reply.body)


def bill_of(world: World, *, now: float = START) -> Any:
    """Return the bill as `GET /__bill` shows it."""
    return document(call(world, "GET", "/__bill", now=now))


def multipart(
    data: bytes, *, name: str = "file", filename: str = "a.png", boundary: str = "edge", closed: bool = True
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an upload."""
    edge = boundary.strip('"')
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode()
    headers = {**APIFRAME_KEY, "content-type": f"multipart/form-data; boundary={boundary}"}
    return headers, head + data + (f"\r\n--{edge}--\r\n".encode() if closed else b"")


def upload(world: World, data: bytes = PNG, *, now: float = START, filename: str = "a.png") -> Reply:
    """Return the reply to an upload."""
    headers, body = multipart(data, filename=filename)
    return call(world, "POST", "/v2/uploads", headers=headers, body=body, now=now)
