"""A paid clip is kept however oddly its host serves it: whole where it can be read, else as it is, and said so."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.campaign_rig import Rig

ONE = "shots:\n  - {id: one, model: kling-2.6, prompt: a lighthouse}\n"
WEBM = b"\x1aE\xdf\xa3" + bytes(2000)

Changed = tuple[bytes, Mapping[str, str]]


def changing(
    rig: Rig, clip: Callable[[bytes], Changed] | None = None, poll: Callable[[Any], None] | None = None
) -> None:
    """Let the world on stage serve clips, and answer polls, otherwise than it would."""
    app = rig.stage.app
    assert app is not None

    async def odd(scope: Any, receive: Any, send: Any) -> None:
        change = poll if scope["path"].startswith("/v2/jobs/") else clip if scope["path"].endswith(".mp4") else None
        if change is None:
            await app(scope, receive, send)
            return
        said: list[Any] = []

        async def hear(message: Any) -> None:
            said.append(message)

        await app(scope, receive, hear)
        body = b"".join(message.get("body", b"") for message in said[1:])
        more: Mapping[str, str] = {}
        if clip is not None and change is clip:
            body, more = clip(body)
        elif poll is not None:
            told = json.loads(body)
            poll(told)
            body = json.dumps(told).encode()
        headers = {name.decode().lower(): value.decode() for name, value in said[0]["headers"]}
        headers |= {"content-length": str(len(body)), **more}
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({**said[0], "headers": sent})
        await send({"type": "http.response.body", "body": body})

    rig.stage.app = odd


@pytest.mark.parametrize(
    "clip",
    [
        pytest.param(lambda body: (body + bytes(8), {}), id="zeros-behind-it"),
        pytest.param(lambda body: (gzip.compress(body), {"content-encoding": "gzip"}), id="gzip"),
        pytest.param(lambda body: (body, {"content-type": "text/html"}), id="called-a-page"),
    ],
)
def test_a_clip_that_can_be_read_is_done(either: Rig, clip: Callable[[bytes], Changed]) -> None:
    """Padding, a compression that nobody asked for and a wrong type cost nothing: done, and `verify` agrees."""
    either.write(ONE)
    changing(either, clip)
    said = either.run()
    assert said.code == 0, said.err
    assert either.states() == {"one": "done"}
    assert either.kbatch("verify").code == 0


def test_a_url_with_a_blank_is_fetched(either: Rig) -> None:
    """In the query of a signed URL too, where nothing else is touched."""
    either.write(ONE)

    def spaced(told: Any) -> None:
        if told.get("result"):
            told["result"]["videoUrl"] += "?name=a lighthouse é&s=%2F"

    changing(either, poll=spaced)
    said = either.run()
    assert said.code == 0, said.err
    assert either.states() == {"one": "done"}


@pytest.mark.parametrize("part", [":", "/clips"], ids=["without-scheme", "without-host"])
def test_a_relative_url_is_one_of_the_api(either: Rig, part: str) -> None:
    """What a URL leaves out is that of the API which gave it; the key does not go along all the same."""
    either.write(ONE)

    def shortened(told: Any) -> None:
        if told.get("result"):
            _, mark, after = told["result"]["videoUrl"].partition(part)
            told["result"]["videoUrl"] = (mark + after).removeprefix(":")

    changing(either, poll=shortened)
    said = either.run()
    assert said.code == 0, said.err
    assert either.states() == {"one": "done"}
    assert either.bill()["warnings"] == []


def test_what_is_no_mp4_is_kept_as_delivered_wrong(both: Rig) -> None:
    """Its bytes are in its place with their digest, exit 1 once; `accept` lives with it, nothing is bought again."""
    both.write(ONE)
    changing(both, lambda _body: (WEBM, {"content-type": "video/webm"}))
    said = both.run()
    assert said.code == 1
    assert said.json["counts"]["delivered_wrong"] == 1
    assert "this is WebM" in said.err
    assert (both.folder / "renders" / "one.mp4").read_bytes() == WEBM
    assert both.receipt("one")["output"]["media"]["duration"] is None
    assert both.leftovers() == []
    assert both.run().code == 0
    assert both.kbatch("verify").code == 0
    assert both.kbatch("accept", "one").code == 0
    assert both.kbatch("verify").code == 0
    assert both.kbatch("report", "--html", str(both.folder / "report.html")).code == 0
    assert len(both.charges()) == 1


def test_another_container_at_first_is_looked_at_twice(either: Rig) -> None:
    """A fresh URL that brings the clip counts more than what came before."""
    either.write(ONE)
    seen: list[bytes] = []

    def first(body: bytes) -> Changed:
        seen.append(body)
        return (WEBM if len(seen) == 1 else body), {}

    changing(either, first)
    assert either.run().code == 0
    assert either.states() == {"one": "done"}
    assert either.leftovers() == []
    assert [path.name for path in (either.folder / "renders").iterdir() if path.suffix == ".first"] == []


def test_a_torso_is_all_there_is_once_the_provider_has_no_more(either: Rig) -> None:
    """A clip without its end is owed and lies in its `.part`; when its link is gone it is kept as delivered-wrong."""
    either.write(ONE)
    app = either.stage.app
    changing(either, lambda body: (body[:-1], {}))
    said = either.run()
    assert said.code == 1
    assert either.states() == {"one": "rendered"}
    (part,) = either.leftovers()
    torso = next((either.folder / "renders").rglob(part)).read_bytes()

    def gone(told: Any) -> None:
        told.update(expired=True, result=None)

    either.stage.app = app
    changing(either, poll=gone)
    said = either.kbatch("pull")
    assert said.code == 1
    assert either.states() == {"one": "delivered-wrong"}
    assert "no longer keeps" in said.err
    assert (either.folder / "renders" / "one.mp4").read_bytes() == torso
    assert either.leftovers() == []


def test_the_hint_names_what_helps(either: Rig) -> None:
    """A host that is refused is named in the command that allows it; a URL that nothing allows has no such hint."""
    either.open({"fault": "redirect-private", "at": "download"})
    either.write(ONE)
    assert "`kbatch pull --allow-host 10.0.0.1` fetches it" in either.run().err
    either.fresh("other")
    either.write(ONE)

    def named(told: Any) -> None:
        if told.get("result"):
            told["result"]["videoUrl"] = "http://user:word@127.0.0.1/clip.mp4"

    changing(either, poll=named)
    said = either.run()
    assert said.code == 1
    assert "--allow-host" not in said.err
