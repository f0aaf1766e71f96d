"""The way out through httpx: on asyncio and trio, through proxies, and to an app in this process.

Each connection is a transport of its own, lent by a pool: httpx's own pool goes through all connections for every
request, which costs most of the time when many jobs run at once.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx

from kbatch.run.certificates import certificates, no_certificates
from kbatch.run.pool import Pool
from kbatch.run.wire import Call, Cut

MAYBE_SENT: Mapping[type[Exception], bool] = {
    httpx.ConnectError: False,
    httpx.ConnectTimeout: False,
    httpx.PoolTimeout: False,
    httpx.ProxyError: False,
    httpx.UnsupportedProtocol: False,
    httpx.InvalidURL: False,
    httpx.ReadError: True,
    httpx.ReadTimeout: True,
    httpx.WriteError: True,
    httpx.WriteTimeout: True,
    httpx.CloseError: True,
    httpx.NetworkError: True,
    httpx.TimeoutException: True,
    httpx.LocalProtocolError: True,
    httpx.RemoteProtocolError: True,
    httpx.ProtocolError: True,
    httpx.DecodingError: True,
    httpx.TooManyRedirects: True,
    httpx.TransportError: True,
    httpx.RequestError: True,
    httpx.HTTPStatusError: True,
    httpx.HTTPError: True,
}
"""Whether a request may have left when httpx raises this: False only where no byte of it can have been sent."""

# An app in this process has no socket to cut; it raises a ConnectionError instead.
_TROUBLE = (httpx.HTTPError, httpx.InvalidURL, OSError)


def may_have_been_sent(error: Exception) -> bool:
    """Return what `MAYBE_SENT` says of an exception or its nearest ancestor there; True for all else."""
    return next((MAYBE_SENT[kind] for kind in type(error).__mro__ if kind in MAYBE_SENT), True)


class HttpxWire:
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
        self._pool: Pool[httpx.AsyncBaseTransport] = Pool(self._transport, _close)

    @asynccontextmanager
    async def ask(self, call: Call) -> AsyncIterator["_Incoming"]:
        """Send one call; to the first of the addresses that can be connected to."""
        async with self._pool.lease(fresh=call.fresh) as transport:
            incoming = _Incoming(await self._answered(transport, call))
            try:
                yield incoming
            finally:
                await incoming.aclose()

    async def _answered(self, transport: httpx.AsyncBaseTransport, call: Call) -> httpx.Response:
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

    def _transport(self) -> httpx.AsyncBaseTransport:
        if self._app is not None:
            return httpx.ASGITransport(app=self._app)
        try:
            trusted = certificates() if self._secure else no_certificates()
        except OSError as error:
            raise Cut(_words(error), maybe_sent=False) from error
        return httpx.AsyncHTTPTransport(
            verify=trusted,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=self._keepalive_s),
            proxy=self._proxy,
            retries=0,
        )

    async def aclose(self) -> None:
        """Close what is kept."""
        await self._pool.aclose()


class _Incoming:
    """httpx's answer as an `Incoming`."""

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
        """End the answer wherever reading it stopped."""
        # Iterators that are dropped half-way are an error on trio: closed first, they run out at once.
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
            with suppress(*_TROUBLE, httpx.StreamError):
                while await anext(self._pieces, None) is not None:
                    pass


def _cut(error: Exception) -> Cut:
    return Cut(_words(error), maybe_sent=may_have_been_sent(error))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def _close(transport: httpx.AsyncBaseTransport) -> None:
    with anyio.CancelScope(shield=True):
        await transport.aclose()
