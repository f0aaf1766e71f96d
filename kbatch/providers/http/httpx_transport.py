"""HTTP through httpx: on asyncio and trio, through proxies, and to an app in this process.

Each connection is a transport of its own, lent by a pool: httpx's own pool goes through all connections for every
request, which costs most of the time when many jobs run at once. What a server sends beyond its answer would be taken
for the next one's: such a connection is not used again.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpcore
import httpx

from kbatch.providers.base import File
from kbatch.providers.http.maybe_sent import may_have_been_sent
from kbatch.providers.http.pool import Pool
from kbatch.providers.http.tls import certificates, no_certificates
from kbatch.providers.http.transport import HttpRequest, TransportError

_LISTENS_S = 0.001
"""How long an idle connection is listened to before it is used again: what is there already is read at once."""

# An app in this process has no socket to cut; it raises a ConnectionError instead.
_TROUBLE = (httpx.HTTPError, httpx.InvalidURL, OSError)


def as_multipart(file: File) -> tuple[str, bytes]:
    """Return Content-Type and body of a form with one file, for both engines; the boundary is httpx's (RFC 2046)."""
    parts = {file.field: (file.name, file.data, file.media_type)}
    request = httpx.Request("POST", "https://form.invalid/", files=parts)
    return request.headers["Content-Type"], request.read()


class HttpxTransport:
    """A `Wire` of httpx's transports, one connection each."""

    def __init__(
        self,
        url: str,
        *,
        addresses: tuple[str, ...] = (),
        app: Any | None = None,
        proxy: str | None = None,
        keepalive_s: float = 120.0,
    ) -> None:
        """Take a URL of the origin, and the only addresses it may lead to, where they were checked.

        `app` is an ASGI app that answers in the origin's place, `proxy` the URL of what goes between.
        """
        self._secure = url.lower().startswith("https:")
        self._addresses = addresses
        self._app = app
        self._proxy = proxy
        self._keepalive_s = keepalive_s
        self._pool: Pool[_Connection] = Pool(self._connection, _close, _quiet)

    @asynccontextmanager
    async def ask(self, call: HttpRequest) -> AsyncIterator["_Response"]:
        """Send one call; to the first of the addresses that can be connected to."""
        async with self._pool.lease(fresh=call.fresh) as connection:
            response = await self._answered(connection.transport, call)
            connection.stream = response.extensions.get("network_stream")
            incoming = _Response(response)
            try:
                yield incoming
            finally:
                await incoming.aclose()

    async def _answered(self, transport: httpx.AsyncBaseTransport, call: HttpRequest) -> httpx.Response:
        timeout = httpx.Timeout(call.silent_s, connect=call.connect_s).as_dict()
        failure: Exception | None = None
        for address in self._addresses or (None,):
            try:
                request = httpx.Request(
                    call.method, call.url, headers=call.headers, content=call.content, extensions={"timeout": timeout}
                )
                if address is not None:
                    request.extensions["sni_hostname"] = request.url.raw_host.decode("ascii")
                    request.url = request.url.copy_with(host=address)
                return await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except _TROUBLE as error:
                raise _cut(error) from error
        raise _cut(failure or httpx.ConnectError("no address to connect to")) from failure

    def _connection(self) -> "_Connection":
        if self._app is not None:
            return _Connection(httpx.ASGITransport(app=self._app), simulated=True)
        try:
            trusted = certificates() if self._secure else no_certificates()
        except OSError as error:
            raise TransportError(_words(error), maybe_sent=False) from error
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=self._keepalive_s)
        try:
            return _Connection(httpx.AsyncHTTPTransport(verify=trusted, limits=limits, proxy=self._proxy, retries=0))
        except (httpx.InvalidURL, ValueError) as error:  # what it says may hold the proxy's password
            raise TransportError("the environment's proxy is none that can be used", maybe_sent=False) from error

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._pool.aclose()


class _Connection:
    """One transport with its one connection; `stream` is what an answer came on, None before the first."""

    __slots__ = ("simulated", "stream", "transport")

    def __init__(self, transport: httpx.AsyncBaseTransport, *, simulated: bool = False) -> None:
        self.transport = transport
        self.simulated = simulated
        self.stream: httpcore.AsyncNetworkStream | None = None


class _Response:
    """An httpx response as a `StreamedResponse`."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers)
        self._response = response
        self._pieces = response.aiter_raw()

    async def read(self) -> bytes:
        """Return the next piece of the body."""
        try:
            return await anext(self._pieces, b"")
        except _TROUBLE as error:
            raise _cut(error) from error

    async def aclose(self) -> None:
        """Close the response, read to its end or not."""
        # Iterators that are dropped half-way are an error on trio: closed first, they run out at once.
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
            with suppress(*_TROUBLE, httpx.StreamError):
                while await anext(self._pieces, None) is not None:
                    pass


def _cut(error: Exception) -> TransportError:
    return TransportError(_words(error), maybe_sent=may_have_been_sent(error))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def _close(connection: _Connection) -> None:
    with anyio.CancelScope(shield=True):
        await connection.transport.aclose()


async def _quiet(connection: _Connection) -> bool:
    """Whether nothing has come on an idle connection since its last answer: neither bytes nor the other side's end.

    A server that answers once too often may have sent that with its answer, when h11 holds it, or later, when it waits
    in the socket, in TLS or in the event loop's buffers: only reading finds it in all of these.
    """
    if connection.simulated:
        return True
    if connection.stream is None or _left_over(connection.transport) != b"":
        return False
    try:
        await connection.stream.read(1, timeout=_LISTENS_S)
    except httpcore.ReadTimeout:
        return True
    except Exception:  # whatever is wrong with it, another connection is not
        return False
    return False


def _left_over(transport: Any) -> bytes | None:
    """Return what the parser of a transport's one connection has read beyond its answer; None where nothing tells.

    Neither httpx nor httpcore gives this out, so it is looked up where version 1.0 keeps it; a test holds that it is
    found there. Where it is not, no connection is reused, which costs time only.
    """
    try:
        [connection] = transport._pool.connections
        while not hasattr(connection, "_h11_state"):
            connection = connection._connection
        left: bytes = connection._h11_state.trailing_data[0]
        return left
    except (AttributeError, ValueError, TypeError, IndexError):
        return None
