"""The HTTP client of one API, also for clips: adds the key, deadlines and host rules; a transport sends.

- A call never raises for a network error. It returns an `Answer`, or a `NoAnswer` that says whether the request may
  have reached the provider; "not sent" is stated only when it is certain.
- The key is sent to the API's own origin only; it is masked in `repr` and removed from every answer.
  Proxies of the environment are used (`HTTPS_PROXY`, `NO_PROXY`), never for loopback.
"""

import asyncio
import functools
import logging
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from importlib import util
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
from msgspec import Struct

from kbatch._version import version
from kbatch.errors import Refused
from kbatch.providers.base import Answer, NoAnswer, Reply, Request
from kbatch.providers.http.environment import proxy_problem
from kbatch.providers.http.host_policy import proxy_for
from kbatch.providers.http.masking import SHORTEST, Mask
from kbatch.providers.http.transport import HttpRequest, StreamedResponse, Transport, TransportError
from kbatch.providers.http.urls import is_loopback, without_query

__all__ = ["Client", "Engine", "Limits", "StreamedResponse", "TransportError", "user_agent"]

_MOST_HOSTS = 16
_log = logging.getLogger(__name__)


class Engine(StrEnum):
    """The HTTP library that sends; aiohttp is the extra `[fast]`, and serves asyncio without a proxy only.

    httpx-aiohttp 0.2.0 (tried on 2026-11-30 with aiohttp 3.14.5) raises ConnectTimeout when a server reads the request
    and hangs up; it would count as not sent, and a purchase would be sent again.
    """

    HTTPX = "httpx"
    AIOHTTP = "aiohttp"

    @staticmethod
    def best() -> "Engine":
        """Return the faster one of those that are installed."""
        return Engine.HTTPX if util.find_spec("aiohttp") is None else Engine.AIOHTTP


class Limits(Struct, frozen=True, kw_only=True):
    """How much and how long: `connections` at once to the API, kept for `keepalive_s`, beyond a poll's wait."""

    connections: int = 64
    keepalive_s: float = 120.0
    connect_s: float = 10.0
    stall_s: float = 30.0
    max_body: int = 16 * 1024 * 1024


class Client:
    """Talks to one API and fetches clips; an async context manager, usable by many tasks at once."""

    def __init__(
        self,
        base_url: str,
        authorization: tuple[str, str] | None,
        *,
        app: Any | None = None,
        limits: Limits | None = None,
        engine: Engine | None = None,
    ) -> None:
        """Take a checked base URL (`origins.base_url_of`) and the header with the key; `app` answers in its place.

        Without `authorization` no key is sent: what is asked is public.
        """
        self.base_url = base_url.rstrip("/")
        self.simulated = app is not None
        self.loopback = self.simulated or is_loopback(urlsplit(base_url).hostname or "")
        self._name, self._value = authorization or ("", "")
        key = self._value.rpartition(" ")[2]
        if authorization and not re.fullmatch(r"[ -~]+", self._value):
            raise Refused("key-malformed", "the API key holds characters that no key has, such as line breaks")
        if authorization and len(key) < SHORTEST and not self.loopback:
            message = f"the API key has {len(key)} characters, and no key of a provider has fewer than {SHORTEST}"
            raise Refused("key-malformed", message, hint="was it cut off when it was copied?")
        self.mask = Mask("" if self.simulated else key)
        self._app = app
        self._engine = engine or Engine.best()
        self._proxies: dict[str, str | None] = {}
        self._limits = limits or Limits()
        self._places = anyio.Semaphore(self._limits.connections, fast_acquire=True)
        self._api: Transport | None = None
        self._fetchers: dict[tuple[str, tuple[str, ...]], Transport] = {}

    def __repr__(self) -> str:
        return f"Client(base_url={self.base_url!r}, authorization=({self._name!r}, '***'))"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for wire in (self._api, *self._fetchers.values()):
            if wire is not None:
                await wire.aclose()

    async def send(self, request: Request, *, timeout_s: float) -> Reply:
        """Send one call and read its answer to the end, all within `timeout_s`; never raises for network trouble."""
        if not _log.isEnabledFor(logging.INFO):
            return await self._send(request, timeout_s)
        began = anyio.current_time()
        reply = await self._send(request, timeout_s)
        self._note(request.method, f"{self.base_url}{request.path}", reply, anyio.current_time() - began)
        return reply

    def _note(self, method: str, url: str, reply: Reply | StreamedResponse, took_s: float) -> None:
        """Log one call: never its query, headers or bodies, and no key however the path spells it."""
        match reply:
            case NoAnswer():
                ended = f"no answer ({'maybe' if reply.maybe_sent else 'not'} sent): {reply.message}"
            case Answer():
                ended = f"{reply.status}, {len(reply.body)} bytes"
            case _:
                ended = f"{reply.status}, its body follows"
        where = "the simulator, " if self.simulated else ""
        _log.info("%s", self.mask.words(f"{method} {without_query(url)} → {where}{ended}, after {took_s:.3f} s"))

    async def _send(self, request: Request, timeout_s: float) -> Reply:
        begun = False
        with anyio.move_on_after(timeout_s):
            try:
                async with self._places:
                    begun = True
                    return await self._exchange(request, timeout_s)
            except TransportError as cut:
                return NoAnswer(message=self.mask.words(str(cut)), maybe_sent=begun and cut.maybe_sent)
        return NoAnswer(message=f"no answer within {timeout_s:g} s", maybe_sent=begun)

    async def _exchange(self, request: Request, timeout_s: float) -> Answer:
        if self._api is None:
            self._api = self._wire(self.base_url)
        limit = self._limits.max_body
        headers, content = {**_headers(), **request.headers}, request.content or b""
        if request.file is not None:
            from kbatch.providers.http.httpx_transport import as_multipart  # noqa: PLC0415 - not where nothing is uploaded

            headers["Content-Type"], content = as_multipart(request.file)
        call = HttpRequest(
            method=request.method,
            url=self.base_url + request.path,
            headers={**headers, **({self._name: self._value} if self._name else {})},
            content=content,
            # Connecting has less time than the call: running out of it is the one timeout that is known to be harmless.
            connect_s=min(self._limits.connect_s, timeout_s / 3),
            silent_s=timeout_s,
        )
        body = b""
        async with self._api.ask(call) as incoming:
            while piece := await incoming.read():
                body += piece
                if len(body) > limit:
                    raise TransportError(f"the answer is longer than {limit} bytes", maybe_sent=True)
        answered = {name: self.mask.header(value) for name, value in incoming.headers.items()}
        whole = _decoded(body, answered.get("content-encoding", ""), limit)
        return Answer(status=incoming.status, headers=answered, body=self.mask.body(whole))

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str], addresses: tuple[str, ...] = ()
    ) -> AsyncIterator[StreamedResponse]:
        """Ask a clip's host, without key and cookies, on a connection that only clips use; Cut when there is no answer.

        With `addresses` the connection goes to one of them and to nothing else that the host's name may lead to; the
        name still stands in `Host` and is what the certificate must be for. A redirect is an answer like any other.
        """
        connect_s, stall_s = self._limits.connect_s, self._limits.stall_s
        call = HttpRequest(
            method="GET", url=url, headers={**_headers(), **headers}, connect_s=connect_s, silent_s=stall_s
        )
        fetcher = await self._fetcher(url, addresses)
        began = anyio.current_time()
        try:
            async with fetcher.ask(call) as incoming:
                if _log.isEnabledFor(logging.INFO):
                    self._note("GET", url, incoming, anyio.current_time() - began)
                yield incoming
        except TransportError as cut:
            if _log.isEnabledFor(logging.INFO):
                ended = NoAnswer(message=str(cut), maybe_sent=cut.maybe_sent)
                self._note("GET", url, ended, anyio.current_time() - began)
            raise

    async def _fetcher(self, url: str, addresses: tuple[str, ...]) -> Transport:
        """Return the connections to a clip's host at these very addresses: the next clip there needs no handshake."""
        key = _host_of(url), addresses
        if key not in self._fetchers:
            while len(self._fetchers) >= _MOST_HOSTS:
                await self._fetchers.pop(next(iter(self._fetchers))).aclose()
            self._fetchers[key] = self._wire(url, addresses)
        return self._fetchers[key]

    def _wire(self, url: str, addresses: tuple[str, ...] = ()) -> Transport:
        """Return connections to a URL's host by the engine that can serve it; each is imported when it is needed."""
        keepalive_s = self._limits.keepalive_s
        _log.debug("new connections to %s", without_query(url))
        proxy = None if self._app is not None else self._proxy(url)
        fault = proxy_problem(url) if proxy is not None else None
        if fault is not None:
            raise TransportError(fault, maybe_sent=False)
        if self._engine is Engine.AIOHTTP and self._app is None and proxy is None and _on_asyncio():
            from kbatch.providers.http.aiohttp_transport import AiohttpTransport  # noqa: PLC0415 - an extra

            return AiohttpTransport(url, addresses=addresses, keepalive_s=keepalive_s)
        from kbatch.providers.http.httpx_transport import HttpxTransport  # noqa: PLC0415 - not where aiohttp does its work

        return HttpxTransport(url, addresses=addresses, app=self._app, proxy=proxy, keepalive_s=keepalive_s)

    def connects(self, url: str) -> bool:
        """Whether this machine itself connects to a URL's host: no simulator answers for it, no proxy goes between."""
        return self._app is None and self._proxy(url) is None

    def _proxy(self, url: str) -> str | None:
        """Return the proxy to a URL's host; the environment, which is slow to go through, is asked once a host."""
        host = _host_of(url)
        if host not in self._proxies:
            self._proxies[host] = proxy_for(url)
        return self._proxies[host]

    def without_key(self, text: str) -> str:
        """Return at most as much of a text as is half of the key: that names it, and cannot be used in its place."""
        return text[: len(self._value.rpartition(" ")[2]) // 2]


@functools.cache
def user_agent() -> str:
    """Return `kbatch/<version>`; a copy that was never installed says `kbatch/0+unknown`."""
    return f"kbatch/{version()}"


def _headers() -> dict[str, str]:
    return {"User-Agent": user_agent(), "Accept-Encoding": "identity"}


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # trio has no loop of asyncio's
        return False
    return True


def _host_of(url: str) -> str:
    """Return scheme, host and port as a URL writes them; the whole of what is no URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url


def _decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """Decompress a body, to at most `limit` bytes; an unknown encoding is returned as it is."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        whole = decoder.decompress(body, limit)
    except zlib.error as error:
        raise TransportError(f"the compressed answer cannot be read: {error}", maybe_sent=True) from error
    if not decoder.eof:
        raise TransportError("the compressed answer ends early, or never", maybe_sent=True)
    return whole
