"""Clips over a real socket: cut, moved, replaced, refused, and in the end whole or owed."""

import errno
import hashlib
import random
import re
import struct
import zlib

import anyio
import pytest

from kbatch.media.mp4 import ProbedMedia
from kbatch.providers.http.client import Client, Limits
from kbatch.runner.collect.deliver import most_bytes
from kbatch.runner.download import fetch as fetching
from kbatch.runner.download.fetch import Fetched, FetchFailure, FetchTerms, NotFetched, fetch
from kbatch.storage import PartFile

pytestmark = pytest.mark.anyio


def box(kind, *parts):
    """Return an MP4 box."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def clip(seed=0, size=300_000):
    """Return a whole clip of 5 s, 64 by 48, silent, whose media is `size` bytes of noise."""
    tkhd = box(b"tkhd", bytes(76), struct.pack(">HHHH", 64, 0, 48, 0))
    mdhd = box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, 1000, 5000), bytes(4))
    hdlr = box(b"hdlr", bytes(8), b"vide", bytes(13))
    moov = box(b"moov", box(b"mvhd", bytes(100)), box(b"trak", tkhd, box(b"mdia", mdhd, hdlr)))
    return box(b"ftyp", b"isom", bytes(4)) + moov + box(b"mdat", random.Random(seed).randbytes(size))


CLIP = clip()
MEDIA = ProbedMedia(duration=5.0, width=64, height=48, fps=None, audio=False)
WHOLE = Fetched(sha256=hashlib.sha256(CLIP).hexdigest(), bytes=len(CLIP), media=MEDIA)
QUICK = {"scale": 0.001, "jitter": lambda: 0.0}


@pytest.fixture
def part(tmp_path):
    """Return a `.part` in an empty folder."""
    file = PartFile(tmp_path / "clip.mp4")
    yield file
    file.close()


def range_of(request):
    """Return the first byte that a request asks for, 0 when for all."""
    found = re.search(rb"\r\nrange: bytes=(\d+)-\r\n", request, re.IGNORECASE)
    return int(found[1]) if found else 0


def whole_or_rest(request, reply, data=CLIP, **headers):
    """Return the honest answer to a request, with 206 where it asks for a part."""
    start = range_of(request)
    if start >= len(data):
        return reply(416, b"", content_range=f"bytes */{len(data)}")
    if b"\r\nrange:" not in request.lower():
        return reply(200, data, **headers)
    return reply(206, data[start:], content_range=f"bytes {start}-{len(data) - 1}/{len(data)}", **headers)


async def get(server, part, **terms):
    """Fetch from a server whose API is on loopback too."""
    async with Client(server.url, ("X-API-Key", "a-key")) as client:
        return await fetch(client, f"{server.url}/clip.mp4", part, FetchTerms(**{**QUICK, **terms}))


async def test_a_whole_clip_is_fetched_and_verified(serve, reply, part):
    """Bytes, digest and what the probe found come back; the file is what was served, under its `.part` name."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert part.path.read_bytes() == CLIP
    assert not part.target.exists()
    assert len(server.requests) == 1


async def test_a_fetched_clip_is_on_the_disk(serve, reply, part, monkeypatch):
    """All of its bytes are synced before anyone is told that it was fetched, since then its digest is recorded."""
    synced, sync = [], PartFile.sync
    monkeypatch.setattr(PartFile, "sync", lambda file: synced.append(file.size) or sync(file))

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert synced == [len(CLIP)]


async def test_a_clip_without_a_length_is_fetched(serve, part):
    """A chunked answer ends where it ends; the probe tells that it is whole."""

    async def answer(stream, request, seen):
        await stream.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        for place in range(0, len(CLIP), 50_000):
            piece = CLIP[place : place + 50_000]
            await stream.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        await stream.send(b"0\r\n\r\n")
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE


@pytest.mark.parametrize("etag", ["", '"v1"'], ids=["without-etag", "with-etag"])
async def test_cuts_are_resumed_where_they_happened(serve, reply, part, etag):
    """After each cut the rest is asked for, with a little of what is there to compare, and nothing is fetched twice."""
    cut_at = 120_000

    async def answer(stream, request, seen):
        data = whole_or_rest(request, reply, etag=etag)
        if len(seen.requests) < 3:
            await stream.send(data[: data.index(b"\r\n\r\n") + 4 + cut_at])
            return False
        await stream.send(data)
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert [range_of(request) for request in server.requests] == [0, cut_at - 4096, 2 * cut_at - 2 * 4096]
    assert [f"if-range: {etag}".encode() in request.lower() for request in server.requests] == [
        False,
        *[bool(etag)] * 2,
    ]


async def test_what_an_earlier_run_left_is_resumed(serve, reply, part):
    """A `.part` of a killed process is gone on with, after its last bytes were compared."""
    part.write(CLIP[:200_000])

    async def answer(stream, request, seen):
        await stream.send(whole_or_rest(request, reply))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert [range_of(request) for request in server.requests] == [200_000 - 4096]


async def test_a_part_that_is_complete_is_not_fetched_again(serve, reply, part):
    """Of a clip that is all there only the last bytes are asked for."""
    part.write(CLIP)

    async def answer(stream, request, seen):
        await stream.send(whole_or_rest(request, reply))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert [range_of(request) for request in server.requests] == [len(CLIP) - 4096]


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(clip(seed=7)[:200_000], id="another-clip-of-the-same-length"),
        pytest.param(b"<html>" * 3, id="a-few-bytes-of-something-else"),
        pytest.param(clip(size=400_000), id="a-longer-clip"),
        pytest.param(CLIP + bytes(1000), id="more-than-the-clip"),
    ],
)
async def test_pieces_of_two_clips_are_never_joined(serve, reply, part, left):
    """A `.part` that is not the beginning of what is served is dropped and fetched anew."""
    part.write(left)

    async def answer(stream, request, seen):
        await stream.send(whole_or_rest(request, reply))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert part.path.read_bytes() == CLIP


PLACE = f"bytes {200_000 - 4096}-{len(CLIP) - 1}/{len(CLIP)}"


@pytest.mark.parametrize(
    ("first", "requests"),
    [
        pytest.param(lambda reply: reply(200, CLIP), 1, id="200-in-place-of-206"),
        pytest.param(lambda reply: reply(416, b""), 2, id="416"),
        pytest.param(
            lambda reply: reply(206, CLIP[9:], content_range=f"bytes 9-{len(CLIP) - 1}/*"), 2, id="another-part"
        ),
        pytest.param(lambda reply: reply(206, CLIP), 2, id="206-without-a-place"),
        pytest.param(lambda reply: reply(206, b"", content_range=PLACE), 2, id="206-empty"),
        pytest.param(lambda reply: reply(206, bytes(99), content_range=PLACE), 2, id="206-less-than-what-is-here"),
        pytest.param(lambda reply: reply(206, bytes(9999), content_range=PLACE), 2, id="206-of-something-else"),
        pytest.param(
            lambda reply: reply(206, CLIP[195_904:] + bytes(9), content_range=PLACE), 3, id="206-more-than-the-clip"
        ),
    ],
)
async def test_a_host_that_does_not_resume_is_asked_for_all(serve, reply, part, first, requests):
    """Whatever a host makes of Range, the clip comes out whole, with a request or two more."""
    part.write(CLIP[:200_000])

    async def answer(stream, request, seen):
        await stream.send(first(reply) if len(seen.requests) == 1 else whole_or_rest(request, reply))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert part.path.read_bytes() == CLIP
    assert len(server.requests) == requests


async def test_a_part_that_nobody_asked_for_is_not_taken_for_the_beginning(serve, reply, part):
    """A host that answers a plain request from its middle on is asked again."""

    async def answer(stream, request, seen):
        rest = reply(206, CLIP[9:], content_range=f"bytes 9-{len(CLIP) - 1}/{len(CLIP) - 9}")
        await stream.send(rest if len(seen.requests) == 1 else reply(200, CLIP))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_host_in_trouble_is_asked_again(serve, reply, part, status):
    """Transient answers are retried, also those that are no HTTP at all."""

    async def answer(stream, request, seen):
        if len(seen.requests) == 1:
            await stream.send(reply(status, b"<html>oops</html>"))
            return True
        if len(seen.requests) == 2:
            await stream.send(b"\x00\x01")
            return False
        await stream.send(reply(200, CLIP))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE


async def test_retry_after_is_honoured(serve, reply, part):
    """A host that asks for a pause gets it, whatever the scale of kbatch's own waits."""

    async def answer(stream, request, seen):
        await stream.send(reply(503, b"", retry_after="60"))
        return True

    async with serve(answer) as server:
        found = await get(server, part, total_s=0.05)
    assert found == NotFetched(message="not fetched within 0.05 s", cause=FetchFailure.LATER)
    assert len(server.requests) == 1


async def test_the_budget_of_attempts_ends(serve, reply, part):
    """A host that stays in trouble leaves the clip owed, after as many attempts as allowed."""

    async def answer(stream, request, seen):
        await stream.send(reply(503, b""))
        return True

    async with serve(answer) as server:
        found = await get(server, part, attempts=4)
    assert found == NotFetched(message="the clip's host answered HTTP 503", cause=FetchFailure.LATER)
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_url_that_ended_needs_a_fresh_one(serve, reply, part, status):
    """The same URL is not asked again: the provider is."""

    async def answer(stream, request, seen):
        await stream.send(reply(status, b"expired"))
        return True

    async with serve(answer) as server:
        found = await get(server, part)
    assert found == NotFetched(message=f"the clip's host answered HTTP {status}", cause=FetchFailure.STALE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"<!DOCTYPE html><title>Sign in</title>", {"content_type": "text/html"}, id="html"),
        pytest.param(b"<!DOCTYPE html><title>Sign in</title>", {"content_type": "video/mp4"}, id="html-that-lies"),
        pytest.param(b'{"error": "expired"}', {"content_type": "application/json"}, id="json"),
        pytest.param(b"", {}, id="empty"),
        pytest.param(bytes(5000), {"content_type": "text/html\x9b2J"}, id="an-escape-in-a-header"),
    ],
)
async def test_what_is_no_clip_is_not_kept(serve, reply, part, body, headers):
    """A page, a torso or nothing is tried once more, then the URL counts as stale; nothing of it stays."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, body, **headers))
        return True

    async with serve(answer) as server:
        found = await get(server, part)
    assert isinstance(found, NotFetched)
    assert found.cause is FetchFailure.STALE
    assert found.message.isprintable()
    assert len(server.requests) == 2
    assert part.size == 0


async def test_what_lacks_its_end_stays_in_the_part(serve, reply, part):
    """It counts as not fetched, and may be all that there ever is of a paid clip."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP[:-1]))
        return True

    async with serve(answer) as server:
        found = await get(server, part)
    assert isinstance(found, NotFetched)
    assert found.cause is FetchFailure.STALE
    assert part.path.read_bytes() == CLIP[:-1]


def packed(data=CLIP, wbits=31):
    """Return bytes as a host compresses them: gzip (31), zlib (15)."""
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(CLIP + bytes(8), {}, id="zeros-behind-it"),
        pytest.param(packed(), {"content_encoding": "gzip"}, id="gzip"),
        pytest.param(packed(), {"content_encoding": "X-GZIP"}, id="gzip-by-its-old-name"),
        pytest.param(packed(wbits=15), {"content_encoding": "deflate"}, id="deflate"),
        pytest.param(CLIP, {"content_encoding": "gzip"}, id="gzip-that-is-none"),
        pytest.param(CLIP, {"content_encoding": "br"}, id="an-encoding-that-is-none"),
        pytest.param(CLIP, {"content_encoding": "aws-chunked"}, id="what-an-object-store-calls-it"),
        pytest.param(CLIP, {"content_type": "text/html"}, id="called-a-page"),
        pytest.param(CLIP, {"content_type": "application/json"}, id="called-json"),
        pytest.param(CLIP, {"content_type": ""}, id="without-a-type"),
        pytest.param(CLIP, {"status": 206, "content_range": f"bytes 0-{len(CLIP) - 1}/{len(CLIP)}"}, id="206-of-all"),
        pytest.param(CLIP, {"status": 206}, id="206-that-does-not-say-of-what"),
    ],
)
async def test_a_clip_is_kept_however_a_host_serves_it(serve, reply, part, body, headers):
    """The bytes decide, not the headers; one request brings it."""

    async def answer(stream, request, seen):
        await stream.send(reply(**{"status": 200, "body": body, **headers}))
        return True

    async with serve(answer) as server:
        found = await get(server, part)
    assert isinstance(found, Fetched), found
    assert found.media == MEDIA
    assert part.path.read_bytes().startswith(CLIP)
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut", [0, 200_000], ids=["cut-once", "resumed"])
async def test_a_compressed_clip_that_was_cut_is_fetched_anew(serve, reply, part, cut):
    """What was decoded of it is no beginning that a range could go on from."""
    part.write(CLIP[:cut])
    data = packed()

    async def answer(stream, request, seen):
        if range_of(request):
            rest = data[range_of(request) :]
            span = f"bytes {range_of(request)}-{len(data) - 1}/{len(data)}"
            await stream.send(reply(206, rest, content_encoding="gzip", content_range=span))
            return True
        whole = reply(200, data, content_encoding="gzip")
        await stream.send(whole[:-5000] if len(seen.requests) == 1 else whole)
        return len(seen.requests) > 1

    async with serve(answer) as server:
        found = await get(server, part)
    assert found == WHOLE


async def test_a_compressed_bomb_ends(serve, reply, part):
    """The bound is that of the clip, not of what is sent."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, packed(bytes(3_000_000)), content_encoding="gzip"))
        return True

    async with serve(answer) as server:
        found = await get(server, part, max_bytes=1_000_000)
    assert isinstance(found, NotFetched)
    assert found.cause is FetchFailure.TOO_LARGE


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x1aE\xdf\xa3" + bytes(900), "this is WebM"),
        (b"\x00\x01\x02\x03" + bytes(range(256)) * 4, "no box at byte 0"),
    ],
    ids=["webm", "nothing-known"],
)
async def test_what_cannot_be_read_is_fetched_all_the_same(serve, reply, part, body, words):
    """Another container is what was paid for: its bytes and digest come back, with why nothing is known of it."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, body))
        return True

    async with serve(answer) as server:
        found = await get(server, part)
    assert isinstance(found, Fetched)
    assert (found.media, found.sha256) == (None, hashlib.sha256(body).hexdigest())
    assert words in found.fault


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a b.mp4", b"/a%20b.mp4"),
        ("/é.mp4?sig=a b", b"/%C3%A9.mp4?sig=a%20b"),
        ("/a%2Fb%20c.mp4?s=%2B+=&x[]=1", b"/a%2Fb%20c.mp4?s=%2B+=&x[]=1"),
        ('/"<>^`{|}.mp4', b"/%22%3C%3E%5E%60%7B%7C%7D.mp4"),
    ],
)
async def test_a_url_is_sent_as_it_stands_but_for_what_no_request_can_carry(serve, reply, part, path, sent):
    """A blank and `é` are encoded; what is encoded already, or signed, keeps every letter."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP))
        return True

    async with serve(answer) as server, Client(server.url, ("X-API-Key", "k")) as client:
        found = await fetch(client, f"HTTP{server.url[4:]}{path}", part, FetchTerms(**QUICK))
    assert found == WHOLE
    assert server.requests[0].split(b" ")[1] == sent


async def test_redirects_are_followed_by_hand(serve, reply, part):
    """Relative and absolute ones lead to the clip, the range asked for at each."""
    part.write(CLIP[:10_000])

    async def answer(stream, request, seen):
        path = request.split(b" ")[1]
        steps = {b"/clip.mp4": "a/b", b"/a/b": "/c", b"/c": f"{seen.url}/d"}
        if path in steps:
            await stream.send(reply(302, b"", location=steps[path]))
        else:
            await stream.send(whole_or_rest(request, reply))
        return True

    async with serve(answer) as server:
        assert await get(server, part) == WHOLE
    assert [range_of(request) for request in server.requests] == [10_000 - 4096] * 4


async def test_a_circle_of_redirects_ends(serve, reply, part):
    """After five the URL counts as stale."""

    async def answer(stream, request, seen):
        await stream.send(reply(302, b"", location="/clip.mp4"))
        return True

    async with serve(answer) as server:
        found = await get(server, part)
    assert found == NotFetched(message="more than 5 redirects", cause=FetchFailure.STALE)


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/clip",
        "https://10.0.0.1/clip",
        "http://cdn.example.net/clip",
        "file:///etc/passwd",
        "http://[bad",
    ],
)
async def test_a_redirect_into_a_network_is_refused(serve, reply, part, location):
    """Each hop is checked: a public host cannot send this machine inside."""

    async def answer(stream, request, seen):
        await stream.send(reply(302, b"", location=location))
        return True

    async with serve(answer) as server:
        found = await get(server, part)
    assert isinstance(found, NotFetched)
    assert found.cause is FetchFailure.REFUSED
    assert len(server.requests) == 1


async def test_loopback_is_refused_for_a_real_api_unless_allowed(serve, reply, part):
    """A provider's answer cannot make this machine call itself; the user can."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP))
        return True

    async with serve(answer) as server, Client("https://api.example.com", ("X-API-Key", "a-key")) as client:
        refused = await fetch(client, f"{server.url}/c", part, FetchTerms(**QUICK))
        said = "127.0.0.1 is offered over plain http"
        assert refused == NotFetched(message=said, cause=FetchFailure.REFUSED, host="127.0.0.1")
        assert server.connections == 0
        allowed = FetchTerms(**QUICK, allow_hosts=frozenset({"127.0.0.1"}))
        assert await fetch(client, f"{server.url}/c", part, allowed) == WHOLE


async def test_the_connection_goes_to_the_address_that_was_checked(serve, reply, part):
    """A name is resolved once: what it leads to a moment later does not matter."""
    asked = []

    async def rebinding(host, port):
        asked.append(host)
        return ("127.0.0.1",)

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP))
        return True

    async with serve(answer) as server, Client("https://api.example.com", ("X-API-Key", "a-key")) as client:
        terms = FetchTerms(**QUICK, allow_hosts=frozenset({"cdn.example.invalid"}), resolve=rebinding)
        assert await fetch(client, f"http://cdn.example.invalid:{server.port}/c", part, terms) == WHOLE
    assert asked == ["cdn.example.invalid"]


async def test_a_host_that_is_not_found_may_be_later(part):
    """DNS in trouble is no reason to give a clip up."""

    async def nowhere(host, port):
        raise OSError(errno.EAGAIN, "temporary failure in name resolution")

    async with Client("https://api.example.com", ("X-API-Key", "a-key")) as client:
        found = await fetch(client, "https://cdn.example.net/c", part, FetchTerms(**QUICK, attempts=2, resolve=nowhere))
    assert found.cause is FetchFailure.LATER
    assert "temporary failure" in found.message


async def test_more_than_any_clip_is_not_begun(serve, reply, part):
    """An announced length above the cap is refused before anything is written."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP))
        return True

    async with serve(answer) as server:
        found = await get(server, part, max_bytes=100_000)
    assert found == NotFetched(
        message=f"the clip has {len(CLIP)} bytes, more than any clip may", cause=FetchFailure.TOO_LARGE
    )
    assert part.size == 0


async def test_more_than_any_clip_is_not_fetched(serve, part):
    """The cap holds for what keeps coming without an announced length."""

    async def answer(stream, request, seen):
        await stream.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send(b"10000\r\n" + bytes(65536) + b"\r\n")

    async with serve(answer) as server:
        found = await get(server, part, max_bytes=100_000)
    assert found == NotFetched(message="the clip has more than 100000 bytes", cause=FetchFailure.TOO_LARGE)
    assert part.size == 0, "what has no end is of no use"


async def test_a_host_that_alternates_good_and_bad_ranges_is_given_up(serve, reply, part):
    """Bytes that were here before are no progress: every second answer brings them again, and none brings more."""

    async def answer(stream, request, seen):
        if b"range:" in request.lower():
            await stream.send(reply(206, CLIP[:10], content_range=f"bytes 0-9/{len(CLIP)}"))
            return True
        head = f"HTTP/1.1 200 X\r\nContent-Length: {len(CLIP)}\r\n\r\n".encode()
        await stream.send(head + CLIP[: len(CLIP) // 2])
        return False

    async with serve(answer) as server:
        found = await get(server, part, attempts=4)
    assert isinstance(found, NotFetched)
    assert found.cause is FetchFailure.LATER
    assert len(server.requests) == 5


async def test_a_host_that_brings_a_little_each_time_is_given_up(serve, reply, part, monkeypatch):
    """Progress that would take for ever has an end: so many attempts, however each of them ends."""
    monkeypatch.setattr(fetching, "DOWNLOADS_IN_ALL", 5)

    async def answer(stream, request, seen):
        found = re.search(rb"range: bytes=(\d+)-", request.lower())
        start = int(found[1]) if found else 0
        status = b"206 X" if found else b"200 X"
        placed = f"Content-Range: bytes {start}-{len(CLIP) - 1}/{len(CLIP)}\r\n" if found else ""
        head = f"Content-Length: {len(CLIP) - start}\r\n{placed}\r\n".encode()
        await stream.send(b"HTTP/1.1 " + status + b"\r\n" + head + CLIP[start : start + 4096 + 100])
        return False

    async with serve(answer) as server:
        found = await get(server, part)
    assert found == NotFetched(message="not whole after 5 attempts", cause=FetchFailure.LATER)
    assert len(server.requests) == 5


def test_a_clip_has_a_bound_by_its_length():
    """24 MiB a second and 64 more: ten times what providers send, and far below a disk."""
    assert most_bytes(10) == 304 * 1024 * 1024
    assert most_bytes(None) == most_bytes(60) == 1504 * 1024 * 1024


async def test_a_trickle_ends_with_the_total_time(serve, part):
    """A host that sends a byte now and then does not hold a run forever; what came stays for the next time."""

    async def answer(stream, request, seen):
        await stream.send(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(CLIP))
        while True:
            await stream.send(b"\0")
            await anyio.sleep(0.005)

    async with serve(answer) as server:
        found = await get(server, part, total_s=0.05)
    assert found == NotFetched(message="not fetched within 0.05 s", cause=FetchFailure.LATER)


async def test_a_stall_is_resumed(serve, reply, part):
    """Silence is a cut: what came before it is kept."""

    async def answer(stream, request, seen):
        data = whole_or_rest(request, reply)
        if len(seen.requests) == 1:
            await stream.send(data[:150_000])
            await anyio.sleep_forever()
        await stream.send(data)
        return True

    async with serve(answer) as server, Client(server.url, ("X", "k"), limits=Limits(stall_s=0.05)) as client:
        assert await fetch(client, server.url, part, FetchTerms(**QUICK)) == WHOLE
    assert range_of(server.requests[1]) > 100_000


async def test_a_full_disk_is_said_as_such(serve, reply, tmp_path):
    """What the disk refuses is no fault of the host and is not retried."""

    class Full(PartFile):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    async def answer(stream, request, seen):
        await stream.send(reply(200, CLIP))
        return True

    part = Full(tmp_path / "clip.mp4")
    async with serve(answer) as server:
        found = await get(server, part)
    part.close()
    assert found == NotFetched(message="clip.mp4.part: No space left on device", cause=FetchFailure.DISK)
    assert len(server.requests) == 1


async def test_a_simulated_clip_never_leaves_the_process(part):
    """With an app in place of the API, any URL is answered by it, no name is resolved and no host is refused."""

    async def never(host, port):
        raise AssertionError("resolved")

    async def app(scope, receive, send):
        assert (b"x-api-key", b"k") not in scope["headers"]
        headers = [(b"content-length", str(len(CLIP)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": CLIP})

    async with Client("http://simulator", ("X-API-Key", "k"), app=app) as client:
        assert await fetch(client, "http://cdn.simulator/clip.mp4", part, FetchTerms(**QUICK, resolve=never)) == WHOLE


async def test_a_simulated_answer_that_ends_early_is_resumed(part):
    """In process nothing is cut by a socket: the announced length tells."""
    asked = []

    async def app(scope, receive, send):
        headers = dict(scope["headers"])
        start = int(headers.get(b"range", b"bytes=0-")[6:-1])
        asked.append(start)
        told = [(b"content-length", str(len(CLIP) - start).encode())]
        told.append((b"content-range", f"bytes {start}-{len(CLIP) - 1}/{len(CLIP)}".encode()))
        await send({"type": "http.response.start", "status": 206 if start else 200, "headers": told})
        await send({"type": "http.response.body", "body": CLIP[start:][: 100_000 if len(asked) == 1 else None]})

    async with Client("http://simulator", ("X-API-Key", "k"), app=app) as client:
        assert await fetch(client, "https://cdn.simulator/clip.mp4", part, FetchTerms(**QUICK)) == WHOLE
    assert asked == [0, 100_000 - 4096]
