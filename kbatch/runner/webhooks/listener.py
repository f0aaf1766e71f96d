"""A small HTTP server for webhooks: POST on one secret path for each account, bodies bounded, nothing else answered.

A delivery may be forged, replayed, doubled, late or about another job. So a signed one only wakes the task that polls
its job, at most `Watch.hint`'s number of times; what the job has come to is said by the poll. Polling goes on as if no
webhooks were sent.
"""

import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import anyio
import h11
from anyio.abc import ByteStream, Listener, SocketStream

from kbatch.errors import Refused
from kbatch.runner.session import ProviderSession
from kbatch.runner.webhooks.target import WebhookTarget, is_signed, secret_path

_log = logging.getLogger(__name__)

_MOST_BYTES = 256 * 1024  # a delivery is a job without its input: some KB
_MOST_S = 10.0  # for one delivery, so that a stalled sender holds nothing
_MOST_AT_ONCE = 64
_RECEIVED = 16 * 1024

Paths = Mapping[str, ProviderSession]


@asynccontextmanager
async def bound(target: WebhookTarget | None) -> AsyncIterator[Collection[Listener[SocketStream]]]:
    """Bind the port during the block, before anything is sent; Refused when it cannot be."""
    if target is None:
        yield ()
        return
    try:
        listener = await anyio.create_tcp_listener(local_host=target.host, local_port=target.port)
    except OSError as error:
        message = f"webhooks cannot be received at {target.host}, port {target.port}: {error.strerror or error}"
        raise Refused("webhook-port", message, hint="another --webhook-port, or another --webhook-host") from error
    async with listener:
        yield listener.listeners


@asynccontextmanager
async def receiving(
    listeners: Collection[Listener[SocketStream]], target: WebhookTarget | None, sessions: Collection[ProviderSession]
) -> AsyncIterator[None]:
    """Ask for webhooks and receive them during the block, for each account whose provider sends some."""
    paths = {} if target is None else _paths(target, sessions)
    if not paths:
        yield
        return
    async with anyio.create_task_group() as tasks:
        for listener in listeners:
            tasks.start_soon(_accept, listener, paths)
        yield
        tasks.cancel_scope.cancel()


def _paths(target: WebhookTarget, sessions: Collection[ProviderSession]) -> Paths:
    """Let each account that may ask for webhooks do so, and return its path."""
    paths = {}
    for session in sessions:
        if session.sends_webhooks:
            path = secret_path(session.webhook_secret, target.url)
            session.webhook_url = f"{target.url.rstrip('/')}/{path}"
            paths[path] = session
    return paths


async def _accept(listener: Listener[SocketStream], paths: Paths) -> None:
    """Receive until cancelled; an error of the listener, such as too many open files, ends nothing."""
    places = anyio.Semaphore(_MOST_AT_ONCE)
    while True:
        try:
            async with anyio.create_task_group() as tasks:
                await listener.serve(partial(_receive, paths, places), tasks)
        except* (OSError, anyio.ClosedResourceError):
            await anyio.sleep(1.0)


async def _receive(paths: Paths, places: anyio.Semaphore, stream: ByteStream) -> None:
    """Answer one request, whatever it is, within its time; then close."""
    try:
        async with stream:
            places.acquire_nowait()
            try:
                with anyio.move_on_after(_MOST_S):
                    await _answer(stream, paths)
            finally:
                places.release()
    except (OSError, anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
        _log.debug("a webhook's connection ended before its answer")


async def _answer(stream: ByteStream, paths: Paths) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        status = await _status(connection, stream, paths)
    except h11.RemoteProtocolError:
        status = HTTPStatus.BAD_REQUEST
    _log.debug("a webhook was answered with HTTP %d", status)
    head = h11.Response(status_code=int(status), headers=[("Content-Length", "0"), ("Connection", "close")])
    try:
        data = (connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b"")
    except h11.LocalProtocolError:
        return
    await stream.send(data)


async def _status(connection: h11.Connection, stream: ByteStream, paths: Paths) -> HTTPStatus:
    request = await _next(connection, stream)
    if not isinstance(request, h11.Request):
        return HTTPStatus.BAD_REQUEST
    path = request.target.partition(b"?")[0].rstrip(b"/").rpartition(b"/")[2].decode("ascii", "replace")
    session = paths.get(path)  # a proxy may take away what stands before
    if session is None:
        return HTTPStatus.NOT_FOUND
    if request.method != b"POST":
        return HTTPStatus.METHOD_NOT_ALLOWED
    body = bytearray()
    while isinstance(event := await _next(connection, stream), h11.Data):
        body += event.data
        if len(body) > _MOST_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if not isinstance(event, h11.EndOfMessage):
        return HTTPStatus.BAD_REQUEST
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    return _taken(session, headers, bytes(body))


async def _next(connection: h11.Connection, stream: ByteStream) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        if connection.they_are_waiting_for_100_continue:
            await stream.send(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        try:
            received = await stream.receive(_RECEIVED)
        except anyio.EndOfStream:
            received = b""
        connection.receive_data(received)
    return event


def _taken(session: ProviderSession, headers: Mapping[str, str], body: bytes) -> HTTPStatus:
    """Wake the task of the job that a signed delivery names; one of no job in flight is taken and changes nothing."""
    delivery = session.provider.read_webhook(headers, body)  # type: ignore[attr-defined]
    if delivery is None or not is_signed(body, delivery.signature, session.webhook_secret):
        return HTTPStatus.UNAUTHORIZED
    watch = session.watches.jobs.get(delivery.job_id)
    if watch is not None and watch.hint():
        _log.info("a webhook names job %s: it is polled now", delivery.job_id)
    return HTTPStatus.NO_CONTENT
