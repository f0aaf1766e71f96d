"""The simulator on a socket of this machine: uvicorn on 127.0.0.1, with connections that are really cut.

    with serving(SimulatorSettings(clips=False)) as url:
        ...  # url is such as http://127.0.0.1:43121

`serve` runs until a signal comes and returns; `serving` runs in a thread, for tests and simulated runs.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from kbatch.simulator.server import SEVER, ConnectionCut, SimulatorSettings, build_app

HOST = "127.0.0.1"
_GRACE_S = 1
_IDLE_S = 75


def serve(settings: SimulatorSettings, *, port: int = 0, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, then return; `on_ready` gets the URL; OSError when the port is in use."""
    with _listening(port) as listener:
        server = _server(build_app(settings), lambda: on_ready(_url(listener)))

        def stop(signum: int, frame: FrameType | None) -> None:
            server.should_exit = True

        # uvicorn catches signals while it runs and raises them again afterwards, into whatever was set before: this
        kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            asyncio.run(server.serve(sockets=[listener]))
        finally:
            for number, before in kept.items():
                signal.signal(number, before)


@contextmanager
def serving(settings: SimulatorSettings, *, port: int = 0, app: ASGIApp | None = None) -> Iterator[str]:
    """Serve in a thread while the block runs; yields the URL. An `app` of `build_app` may be handed in."""
    ready = threading.Event()
    with _listening(port) as listener:
        server = _server(app or build_app(settings), ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        thread.start()
        ready.wait(timeout=10)
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


class _Server(uvicorn.Server):
    """A uvicorn server that says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()


def _server(app: ASGIApp, on_ready: Callable[[], None]) -> _Server:
    transports: dict[tuple[str, int], asyncio.Transport] = {}

    class Protocol(H11Protocol):
        """Remembers the transport of each connection by its client's address, so that one can be cut."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # asyncio does this only for sockets that name their protocol; without it every answer waits 40 ms for an
            # acknowledgement, since head and body are written apart
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.client is not None:
                transports[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                transports.pop(self.client, None)
            super().connection_lost(exc)

    config = uvicorn.Config(
        _severable(app, transports),
        http=Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,  # the world's own clock speaks
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return _Server(config, on_ready)


def _severable(app: ASGIApp, transports: dict[tuple[str, int], asyncio.Transport]) -> ASGIApp:
    """Return the app with the means to end its own connection, and with `Cut` carried out."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def sever() -> None:
            transport = transports.get(tuple(scope["client"]))
            if transport is not None:
                transport.close()  # flushes what was written, so that a download breaks off midway and not before
            while (await receive())["type"] != "http.disconnect":
                pass

        try:
            await app({**scope, "extensions": {**scope.get("extensions", {}), SEVER: sever}}, receive, send)
        except ConnectionCut:
            return

    return served


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    listener = socket.create_server((HOST, port), backlog=2048)
    try:
        yield listener
    finally:
        listener.close()


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"
