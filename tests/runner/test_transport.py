"""The way out, over real sockets: what is called "not sent" never left, and the key goes nowhere else."""

import gzip

import anyio
import pytest

from kbatch.errors import Refused
from kbatch.providers.base import Answer, File, NoAnswer, Request
from kbatch.providers.http.client import Client, Engine, Limits, TransportError, user_agent
from kbatch.providers.http.tls import certificates
from kbatch.simulator.clips.file_kinds import parts_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=list(Engine), autouse=True)
def engine(request, monkeypatch):
    """Let each test pass with each HTTP library."""
    on_trio = "anyio_backend" in request.fixturenames and request.getfixturevalue("anyio_backend_name") == "trio"
    if on_trio and request.param is Engine.AIOHTTP:
        pytest.skip("aiohttp serves asyncio only")
    monkeypatch.setattr(Engine, "best", lambda: request.param)
    return request.param


KEY = "afk_0123456789abcdef"
GET = Request(method="GET", path="/v2/jobs/a%2Fb?x=%3A")
POST = Request(method="POST", path="/v2/generate", headers={"Content-Type": "application/json"}, content=b'{"a": 1}')


def client_of(url, **settings):
    """Return a client with the test key."""
    return Client(url, ("X-API-Key", KEY), **settings)


def compressed(body):
    """Return a whole answer that says its body is gzip."""
    return b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_a_request_goes_out_byte_for_byte(serve, reply):
    """Path, headers and body arrive as the provider built them, with the key and the program's name; nothing else."""

    async def answer(stream, request, seen):
        await stream.send(reply(202, b'{"jobId": "j"}', x_more="1"))
        return True

    async with serve(answer) as server, client_of(server.url) as client:
        found = await client.send(POST, timeout_s=5)
        assert isinstance(await client.send(GET, timeout_s=5), Answer)
    assert found == Answer(status=202, headers={"content-length": "14", "x-more": "1"}, body=b'{"jobId": "j"}')
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"a": 1}'
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v2/generate HTTP/1.1"
    names = {line.partition(":")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
    assert names.pop("connection", "close") == "close"
    assert names == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": user_agent(),
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": "8",
        "x-api-key": KEY,
    }
    assert server.requests[1].startswith(b"GET /v2/jobs/a%2Fb?x=%3A HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half-a-header"),
        pytest.param(b"HTTP/1.1 202 X\r\nContent-Length: 20\r\n\r\n{", id="half-a-body"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="not-http"),
        pytest.param(compressed(b"abc"), id="broken-gzip"),
        pytest.param(compressed(gzip.compress(bytes(range(256)))[:-9]), id="half-a-gzip"),
        pytest.param(compressed(gzip.compress(bytes(17 * 1024 * 1024))), id="a-gzip-bomb"),
    ],
)
async def test_a_cut_after_sending_may_have_been_heard(serve, sent):
    """Whatever breaks once the request is out leaves it open whether it was accepted, and it goes out once only."""

    async def answer(stream, request, seen):
        await stream.send(sent)
        return False

    async with serve(answer) as server, client_of(server.url) as client:
        found = await client.send(POST, timeout_s=5)
    assert isinstance(found, NoAnswer)
    assert found.maybe_sent
    assert len(server.requests) == 1


async def test_a_refused_connection_was_not_sent():
    """Nobody listens: nothing left, and that is certain."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    await listener.aclose()
    async with client_of(f"http://127.0.0.1:{port}") as client:
        found = await client.send(POST, timeout_s=5)
    assert isinstance(found, NoAnswer)
    assert not found.maybe_sent


async def test_a_server_without_tls_was_not_sent_to():
    """What answers the greeting with anything but TLS gets neither request nor key."""
    heard = bytearray()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def answer(stream):
        async with stream:
            heard.extend(await stream.receive())
            await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listener, anyio.create_task_group() as tasks, client_of(f"https://127.0.0.1:{port}") as client:
        tasks.start_soon(listener.serve, answer)
        found = await client.send(POST, timeout_s=5)
        tasks.cancel_scope.cancel()
    assert isinstance(found, NoAnswer)
    assert not found.maybe_sent
    assert heard
    assert KEY.encode() not in heard


async def test_certificates_that_cannot_be_read_sent_nothing(monkeypatch):
    """A broken `SSL_CERT_FILE` stops a call before it begins: no purchase becomes unknown by it."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    certificates.cache_clear()
    async with client_of("https://127.0.0.1:9") as client:
        found = await client.send(POST, timeout_s=5)
        with pytest.raises(TransportError):
            await read_all(client, "https://127.0.0.1:9")
    certificates.cache_clear()
    assert isinstance(found, NoAnswer)
    assert not found.maybe_sent


@pytest.mark.parametrize("when", ["with-it", "right-after-it", "later", "in-pieces"])
@pytest.mark.parametrize("body", [b"first", b""], ids=["body", "no-body"])
async def test_an_answer_too_many_is_never_the_next_ones(serve, reply, engine, body, when):
    """A server that answers one request twice is left: the next one gets its own answer, on another connection."""
    spoiled = []

    async def answer(stream, request, seen):
        path = request.split(b" ")[1]
        whole, extra = reply(200, body or path), reply(200, b"the answer to nothing")
        if spoiled:
            await stream.send(reply(200, path))
            return True
        spoiled.append(path)
        if when == "with-it":
            await stream.send(whole + extra)
            return True
        await stream.send(whole)
        if when == "later":
            await anyio.sleep(0.02)
        if when == "in-pieces":
            await stream.send(extra[:1])
        else:
            await stream.send(extra)
        return True

    async with serve(answer) as server, client_of(server.url) as client:
        first = await client.send(Request(method="GET", path="/first"), timeout_s=5)
        await anyio.sleep(0.05)
        second = await client.send(Request(method="GET", path="/second"), timeout_s=5)
        third = await client.send(Request(method="GET", path="/third"), timeout_s=5)
    assert (first.body, second.body, third.body) == (body or b"/first", b"/second", b"/third")
    # aiohttp's parser forgets half a status line when the next request begins; the other half would be no answer.
    assert server.connections == (1 if engine is Engine.AIOHTTP and when == "in-pieces" else 2)


async def test_a_file_goes_out_as_a_form(serve, reply):
    """Each engine sends what httpx encodes: a boundary of at most 70 characters, the picture byte for byte."""
    data = bytes(range(256)) + b"\r\n--"
    file = File(field="file", name="a.png", media_type="image/png", data=data)

    async def answer(stream, request, seen):
        await stream.send(reply(201, b"{}"))
        return True

    async with serve(answer) as server, client_of(server.url) as client:
        sent = Request(method="POST", path="/v2/uploads", headers={"Accept": "application/json"}, file=file)
        assert isinstance(await client.send(sent, timeout_s=5), Answer)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    types = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type:")]
    [kind] = types
    boundary = kind.partition(b"boundary=")[2]
    assert 1 <= len(boundary) <= 70
    [part] = parts_of(kind.partition(b": ")[2].decode(), body)
    assert (part.name, part.filename, part.data) == ("file", "a.png", data)


async def test_a_slow_answer_may_have_been_heard(serve):
    """The deadline of the whole call counts, also against a server that trickles."""

    async def trickle(stream, request, seen):
        await stream.send(b"HTTP/1.1 200 X\r\nContent-Length: 900\r\n\r\n")
        while True:
            await stream.send(b".")
            await anyio.sleep(0.005)

    async with serve(trickle) as server, client_of(server.url) as client:
        found = await client.send(POST, timeout_s=0.1)
    assert found == NoAnswer(message="no answer within 0.1 s", maybe_sent=True)


async def test_waiting_for_a_connection_was_not_sent(serve):
    """A call that never got its turn never left."""

    async def hang(stream, request, seen):
        await anyio.sleep_forever()

    async with serve(hang) as server, client_of(server.url, limits=Limits(connections=1)) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.send(POST, timeout_s=0.5))
            await server.asked.wait()
            found = await client.send(POST, timeout_s=0.05)
            tasks.cancel_scope.cancel()
        assert found == NoAnswer(message="no answer within 0.05 s", maybe_sent=False)
        assert len(server.requests) == 1


async def test_a_redirect_is_an_answer(serve, reply):
    """The key does not follow to another host, nor to the same."""

    async def elsewhere(stream, request, seen):
        return False

    async with serve(elsewhere) as other:

        async def answer(stream, request, seen):
            await stream.send(reply(307, b"", location=other.url + "/x"))
            return True

        async with serve(answer) as server, client_of(server.url) as client:
            found = await client.send(POST, timeout_s=5)
    assert found.status == 307
    assert other.connections == 0


async def test_an_answer_without_end_is_cut(serve):
    """More than the limit is no answer, and the connection is not used again."""

    async def flood(stream, request, seen):
        await stream.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send(b"1000\r\n" + bytes(4096) + b"\r\n")

    async with serve(flood) as server, client_of(server.url, limits=Limits(max_body=10_000)) as client:
        found = await client.send(GET, timeout_s=5)
        assert found == NoAnswer(message="the answer is longer than 10000 bytes", maybe_sent=True)
        await client.send(GET, timeout_s=5)
        assert server.connections == 2


async def test_encoded_answers_are_read(serve, reply):
    """A server that compresses although nobody asked is understood."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, gzip.compress(b'{"a": 1}'), content_encoding="gzip"))
        return True

    async with serve(answer) as server, client_of(server.url) as client:
        found = await client.send(GET, timeout_s=5)
    assert found.body == b'{"a": 1}'


async def test_polls_share_a_connection_and_purchases_take_a_new_one(serve, reply):
    """A kept connection may be closed in the moment of sending: a POST never meets that."""

    async def answer(stream, request, seen):
        await stream.send(reply())
        return True

    async with serve(answer) as server, client_of(server.url) as client:
        for request in (GET, GET, GET):
            await client.send(request, timeout_s=5)
        assert server.connections == 1
        await client.send(POST, timeout_s=5)
        assert server.connections == 2
        await client.send(GET, timeout_s=5)
        assert server.connections == 2


async def test_clips_of_one_host_share_a_connection_with_nothing_else(serve, reply):
    """The next clip needs no handshake; polls, which carry the key, never go where clips come from."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, b"clip"))
        return True

    async with serve(answer) as server, client_of(server.url) as client:
        await client.send(GET, timeout_s=5)
        for _ in range(3):
            async with client.stream(server.url + "/clip.mp4", headers={}, addresses=("127.0.0.1",)) as stream:
                assert await stream.read() == b"clip"
                assert await stream.read() == b""
        assert server.connections == 2
        with_key = [request for request in server.requests if b"x-api-key" in request.lower()]
        assert len(with_key) == 1


async def test_a_kept_connection_that_closes_on_the_next_request_is_not_retried(serve, reply):
    """The request goes out once; that nobody answered is said, not mended."""

    async def once(stream, request, seen):
        if len(seen.requests) == 1:
            await stream.send(reply())
            return True
        return False

    async with serve(once) as server, client_of(server.url) as client:
        assert isinstance(await client.send(GET, timeout_s=5), Answer)
        found = await client.send(GET, timeout_s=5)
    assert isinstance(found, NoAnswer)
    assert found.maybe_sent
    assert len(server.requests) == 2


async def test_a_cancelled_call_leaves_no_answer_behind(serve, reply):
    """The answer to a call that was given up is never taken for the next one's."""
    release = anyio.Event()

    async def answer(stream, request, seen):
        if len(seen.requests) == 1:
            await release.wait()
        await stream.send(reply(200, request.split(b" ")[1]))
        return True

    async with serve(answer) as server, client_of(server.url, limits=Limits(connections=1)) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.send(Request(method="GET", path="/first"), timeout_s=5))
            await server.asked.wait()
            tasks.cancel_scope.cancel()
        release.set()
        found = await client.send(Request(method="GET", path="/second"), timeout_s=5)
        assert found.body == b"/second"
        assert server.connections == 2


async def test_no_more_connections_than_allowed(serve, reply):
    """Forty calls over four connections are all answered, each with its own answer."""

    async def answer(stream, request, seen):
        await anyio.sleep(0.001)
        await stream.send(reply(200, request.split(b" ")[1]))
        return True

    bodies = set()
    async with serve(answer) as server, client_of(server.url, limits=Limits(connections=4)) as client:

        async def call(number):
            found = await client.send(Request(method="GET", path=f"/{number}"), timeout_s=5)
            bodies.add((f"/{number}", found.body.decode()))

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(call, number)
        assert server.most_open <= 4
    assert bodies == {(f"/{number}", f"/{number}") for number in range(40)}


async def test_the_key_is_struck_out_of_whatever_is_answered(serve, reply):
    """A server that repeats the key does not get it into a message or a receipt."""

    async def echo(stream, request, seen):
        await stream.send(reply(401, f'{{"error": "Invalid API key {KEY}"}}'.encode(), x_key=KEY))
        return True

    async with serve(echo) as server, client_of(server.url) as client:
        found = await client.send(GET, timeout_s=5)
        assert KEY not in repr(client)
    assert found.body == b'{"error": "Invalid API key ***"}'
    assert found.headers["x-key"] == "***"


@pytest.mark.parametrize("key", ["afk_1\n2", "afk_é", "", "\x00"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key):
    """Such a key is refused before anything is sent, and not shown."""
    with pytest.raises(Refused) as refused:
        Client("https://api.example.com", ("X-API-Key", key))
    assert not key or key not in str(refused.value)


# an app in place of the API


async def respond(send, status, body):
    """Send an ASGI answer."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-a", b"1")]})
    await send({"type": "http.response.body", "body": body})


async def test_an_app_answers_in_place_of_the_api():
    """The same calls reach an app in this process, key and body included, and nothing leaves the machine."""
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["method"], scope["raw_path"], scope["query_string"], dict(scope["headers"])))
        await respond(send, 202, b"{}")

    async with client_of("https://api.apiframe.ai", app=app) as client:
        found = await client.send(GET, timeout_s=5)
        async with client.stream("https://cdn.example.net/clip.mp4", headers={}) as clip:
            assert (clip.status, await clip.read(), await clip.read()) == (202, b"{}", b"")
        assert client.simulated
        assert client.loopback
    assert found == Answer(status=202, headers={"x-a": "1"}, body=b"{}")
    assert seen[0][:3] == ("GET", b"/v2/jobs/a%2Fb", b"x=%3A")
    assert seen[0][3][b"x-api-key"] == KEY.encode()
    assert b"x-api-key" not in seen[1][3]


async def test_an_app_cuts_with_a_connection_error():
    """A pretended cut is one after sending, for calls and for downloads."""

    class Gone(ConnectionError):
        pass

    async def app(scope, receive, send):
        raise Gone("lost answer")

    async with client_of("https://api.example", app=app) as client:
        found = await client.send(POST, timeout_s=5)
        assert found == NoAnswer(message="Gone: lost answer", maybe_sent=True)
        with pytest.raises(TransportError):
            async with client.stream("https://cdn.example/clip", headers={}):
                pass


async def test_a_slow_app_runs_into_the_deadline():
    """An app that does not answer in time may have accepted."""

    async def app(scope, receive, send):
        await anyio.sleep_forever()

    async with client_of("https://api.example", app=app) as client:
        found = await client.send(POST, timeout_s=0.02)
    assert found == NoAnswer(message="no answer within 0.02 s", maybe_sent=True)


async def test_a_fault_of_the_app_is_not_taken_for_the_networks():
    """Any other exception of an app is a bug and is seen as one."""

    async def app(scope, receive, send):
        raise ZeroDivisionError

    async with client_of("https://api.example", app=app) as client:
        with pytest.raises(ZeroDivisionError):
            await client.send(POST, timeout_s=5)


# downloads


async def read_all(client, url):
    """Read a download to its end."""
    async with client.stream(url, headers={}) as clip:
        while await clip.read():
            pass


async def test_a_download_carries_no_key_and_no_cookie(serve, reply):
    """The clip's host learns nothing but the URL and the asked range."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, b"clip", set_cookie="a=b"))
        return True

    async with serve(answer) as server, client_of("https://api.example") as client:
        for _ in range(2):
            async with client.stream(f"{server.url}/c?sig=1", headers={"Range": "bytes=5-"}) as clip:
                assert await clip.read() == b"clip"
                assert await clip.read() == b""
    for request in server.requests:
        lines = request.decode().split("\r\n")
        assert lines[0] == "GET /c?sig=1 HTTP/1.1"
        assert {line.partition(":")[0].lower() for line in lines[1:] if line} == {
            "host",
            "user-agent",
            "accept-encoding",
            "range",
        }


async def test_a_download_goes_to_the_checked_address(serve, reply):
    """The name is in `Host`, the connection goes to the address; one that does not answer is followed by the next."""

    async def answer(stream, request, seen):
        await stream.send(reply(200, b"clip"))
        return True

    async with serve(answer) as server, client_of("https://api.example") as client:
        url = f"http://cdn.example.invalid:{server.port}/clip"
        async with client.stream(url, headers={}, addresses=("::1", "127.0.0.1")) as clip:
            assert await clip.read() == b"clip"
    assert f"host: cdn.example.invalid:{server.port}\r\n".encode() in server.requests[0].lower()


async def test_the_certificate_is_asked_for_by_name(serve):
    """To a checked address the TLS greeting names the clip's host, which the certificate must then be for."""
    greeting = bytearray()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def greet(stream):
        async with stream:
            greeting.extend(await stream.receive())

    async with listener, anyio.create_task_group() as tasks, client_of("https://api.example") as client:
        tasks.start_soon(listener.serve, greet)
        with pytest.raises(TransportError):
            async with client.stream(f"https://cdn.example.net:{port}/c", headers={}, addresses=("127.0.0.1",)):
                pass
        tasks.cancel_scope.cancel()
    assert b"cdn.example.net" in greeting


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="no-answer"),
        pytest.param(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nclip", id="short-body"),
    ],
)
async def test_a_download_that_breaks_is_a_cut(serve, sent):
    """A body that ends before its announced length is never taken for whole."""

    async def answer(stream, request, seen):
        await stream.send(sent)
        return False

    async with serve(answer) as server, client_of("https://api.example") as client:
        with pytest.raises(TransportError):
            await read_all(client, server.url)


async def test_a_download_that_stalls_is_a_cut(serve):
    """A host that falls silent for longer than the limit is given up."""

    async def silent(stream, request, seen):
        await stream.send(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nclip")
        await anyio.sleep_forever()

    async with serve(silent) as server, client_of("https://api.example", limits=Limits(stall_s=0.05)) as client:
        with pytest.raises(TransportError, match=r"ReadTimeout|SocketTimeout"):
            await read_all(client, server.url)


async def test_a_download_may_be_left_half_way(serve):
    """Leaving the block early closes the connection and leaves nothing unfinished."""

    async def flood(stream, request, seen):
        await stream.send(b"HTTP/1.1 200 X\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            await stream.send(bytes(65536))

    async with serve(flood) as server, client_of("https://api.example") as client:
        async with client.stream(server.url, headers={}) as clip:
            assert await clip.read()
        await server.left.wait()


# proxies


async def test_a_proxy_that_refuses_saw_no_key(serve, reply, monkeypatch):
    """Through a proxy of the environment the key travels inside the tunnel only; no tunnel, nothing sent."""

    async def answer(stream, request, seen):
        await stream.send(reply(403, b""))
        return False

    async with serve(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with client_of("https://api.example.com") as client:
            assert not client.connects("https://cdn.example.com/c")
            found = await client.send(POST, timeout_s=5)
    assert isinstance(found, NoAnswer)
    assert not found.maybe_sent
    assert [request.split(b"\r\n")[0] for request in proxy.requests] == [b"CONNECT api.example.com:443 HTTP/1.1"]
    assert KEY.encode() not in proxy.requests[0]


async def test_a_proxy_of_an_unknown_kind_sends_nothing(monkeypatch):
    """A proxy that cannot be spoken to is said, and the call was not sent."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    async with client_of("https://api.example.com") as client:
        found = await client.send(POST, timeout_s=5)
        assert isinstance(found, NoAnswer)
        assert not found.maybe_sent
        with pytest.raises(TransportError, match="proxy"):
            async with client.stream("https://cdn.example.com/c", headers={}):
                pass
