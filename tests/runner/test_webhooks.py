"""Webhooks over a real socket: a signed delivery wakes its job's task, anything else is harmless."""

import hmac
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import anyio
import pytest

from kbatch.errors import Invalid, Refused
from kbatch.providers.apiframe import APIFRAME
from kbatch.providers.http.client import Client
from kbatch.runner.limits.concurrency import Slots
from kbatch.runner.limits.polling.watches import Watch
from kbatch.runner.session import ProviderSession
from kbatch.runner.webhooks import listener as listening
from kbatch.runner.webhooks.listener import bound, receiving
from kbatch.runner.webhooks.target import WebhookTarget, is_signed, secret_path

pytestmark = pytest.mark.anyio

KEY, OTHER = "afk_of_this_account", "afk_of_another_one"
URL = "https://hooks.example.com/kbatch"
BODY = json.dumps({"event": "completed", "jobId": "j-1", "status": "COMPLETED"}).encode()


def digest(key: str) -> bytes:
    """Return the SHA-256 of a key."""
    return sha256(key.encode()).digest()


def signed(body: bytes, secret: bytes) -> str:
    """Return the header of a delivery."""
    return "sha256=" + hmac.new(secret, body, sha256).hexdigest()


def session_of(key: str) -> ProviderSession:
    """Return a session that sends nothing."""
    client = Client(APIFRAME.base_url, APIFRAME.authorization(key), app=object())
    return ProviderSession(
        provider=APIFRAME, client=client, slots=Slots(1), origin="simulator", webhook_secret=digest(key)
    )


@asynccontextmanager
async def receiver(*sessions: ProviderSession) -> AsyncIterator[int]:
    """Receive for these sessions during the block; yields the port."""
    port = free_port()
    target = WebhookTarget(url=URL, port=port)
    async with bound(target) as listeners, receiving(listeners, target, sessions):
        yield port


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def send(port: int, data: bytes) -> int:
    """Send bytes and return the status of the answer, 0 without one."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        answer = b""
        try:
            await stream.send(data)
            while True:
                answer += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return int(answer.split(b" ")[1]) if answer else 0


def post(path: str, body: bytes = BODY, signature: str | None = None, method: str = "POST") -> bytes:
    """Return a request as bytes."""
    headers = {"Host": "hooks.example.com", "Content-Length": str(len(body)), "X-Webhook-Event": "completed"}
    if signature is not None:
        headers["X-Webhook-Signature"] = signature
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


RIGHT = secret_path(digest(KEY), URL)
SIGNED = signed(BODY, digest(KEY))
HEX = signed(BODY, digest(KEY).hex().encode())
_FOREIGN = b'{"jobId": "j-2"}'
_NO_JOB = b'{"event": "completed"}'


@pytest.mark.parametrize(
    ("request_", "status", "woken"),
    [
        pytest.param(post(f"/kbatch/{RIGHT}", signature=SIGNED), 204, True, id="signed-with-the-digest"),
        pytest.param(
            post(f"/{RIGHT}", signature=signed(BODY, digest(KEY).hex().encode())), 204, True, id="with-its-hex"
        ),
        pytest.param(post(f"/{RIGHT}?a=b", signature=SIGNED.upper()), 204, True, id="upper-case-and-a-query"),
        pytest.param(post(f"/{RIGHT}"), 401, False, id="unsigned"),
        pytest.param(post(f"/{RIGHT}", signature=signed(BODY, digest(OTHER))), 401, False, id="another-key"),
        pytest.param(post(f"/{RIGHT}", signature=signed(BODY + b" ", digest(KEY))), 401, False, id="another-body"),
        pytest.param(post(f"/{RIGHT}", signature="sha256=é"), 401, False, id="no-hex"),
        pytest.param(post(f"/{RIGHT}", _FOREIGN, signed(_FOREIGN, digest(KEY))), 204, False, id="a-job-not-in-flight"),
        pytest.param(post(f"/{RIGHT}", _NO_JOB, signed(_NO_JOB, digest(KEY))), 401, False, id="no-job"),
        pytest.param(post(f"/{RIGHT}", b"[[", signed(b"[[", digest(KEY))), 401, False, id="no-json"),
        pytest.param(post("/kbatch", signature=SIGNED), 404, False, id="another-path"),
        pytest.param(post(f"/{RIGHT}", signature=SIGNED, method="PUT"), 405, False, id="another-method"),
        pytest.param(post(f"/{RIGHT}", b"x" * 300_000, SIGNED), 413, False, id="too-large"),
        pytest.param(b"\x16\x03\x01 no HTTP\r\n\r\n", 400, False, id="no-http"),
        pytest.param(post(f"/{RIGHT}", signature="a" * 70_000), 400, False, id="too-large-a-header"),
    ],
)
async def test_what_arrives_is_harmless_unless_it_is_signed(request_: bytes, status: int, woken: bool) -> None:
    """Only a delivery that this account's key has signed, on its path, wakes the task of the job that it names."""
    session = session_of(KEY)
    with session.watches.watch("j-1", Watch(None, began_s=0.0, own=True)) as watch:
        async with receiver(session) as port:
            assert await send(port, request_) == status
        assert watch.hinted is woken
        assert watch.shown is None, "a delivery is never an outcome"


async def test_a_sleeping_task_is_woken_a_few_times_at_most() -> None:
    """What was signed once may be replayed a thousand times."""
    session, woken = session_of(KEY), []
    with session.watches.watch("j-1", Watch(None, began_s=0.0, own=True)) as watch:
        async with receiver(session) as port:
            for _ in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(send, port, post(f"/{RIGHT}", signature=SIGNED))
                    with anyio.fail_after(10), watch.sleeping():
                        await anyio.sleep_forever()
                woken.append(watch.hinted)
                watch.hinted = False
            for _ in range(5):
                assert await send(port, post(f"/{RIGHT}", signature=SIGNED)) == 204
            assert not watch.hinted
    assert woken == [True] * 3


async def test_each_account_has_a_path_and_a_key_of_its_own() -> None:
    """A delivery for one account wakes nothing at another, whichever path or key it uses."""
    one, other = session_of(KEY), session_of(OTHER)
    with (
        one.watches.watch("j-1", Watch(None, began_s=0.0, own=True)) as mine,
        other.watches.watch("j-1", Watch(None, began_s=0.0, own=True)) as theirs,
    ):
        async with receiver(one, other) as port:
            assert one.webhook_url == f"{URL}/{RIGHT}"
            assert other.webhook_url != one.webhook_url
            path = secret_path(digest(OTHER), URL)
            assert await send(port, post(f"/{path}", signature=SIGNED)) == 401
            assert await send(port, post(f"/{path}", signature=signed(BODY, digest(OTHER)))) == 204
    assert (mine.hinted, theirs.hinted) == (False, True)


async def test_stalled_senders_hold_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections than are taken that send nothing: they are closed, others are served, the end waits for none."""
    monkeypatch.setattr(listening, "_MOST_S", 0.05)
    monkeypatch.setattr(listening, "_MOST_AT_ONCE", 4)
    session = session_of(KEY)
    statuses: list[int] = []

    async def stall(port: int, data: bytes) -> None:
        statuses.append(await send(port, data))

    async with receiver(session) as port:
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(stall, port, b"POST / HTTP/1.1\r\n")
        assert statuses == [0] * 8
        assert await send(port, post(f"/{RIGHT}", signature=SIGNED)) == 204
        held = await anyio.connect_tcp("127.0.0.1", port)
    await held.aclose()


async def test_a_port_that_is_taken_is_said_before_anything_is_sent() -> None:
    """Two receivers cannot have one port."""
    target = WebhookTarget(url=URL, port=free_port())
    async with bound(target):
        with pytest.raises(Refused, match="webhooks cannot be received"):
            async with bound(target):
                pass


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com",
        "https://a:b@hooks.example.com",
        "https://hooks.example.com/?a=b",
        "ftp://a",
        "",
        "x y",
    ],
)
async def test_a_webhook_url_is_https_or_of_this_machine(url: str) -> None:
    """What is bought is nobody else's business, and a password would be sent to the provider."""
    with pytest.raises(Invalid) as refused:
        WebhookTarget(url=url, port=1)
    assert refused.value.problems[0].code == "webhook-url"
    WebhookTarget(url="http://127.0.0.1:8099/x", port=8099)


async def test_the_body_that_asks_for_webhooks_is_the_same_purchase() -> None:
    """The fields are taken off again exactly; a body that has others of that name stays as it is."""
    body = b'{"klingParams":{"cfg_scale":0.5,"duration":5},"model":"kling-2.6","prompt":"caf\\u00e9 \\"a\\""}'
    asking = APIFRAME.with_webhook(body, "https://a.example/é")
    told: dict[str, Any] = json.loads(asking)
    assert (told["webhookUrl"], told["webhookEvents"]) == ("https://a.example/é", ["completed", "failed"])
    plain = APIFRAME.without_webhook(asking)
    assert APIFRAME.with_webhook(plain, "https://a.example/é") == asking
    assert json.loads(plain) == json.loads(body)
    for odd in (plain, asking + b" ", b"[]", b"", b'{"webhookUrl":7}', b'{"webhookUrl":"https://a.example","x":1}'):
        assert APIFRAME.without_webhook(odd) == odd


async def test_signatures_are_of_the_bytes() -> None:
    """Both forms of the key are taken, nothing else is."""
    for secret in (digest(KEY), digest(KEY).hex().encode()):
        assert is_signed(BODY, signed(BODY, secret), digest(KEY))
        assert is_signed(BODY, signed(BODY, secret).removeprefix("sha256="), digest(KEY))
        assert not is_signed(BODY + b"\n", signed(BODY, secret), digest(KEY))
    for wrong in ("", "sha256=", "sha1=" + "0" * 40, signed(BODY, KEY.encode()), signed(BODY, b"")):
        assert not is_signed(BODY, wrong, digest(KEY))
