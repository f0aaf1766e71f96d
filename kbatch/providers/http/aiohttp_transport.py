"""HTTP through aiohttp, the extra `[fast]`: asyncio only, with a fraction of httpx's work for each call."""

import asyncio
import ipaddress
import selectors
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from kbatch.providers.http.maybe_sent import may_have_been_sent
from kbatch.providers.http.tls import certificates, no_certificates
from kbatch.providers.http.transport import HttpRequest, TransportError

_TROUBLE = (aiohttp.ClientError, OSError, ValueError)
_KEPT = 64
_ADDS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AiohttpTransport:
    """A `Wire` of two aiohttp sessions: one whose connections are kept, one with a new connection for each call."""

    def __init__(self, url: str, *, addresses: tuple[str, ...] = (), keepalive_s: float = 120.0) -> None:
        """Take a URL of the origin, and the only addresses it may lead to, where they were checked."""
        self._secure = url.lower().startswith("https:")
        self._addresses = addresses
        self._keepalive_s = keepalive_s
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def ask(self, call: HttpRequest) -> AsyncIterator["_Response"]:
        """Send one call; aiohttp tries the addresses in turn."""
        session = self._session(fresh=call.fresh)
        timeout = aiohttp.ClientTimeout(total=None, connect=call.connect_s, sock_read=call.silent_s)
        try:
            response = await session.request(
                call.method,
                _url(call.url),
                headers=call.headers,
                data=call.content or None,
                allow_redirects=False,
                timeout=timeout,
            )
        except _TROUBLE as error:
            raise TransportError(_words(error), maybe_sent=may_have_been_sent(error)) from error
        try:
            yield _Response(response)
        finally:
            response.close()

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        known = self._fresh if fresh else self._kept
        if known is not None:
            return known
        try:
            trusted = certificates() if self._secure else no_certificates()
        except OSError as error:
            raise TransportError(_words(error), maybe_sent=False) from error
        pinned = _FixedResolver(self._addresses) if _are_addresses(self._addresses) else None
        connector = _IdleCheckedConnector(
            limit=0 if fresh else _KEPT,
            ssl=trusted,
            resolver=pinned,
            use_dns_cache=False,
            **({"force_close": True} if fresh else {"keepalive_timeout": self._keepalive_s}),
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_ADDS,
        )
        session._retry_connection = False  # it would send a GET again when a kept connection closes
        if fresh:
            self._fresh = session
        else:
            self._kept = session
        return session

    async def aclose(self) -> None:
        """Close the kept connections."""
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()


class _IdleCheckedConnector(aiohttp.TCPConnector):
    """Reuses no connection that received data after its last answer, which would be read as the next answer."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._seen: WeakSet[Any] = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - its parent's
    ) -> aiohttp.connector.Connection:
        """Return a new connection, or one that is still silent."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol not in self._seen:
                self._seen.add(protocol)
                return connection
            if protocol is not None and not protocol.should_close and not _readable(connection.transport):
                return connection
            connection.close()


def _readable(transport: asyncio.Transport | None) -> bool:
    """Whether bytes, or the other side's end, wait in a connection's socket for the event loop to fetch them."""
    held = transport.get_extra_info("socket") if transport is not None else None
    if held is None or held.fileno() < 0:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(held.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


class _Response:
    """An aiohttp response as a `StreamedResponse`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = _headers(response)
        self._body = response.content

    async def read(self) -> bytes:
        """Return the next piece of the body."""
        try:
            return await self._body.readany()
        except _TROUBLE as error:
            raise TransportError(_words(error), maybe_sent=True) from error


class _FixedResolver(AbstractResolver):
    """Resolves every name to the checked addresses only."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses as aiohttp wants them."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Do nothing: there is no state to close."""


def _are_addresses(names: tuple[str, ...]) -> bool:
    """Whether there is something to go to instead of the name: `localhost`, which stands for itself, is nothing."""
    return bool(names) and "localhost" not in names


def _url(text: str) -> URL:
    """Take a URL as it stands, since a signature covers its every letter; only what no request can carry is quoted."""
    return URL(text, encoded=text.isascii() and text.isprintable() and " " not in text)


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        text = value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        key = name.lower()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _words(error: Exception) -> str:
    """Say what happened without the URL, which aiohttp repeats: that of a clip is as good as the clip."""
    kind = type(error).__name__
    match error:
        case aiohttp.ClientConnectorError():
            return f"{kind}: {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientResponseError():
            return f"{kind}: {error.message}"
        case aiohttp.InvalidURL() | asyncio.TimeoutError():
            return kind
    return f"{kind}: {error}" if str(error) else kind
