"""The simulator as a Starlette app: reads the clock, writes the bill to disk and sends replies.

    app = build_app(SimulatorSettings(latency_s=30))
    httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator")

A connection that is to be cut raises `ConnectionCut`, a ConnectionError: in process the caller's transport sees it in
place of a socket's read error, and `kbatch.simulator.listen` cuts the real connection. In both cases the request
arrived and its answer did not. A hanging answer ends in the same way after `SimulatorSettings.hang_s`, or when the
client disconnects.
A charge is in the bill file before its answer is sent; other changes of the bill follow right after the answer.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from kbatch.simulator import bill
from kbatch.simulator.clips.downloads import deliver
from kbatch.simulator.clips.renderer import ClipRenderer, fetch
from kbatch.simulator.exchange import Connection, Reply, SimulatedRequest, reply_json
from kbatch.simulator.providers.packaged import PACKAGED
from kbatch.simulator.state import SimulatedProvider, World, WorldTerms, new_world
from kbatch.simulator.webhook_sender import WebhookSender
from kbatch.simulator.world import answer
from kbatch.storage import put

BODY_LIMIT = 64 * 1024 * 1024
SEVER = "kbatch.sever"
_DROPS = 10

Sever = Callable[[], Awaitable[None]]
"""Ends a real connection: what was written is flushed, nothing more is sent."""


class ConnectionCut(ConnectionError):
    """The connection ended without a whole answer: the request arrived, and may have been paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings(WorldTerms):
    """Settings of a simulator: the world's terms, whether clips are real, and the path of the bill file.

    `others` are providers to simulate beside the packaged ones. `clock` returns seconds since the epoch; with a virtual
    clock a simulated run is instant. `hang_s` is the longest time that an answer hangs.
    """

    others: tuple[SimulatedProvider, ...] = ()
    clips: bool = True
    bill: Path | None = None
    hang_s: float = 600.0
    clock: Callable[[], float] = time.time


def build_app(settings: SimulatorSettings) -> Starlette:
    """Return the app that serves the providers, their clips and the bill; its world is `app.state.world`.

    ImportError when clips are to be real and PyAV is not installed, here rather than at the first download.
    """
    if settings.clips:
        import_module("av")
    server = SimulatorServer(settings)
    app = Starlette()
    app.router.default = server  # not a route: a pattern such as `/{path:path}` misses a path with a line end in it
    app.state.world = server.world
    app.state.server = server
    return app


class SimulatorServer:
    """ASGI application that serves one world."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.world: World = new_world(settings, (*PACKAGED, *settings.others))
        self._studio = ClipRenderer(real=settings.clips)
        self._webhooks = WebhookSender(self.world.outbox, settings.clock)
        self._written = 0
        self._lock: anyio.Lock | None = None
        if settings.bill is not None:
            put(settings.bill, bill.as_text(self.world.bill).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        body = await _read(receive)
        if body is None:
            await _send_whole(send, _too_large(), head=False)
            return
        call = _call(scope, body)
        with self._webhooks.lock:
            reply = answer(self.world, call, self.settings.clock())
        self._webhooks.wake()
        if reply.clip is not None:
            reply = deliver(reply, await fetch(self._studio, reply.clip), call)
        if reply.charged:
            await self.save_bill()
        try:
            await self._put_on_the_wire(reply, scope, receive, send)
        finally:
            await self.save_bill()

    async def save_bill(self) -> None:
        """Write the bill file when the bill has changed; concurrent callers share one write."""
        version, path = self.world.bill.version, self.settings.bill
        if path is None or self._written >= version:
            return
        if self._lock is None:
            self._lock = anyio.Lock()
        with anyio.CancelScope(shield=True):
            async with self._lock:
                if self._written >= version:
                    return
                version, text = self.world.bill.version, bill.as_text(self.world.bill)
                await anyio.to_thread.run_sync(put, path, text.encode())
                self._written = version

    async def _put_on_the_wire(self, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        if reply.wait_s:
            await anyio.sleep(reply.wait_s)
        if reply.connection is Connection.KEEP:
            await _send(send, reply, head=scope["method"] == "HEAD")
            return
        if reply.connection is Connection.HANG:
            with anyio.move_on_after(self.settings.hang_s):
                while (await receive())["type"] != "http.disconnect":
                    pass
        elif reply.sent is not None:
            await _start(send, reply)
            await send({"type": "http.response.body", "body": reply.body[: reply.sent], "more_body": True})
        sever: Sever | None = scope.get("extensions", {}).get(SEVER)
        if sever is not None:
            await sever()
        raise ConnectionCut(f"{scope['method']} {scope['path']}: the connection was cut")


async def _read(receive: Receive) -> bytes | None:
    """Return the request's body, None when it is larger than `BODY_LIMIT`."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(pieces)
        piece = message.get("body", b"")
        size += len(piece)
        if size <= BODY_LIMIT:
            pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces) if size <= BODY_LIMIT else None


def _call(scope: Scope, body: bytes) -> SimulatedRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    pairs = tuple(parse_qsl(query, keep_blank_values=True)) if query else ()
    return SimulatedRequest(
        method=scope["method"],
        path=scope["path"],
        query=dict(pairs),
        pairs=pairs,
        headers=headers,
        body=body,
        base=f"{scope['scheme']}://{headers.get('host', '127.0.0.1')}",
    )


async def _send(send: Send, reply: Reply, *, head: bool) -> None:
    if not reply.drip_s or head:
        await _send_whole(send, reply, head=head)
        return
    await _start(send, reply)
    step = max(1, len(reply.body) // _DROPS)
    for at in range(0, len(reply.body), step):
        await send({"type": "http.response.body", "body": reply.body[at : at + step], "more_body": True})
        await anyio.sleep(reply.drip_s / _DROPS)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_whole(send: Send, reply: Reply, *, head: bool) -> None:
    await _start(send, reply)
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


async def _start(send: Send, reply: Reply) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})


def _too_large() -> Reply:
    return reply_json(413, {"error": f"Payload larger than {BODY_LIMIT} bytes"})
