"""The one way out: requests to an API and downloads of clips; the only module that imports httpx.

Rules it keeps:
- A call never raises for what a network does. It ends in an `Answer`, or in a `NoAnswer` that says whether the request
  may have reached the provider; only what is certain is called "not sent".
- Nothing is ever sent twice by itself: no retries, no redirects followed, and a POST always goes on a new connection,
  since one that was kept may be closed by the server in the very moment of sending.
- The key goes to the API's own origin and nowhere else; it is masked in `repr` and struck out of whatever is answered.
  No cookies, no `.netrc`. Proxies of the environment are used (`HTTPS_PROXY`, `NO_PROXY`), never for loopback.
"""

import functools
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import httpx

from kbatch.problems import Refused
from kbatch.providers.base import Answer, NoAnswer, Reply, Request
from kbatch.run.hosts import is_loopback, proxy_for
from kbatch.run.pool import Pool

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
_SHORTEST_KEY = 16
_MOST_HOSTS = 16


class Cut(Exception):
    """A download ended before its answer did; the message says how."""


class _TooLarge(Exception):
    """An answer is longer than any answer of an API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much and how long: `connections` at once to the API, kept for `keepalive_s`, beyond a poll's wait."""

    connections: int = 64
    keepalive_s: float = 120.0
    connect_s: float = 10.0
    stall_s: float = 30.0
    max_body: int = 16 * 1024 * 1024


class Stream:
    """An answer that is still arriving: status, headers (names in lower case) and pieces of the body as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers)
        self._response = response
        self._pieces = response.aiter_raw()

    async def read(self) -> bytes:
        """Return the next piece, empty at the end; Cut when the body ends before it should."""
        try:
            return await anext(self._pieces, b"")
        except _TROUBLE as error:
            raise Cut(_words(error)) from error

    async def aclose(self) -> None:
        """End the answer wherever reading it stopped."""
        await _end(self._response, self._pieces)


class Client:
    """Talks to one API and fetches clips; an async context manager, usable by many tasks at once."""

    def __init__(
        self,
        base_url: str,
        authorization: tuple[str, str],
        *,
        app: Any | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Take a checked base URL (`hosts.check_base_url`) and the header with the key; `app` answers in its place."""
        self.base_url = base_url.rstrip("/")
        self.simulated = app is not None
        self.loopback = self.simulated or is_loopback(urlsplit(base_url).hostname or "")
        self._name, self._value = authorization
        if not re.fullmatch(r"[ -~]+", self._value):
            raise Refused("key-malformed", "the API key holds characters that no key has, such as line breaks")
        self._app = app
        self._proxies: dict[str, str | None] = {}
        self._fetchers: dict[tuple[str, tuple[str, ...]], Pool[httpx.AsyncBaseTransport]] = {}
        self._limits = limits or Limits()
        self._pool = Pool(functools.partial(self._transport, self.base_url), _close, limit=self._limits.connections)

    def __repr__(self) -> str:
        return f"Client(base_url={self.base_url!r}, authorization=({self._name!r}, '***'))"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for pool in (self._pool, *self._fetchers.values()):
            await pool.aclose()

    async def send(self, request: Request, *, timeout_s: float) -> Reply:
        """Send one call and read its answer to the end, all within `timeout_s`; never raises for network trouble."""
        begun = False
        with anyio.move_on_after(timeout_s):
            try:
                async with self._pool.lease(fresh=request.method != "GET") as transport:
                    begun = True
                    return await self._exchange(transport, request, timeout_s)
            except _TooLarge:
                return NoAnswer(message=f"the answer is longer than {self._limits.max_body} bytes", maybe_sent=True)
            except _TROUBLE as error:
                maybe_sent = begun and may_have_been_sent(error)
                return NoAnswer(message=self._masked(_words(error)), maybe_sent=maybe_sent)
        return NoAnswer(message=f"no answer within {timeout_s:g} s", maybe_sent=begun)

    async def _exchange(self, transport: httpx.AsyncBaseTransport, request: Request, timeout_s: float) -> Answer:
        # Connecting has less time than the call: running out of it is the one timeout that is known to be harmless.
        timeout = httpx.Timeout(timeout_s, connect=min(self._limits.connect_s, timeout_s / 3))
        headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity", **request.headers}
        sent = httpx.Request(
            request.method,
            self.base_url + request.path,
            headers={**headers, self._name: self._value},
            content=request.content,
            extensions={"timeout": timeout.as_dict()},
        )
        response = await transport.handle_async_request(sent)
        pieces = response.aiter_raw()
        body = bytearray()
        try:
            async for piece in pieces:
                body += piece
                if len(body) > self._limits.max_body:
                    raise _TooLarge
        finally:
            await _end(response, pieces)
        headers = {name: self._masked(value) for name, value in response.headers.items()}
        whole = _decoded(bytes(body), headers.get("content-encoding", ""), self._limits.max_body)
        return Answer(status=response.status_code, headers=headers, body=self._masked_bytes(whole))

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str], addresses: tuple[str, ...] = ()
    ) -> AsyncIterator[Stream]:
        """Ask a clip's host, without key and cookies, on a connection that only clips use; Cut when there is no answer.

        With `addresses` the connection goes to one of them and to nothing else that the host's name may lead to; the
        name still stands in `Host` and is what the certificate must be for. A redirect is an answer like any other.
        """
        fetcher = await self._fetcher(url, addresses)
        async with fetcher.lease() as transport:
            stream = Stream(await self._ask(transport, url, headers, addresses))
            try:
                yield stream
            finally:
                await stream.aclose()

    async def _fetcher(self, url: str, addresses: tuple[str, ...]) -> Pool[httpx.AsyncBaseTransport]:
        """Return the connections to a clip's host at these very addresses: the next clip there needs no handshake."""
        host = _host_of(url)
        key = host, addresses
        if key not in self._fetchers:
            while len(self._fetchers) >= _MOST_HOSTS:
                await self._fetchers.pop(next(iter(self._fetchers))).aclose()
            try:
                await _close(self._transport(url))
            except _TROUBLE as error:
                raise Cut(_words(error)) from error
            make = functools.partial(self._transport, url)
            self._fetchers[key] = Pool(make, _close, limit=self._limits.connections)
        return self._fetchers[key]

    def connects(self, url: str) -> bool:
        """Whether this machine itself connects to a URL's host: no simulator answers for it, no proxy goes between."""
        return self._app is None and self._proxy(url) is None

    def _proxy(self, url: str) -> str | None:
        """Return the proxy to a URL's host; the environment, which is slow to go through, is asked once a host."""
        host = _host_of(url)
        if host not in self._proxies:
            self._proxies[host] = proxy_for(url)
        return self._proxies[host]

    async def _ask(
        self, transport: httpx.AsyncBaseTransport, url: str, headers: Mapping[str, str], addresses: tuple[str, ...]
    ) -> httpx.Response:
        timeout = httpx.Timeout(self._limits.stall_s, connect=self._limits.connect_s).as_dict()
        sent_headers = {"User-Agent": user_agent(), "Accept-Encoding": "identity", **headers}
        failure: Exception | None = None
        for address in addresses or (None,):
            try:
                request = httpx.Request("GET", url, headers=sent_headers, extensions={"timeout": timeout})
                if address is not None:
                    request.extensions["sni_hostname"] = request.url.raw_host.decode("ascii")
                    request.url = request.url.copy_with(host=address)
                return await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except _TROUBLE as error:
                raise Cut(_words(error)) from error
        raise Cut(_words(failure) if failure else "no address to connect to") from failure

    def _transport(self, url: str) -> httpx.AsyncBaseTransport:
        if self._app is not None:
            return httpx.ASGITransport(app=self._app)
        proxy = self._proxy(url)
        if proxy is not None and not proxy.lower().startswith(("http://", "https://")):
            raise httpx.ProxyError("the environment names a proxy that is neither http nor https")
        return httpx.AsyncHTTPTransport(
            verify=_certificates() if url.lower().startswith("https:") else _no_certificates(),
            limits=httpx.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=self._limits.keepalive_s
            ),
            proxy=proxy,
            retries=0,
        )

    def _masked(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text

    def _masked_bytes(self, body: bytes) -> bytes:
        return body.replace(self._secret.encode(), b"***") if self._secret else body

    @property
    def _secret(self) -> str:
        """The key, empty when it is shorter than any real one: to strike that out would garble answers."""
        key = self._value.rpartition(" ")[2]
        return key if len(key) >= _SHORTEST_KEY else ""


def may_have_been_sent(error: Exception) -> bool:
    """Return what `MAYBE_SENT` says of an exception or its nearest ancestor there; True for all else."""
    return next((MAYBE_SENT[kind] for kind in type(error).__mro__ if kind in MAYBE_SENT), True)


@functools.cache
def user_agent() -> str:
    """Return `kbatch/<version>`; a copy that was never installed has no version and says 0."""
    try:
        return f"kbatch/{metadata.version('kbatch')}"
    except metadata.PackageNotFoundError:
        return "kbatch/0"


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Build the context of trusted certificates once: reading them takes a tenth of a second."""
    return httpx.create_ssl_context()


@functools.cache
def _no_certificates() -> ssl.SSLContext:
    """Return a context for plain http, which trusts nobody should TLS be tried after all."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _host_of(url: str) -> str:
    """Return scheme, host and port as a URL writes them; the whole of what is no URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a compression that nobody asked for, to at most `limit` bytes; an unknown one is left to fail as no JSON."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        whole = decoder.decompress(body, limit)
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error
    if not decoder.eof:
        raise httpx.DecodingError("the compressed answer ends early, or never")
    return whole


async def _end(response: httpx.Response, pieces: AsyncIterator[bytes]) -> None:
    # Iterators that are dropped half-way are an error on trio: closed first, they run out at once.
    with anyio.CancelScope(shield=True):
        await response.aclose()
        with suppress(*_TROUBLE, httpx.StreamError):
            while await anext(pieces, None) is not None:
                pass


async def _close(transport: httpx.AsyncBaseTransport) -> None:
    with anyio.CancelScope(shield=True):
        await transport.aclose()
