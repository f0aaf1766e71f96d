"""A server on a real loopback socket whose every byte a test decides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream


@dataclass
class Loopback:
    """What a served test sees: where it listens, each raw request, how many connections came, the first's end."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    asked: anyio.Event = field(default_factory=anyio.Event)
    left: anyio.Event = field(default_factory=anyio.Event)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"


Serve = Callable[[SocketStream, Loopback], Awaitable[None]]


async def read_request(stream: SocketStream) -> bytes:
    """Return one request whole, empty when the client has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            data += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return b""
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += await stream.receive()
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve():
    """Return `serve(answer)`: a context manager around a server that calls `answer(stream, request, seen)` each time.

    `answer` sends what it likes and returns True to wait for another request on the same connection.
    """

    @asynccontextmanager
    async def run(answer) -> AsyncIterator[Loopback]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        seen = Loopback(port=listener.extra(SocketAttribute.local_port))

        async def connected(stream: SocketStream) -> None:
            seen.connections += 1
            seen.open_now += 1
            seen.most_open = max(seen.most_open, seen.open_now)
            try:
                async with stream:
                    while request := await read_request(stream):
                        seen.requests.append(request)
                        seen.asked.set()
                        if not await answer(stream, request, seen):
                            break
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                pass
            finally:
                seen.open_now -= 1
                seen.left.set()

        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, connected)
            yield seen
            tasks.cancel_scope.cancel()

    return run


@pytest.fixture
def reply():
    """Return `reply(status, body, header=value…)`: the bytes of an HTTP answer with its length."""

    def build(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
        named = {"content-length": str(len(body)), **{name.replace("_", "-"): text for name, text in headers.items()}}
        lines = "".join(f"{name}: {text}\r\n" for name, text in named.items() if text)
        return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body

    return build
