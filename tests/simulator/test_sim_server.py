"""The simulator in process: through httpx's ASGI transport, on asyncio and on trio."""

import io
import json
from pathlib import Path
from typing import Any

import anyio
import av
import httpx
import pytest
from simulator_calls import APIFRAME_KEY, START

from kbatch.simulator.clips import renderer
from kbatch.simulator.clips.orders import ClipOrder
from kbatch.simulator.faults.selection import rule
from kbatch.simulator.server import BODY_LIMIT, ConnectionCut, SimulatorSettings, build_app

pytestmark = pytest.mark.anyio

BODY = {"prompt": "a dog", "model": "kling-2.6", "klingParams": {"generate_audio": True}}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Return the moment that was set."""
        return self.now


def client(*faults: Any, **settings: Any) -> httpx.AsyncClient:
    """Return a client of a new simulator with tiny clips and a standing clock."""
    usual: dict[str, Any] = {"clips": False, "clock": Clock()}
    app = build_app(SimulatorSettings(**{**usual, "faults": tuple(faults), **settings}))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator.example:99")


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [entry.name for entry in folder.iterdir()]


async def bought(http: httpx.AsyncClient) -> str:
    """Buy a clip and return its URL."""
    job = (await http.post("/v2/videos/generate", headers=APIFRAME_KEY, json=BODY)).json()["jobId"]
    answer = await http.get(f"/v2/jobs/{job}", headers=APIFRAME_KEY)
    return str(answer.json()["result"]["videoUrl"])


async def test_a_clip_is_bought_and_fetched() -> None:
    """URLs name the host that was called; the file is whole and has what was bought."""
    async with client() as http:
        url = await bought(http)
        assert url.startswith("http://simulator.example:99/clips/")
        answer = await http.get(url)
        assert (answer.status_code, int(answer.headers["content-length"])) == (200, len(answer.content))
        assert answer.headers["date"] == "Thu, 28 May 2026 20:26:40 GMT"
        with av.open(io.BytesIO(answer.content), "r") as file:
            assert (file.duration, len(file.streams.audio)) == (5_000_000, 1)
        head = await http.head(url)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
        assert head.headers["content-length"] == answer.headers["content-length"]
        part = await http.get(url, headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, answer.content[10:20])


async def test_real_clips_are_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten downloads at once and one more later render one clip; another take is another clip."""
    rendered = []

    def count(clip: Any) -> bytes:
        rendered.append(clip)
        return b"clip %d" % clip.take

    monkeypatch.setattr("kbatch.simulator.clips.encode.make_clip", count)
    async with client(clips=True) as http:
        urls = [await bought(http), await bought(http)]
        seen = []

        async def fetch(url: str) -> None:
            seen.append((await http.get(url)).content)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(fetch, urls[0])
        await fetch(urls[0])
        await fetch(urls[1])
    assert len(rendered) == 2
    assert seen == [b"clip 1"] * 11 + [b"clip 2"]


async def test_a_full_studio_forgets_the_oldest_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: what was used longest ago goes first, and is rendered again when asked for."""
    monkeypatch.setattr(renderer, "ROOM_BYTES", 250)
    monkeypatch.setattr("kbatch.simulator.clips.encode.make_clip", lambda _clip: bytes(100))
    room = renderer.ClipRenderer()
    clips = [ClipOrder(provider="p", model="m", variant="v", prompt=str(n), seconds=1.0, audio=False) for n in range(3)]
    for clip in (clips[0], clips[1], clips[0], clips[2]):
        await renderer.fetch(room, clip)
    assert list(room.kept) == [clips[0], clips[2]]
    assert room.used_bytes == 200


@pytest.mark.parametrize("name", ["lost-answer", "cut"])
async def test_a_cut_answer_is_an_exception_in_process(name: str) -> None:
    """`Cut` comes out of the client's call; the bill tells whether the job was accepted."""
    async with client(rule(name)) as http:
        with pytest.raises(ConnectionCut):
            await http.post("/v2/videos/generate", headers=APIFRAME_KEY, json=BODY)
        assert len((await http.get("/__bill")).json()["charges"]) == (1 if name == "lost-answer" else 0)


async def test_an_answer_that_never_comes_ends_after_its_bound() -> None:
    """In process nobody hangs up, so the bound of the settings ends it."""
    async with client(rule("timeout"), hang_s=0.01) as http:
        with pytest.raises(ConnectionCut):
            await http.post("/v2/videos/generate", headers=APIFRAME_KEY, json=BODY)


async def test_a_cut_download_is_an_exception_in_process() -> None:
    """Also in the middle of a body."""
    async with client(rule("cut-download")) as http:
        url = await bought(http)
        with pytest.raises(ConnectionCut):
            await http.get(url)


async def test_slow_answers_take_their_time() -> None:
    """The wait is spent before the answer, or between the drops of a body; the content is the true one."""
    async with client(rule("slow", at="poll"), rule("slow-download"), slow_s=0.05) as http:
        start = anyio.current_time()
        url = await bought(http)
        middle = anyio.current_time()
        body = (await http.get(url)).content
        assert middle - start >= 0.05
        assert anyio.current_time() - middle >= 0.05
    async with client() as http:
        assert (await http.get(await bought(http))).content == body


async def test_the_bill_file_is_written_before_the_answer(tmp_path: Path) -> None:
    """It stands there from the start; after every answer it says what `GET /__bill` says, also after a lost one."""
    path = tmp_path / "bill.json"
    async with client(rule("lost-answer", times=1), rule("fail", match="cat"), bill=path) as http:
        assert json.loads(path.read_text())["charges"] == []
        with pytest.raises(ConnectionCut):
            await http.post("/v2/videos/generate", headers=APIFRAME_KEY, json=BODY)
        assert len(json.loads(path.read_text())["charges"]) == 1
        url = await bought(http)
        await http.post("/v2/videos/generate", headers=APIFRAME_KEY, json={**BODY, "prompt": "a cat"})
        for times in (1, 2):
            await http.get(url)
            assert json.loads(path.read_text())["requests"]["download"] == times
        live = (await http.get("/__bill")).json()
    assert json.loads(path.read_text()) == live
    counted = {name: times for name, times in live["requests"].items() if times}
    assert counted == {"submit": 3, "poll": 1, "download": 2}
    assert [line["refunded"] for line in live["charges"]] == [0, 0, 25]
    assert names(tmp_path) == ["bill.json"]


async def test_a_charge_is_on_the_disk_when_the_first_byte_leaves(tmp_path: Path) -> None:
    """A client that dies on its answer cannot hide it: the file is complete before the answer's head is sent."""
    path, read = tmp_path / "bill.json", (tmp_path / "bill.json").read_text
    app = build_app(SimulatorSettings(clips=False, bill=path))
    body, seen = json.dumps(BODY).encode(), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        seen.append((message["type"], len(json.loads(read())["charges"])))

    scope = {"type": "http", "method": "POST", "path": "/v2/videos/generate", "query_string": b"", "scheme": "http"}
    await app({**scope, "headers": [(b"x-api-key", b"k")]}, receive, send)
    assert seen == [("http.response.start", 1), ("http.response.body", 1)]


async def test_many_submits_at_once_are_all_on_the_bill_file(tmp_path: Path) -> None:
    """Writes are shared, never skipped: each answer finds its own charge on the disk."""
    path = tmp_path / "bill.json"
    read = path.read_text
    async with client(bill=path) as http:

        async def buy(number: int) -> None:
            body = {**BODY, "prompt": f"shot {number}"}
            answer = await http.post("/v2/videos/generate", headers=APIFRAME_KEY, json=body)
            assert answer.json()["jobId"] in read()

        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(buy, number)
    assert len(json.loads(path.read_text())["charges"]) == 30


async def test_time_is_the_callers(tmp_path: Path) -> None:
    """With a virtual clock a render of an hour is over when the clock says so."""
    clock = Clock()
    async with client(clock=clock, latency_s=3600) as http:
        job = (await http.post("/v2/videos/generate", headers=APIFRAME_KEY, json=BODY)).json()["jobId"]
        seen = []
        for after in (0, 1800, 3600):
            clock.now = START + after
            seen.append((await http.get(f"/v2/jobs/{job}", headers=APIFRAME_KEY)).json()["status"])
    assert seen == ["QUEUED", "PROCESSING", "COMPLETED"]


async def test_a_picture_goes_up_as_a_real_client_sends_it() -> None:
    """httpx's own multipart encoding is understood, and the URL serves the file."""
    data = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    async with client() as http:
        answer = await http.post("/v2/uploads", headers=APIFRAME_KEY, files={"file": ("é.png", data, "image/png")})
        assert answer.status_code == 201
        assert (await http.get(answer.json()["url"])).content == data


async def test_a_body_beyond_all_limits_is_413() -> None:
    """It is read to its end and not kept."""

    async def flood() -> Any:
        for _ in range(BODY_LIMIT // 2**20 + 1):
            yield bytes(2**20)

    async with client() as http:
        answer = await http.post("/v2/uploads", headers=APIFRAME_KEY, content=flood())
    assert answer.status_code == 413


async def test_a_query_is_decoded() -> None:
    """An id with `:` and `/` comes back encoded and is found."""
    async with client() as http:
        body = {"model": "kling-video/v2.1/pro/image-to-video", "image_url": "https://a.example/b.png"}
        path, headers = "/v2/generate/video/kling/generation", {"authorization": "Bearer k"}
        ids = [(await http.post(path, headers=headers, json=body)).json()["id"] for _ in range(2)]
        assert ":" in ids[1]
        answer = await http.get(path, headers=headers, params={"generation_id": ids[1]})
    assert answer.json()["status"] == "completed"
