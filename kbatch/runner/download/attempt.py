"""One attempt to download a clip: from its URL, through redirects, into the `.part`.

Every hop is checked against the host rules, and no API key is sent. A resume requests the last bytes again and compares
them, so that the bytes of two clips are never joined.
"""

import random
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import BinaryIO
from urllib.parse import urljoin

from anyio.to_thread import run_sync
from msgspec import Struct

from kbatch.providers.error_messages import harmless
from kbatch.providers.http.client import Client, StreamedResponse, TransportError
from kbatch.providers.http.content_encoding import Body, is_video
from kbatch.providers.http.host_policy import HostRefused, HostRules, Resolve, checked_addresses, resolve
from kbatch.providers.responses import as_sent, retry_after
from kbatch.runner.limits.retry import DOWNLOAD_TRIES
from kbatch.runner.progress_events import ignore
from kbatch.storage import PartFile, examine

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_BUSY = (408, 425, 429)
_OVERLAP = 4096  # bytes that a resume requests again and compares
_PIECE = 256 * 1024  # bytes gathered before a write to the `.part`


class FetchFailure(StrEnum):
    """Why a clip was not downloaded."""

    LATER = "later"
    """A network or host error: the same URL may work later."""
    STALE = "stale"
    """The URL does not lead to the clip, or no longer does: a new one is needed."""
    REFUSED = "refused"
    """The host rules forbid the URL until the user allows the host."""
    TOO_LARGE = "too-large"
    """Larger than any clip may be."""
    DISK = "disk"
    """The disk is full or refuses to be written."""


class FetchTerms(Struct, frozen=True, kw_only=True):
    """Bounds of one download: `attempts` in a row without new bytes; `scale` multiplies kbatch's own waits.

    `on_wait` is called with the text of each wait that a host asks for.
    """

    allow_hosts: frozenset[str] = frozenset()
    max_bytes: int = 2 * 1024 * 1024 * 1024
    total_s: float = 1800.0
    attempts: int = DOWNLOAD_TRIES
    scale: float = 1.0
    resolve: Resolve = resolve
    jitter: Callable[[], float] = random.random
    on_wait: Callable[[str], None] = ignore


class NotFetched(Struct, frozen=True, kw_only=True):
    """The clip stays owed, its received bytes stay in the `.part`; `host` is one that the user may allow."""

    message: str
    cause: FetchFailure
    host: str = ""


class RetryableFailure(Struct, frozen=True, kw_only=True):
    """A failed attempt that may be repeated; `cause` is reported when no attempt is left."""

    message: str
    cause: FetchFailure = FetchFailure.LATER
    retry_after_s: float | None = None


class Complete(Struct, frozen=True, kw_only=True):
    """All announced bytes arrived; `rest` are the last of them, not yet written to the `.part`."""

    rest: bytes


class Attempt:
    """State shared by the attempts at one URL; `_etag` is the version of the bytes in the `.part`."""

    def __init__(self, *, client: Client, url: str, part: PartFile, terms: FetchTerms) -> None:
        self._client = client
        self._url = url
        self._part = part
        self._terms = terms
        self._etag: str | None = None

    async def run(self) -> Complete | RetryableFailure | NotFetched:
        """Make one attempt, through at most five redirects."""
        overlap = await run_sync(_tail, self._part) if self._part.size else b""
        headers = self._range(overlap)
        relative = self._url.startswith("/")
        url = as_sent(urljoin(f"{self._client.base_url}/", self._url) if relative else self._url)
        for _ in range(_MOST_REDIRECTS + 1):
            addresses = await self._addresses(url)
            if not isinstance(addresses, tuple):
                return addresses
            try:
                async with self._client.stream(url, headers=headers, addresses=addresses) as answer:
                    if answer.status not in _REDIRECTS:
                        return await self._receive(answer, overlap)
                    url = _redirected(url, answer)
            except TransportError as cut:
                return RetryableFailure(message=harmless(str(cut)))
        return RetryableFailure(message=f"more than {_MOST_REDIRECTS} redirects", cause=FetchFailure.STALE)

    def _range(self, overlap: bytes) -> Mapping[str, str]:
        if not overlap:
            return {}
        headers = {"Range": f"bytes={self._part.size - len(overlap)}-"}
        return {**headers, "If-Range": self._etag} if self._etag else headers

    async def _addresses(self, url: str) -> tuple[str, ...] | RetryableFailure | NotFetched:
        if self._client.simulated:
            return ()
        rules = HostRules(loopback=self._client.loopback, allow_hosts=self._terms.allow_hosts)
        try:
            resolver = self._terms.resolve if self._client.connects(url) else None
            addresses = await checked_addresses(url, rules, resolver)
        except OSError as error:
            return RetryableFailure(message=f"the clip's host cannot be found: {error.strerror or error}")
        if isinstance(addresses, HostRefused):
            return NotFetched(message=addresses.message, cause=FetchFailure.REFUSED, host=addresses.host)
        return addresses

    async def _receive(self, answer: StreamedResponse, overlap: bytes) -> Complete | RetryableFailure | NotFetched:
        refused = _refused(answer)
        if refused is not None:
            if answer.status == 416:
                await run_sync(self._part.restart)
            return refused
        body = Body(answer, await answer.read())
        start, total = _placed(answer, asked=bool(overlap))
        if start == 0 and _is_page(answer, body.begins):
            kind = harmless(answer.headers.get("content-type", ""))
            return RetryableFailure(
                message=f"the host answered with {kind} in place of a clip", cause=FetchFailure.STALE
            )
        if body.encoded and start:
            await run_sync(self._part.restart)
            return RetryableFailure(message="the host compresses the clip, and serves no part of it that can be read")
        if answer.status == 200 and self._part.size:
            await run_sync(self._part.restart)
            overlap = b""
        elif start != self._part.size - len(overlap):
            await run_sync(self._part.restart)
            return RetryableFailure(message="the host answered with another part than was asked for")
        if total is not None and total > self._terms.max_bytes:
            return NotFetched(
                message=f"the clip has {total} bytes, more than any clip may", cause=FetchFailure.TOO_LARGE
            )
        etag = answer.headers.get("etag", "")
        self._etag = etag if re.fullmatch(r'"[!-~]*"', etag) else None
        try:
            rest = await self._pour(body, overlap)
        except TransportError:
            if body.encoded:  # a compressed body cannot be resumed
                await run_sync(self._part.restart)
            raise
        if not isinstance(rest, bytes):
            return rest
        return Complete(rest=rest) if body.encoded else await self._counted(total, rest)

    async def _pour(self, body: Body, overlap: bytes) -> RetryableFailure | NotFetched | bytes:
        """Append the body to the `.part`, except its last piece, which is returned.

        The body must begin with `overlap`, the last bytes of the `.part`.
        """
        held = bytearray()
        try:
            while piece := await body.read():
                held += piece
                if overlap and len(held) >= len(overlap):
                    if not held.startswith(overlap):
                        await run_sync(self._part.restart)
                        return RetryableFailure(message="the host serves another clip than before")
                    del held[: len(overlap)]
                    overlap = b""
                if not overlap and len(held) >= _PIECE:
                    await self._write(held)
                if self._part.size + len(held) > self._terms.max_bytes:
                    await run_sync(self._part.restart)  # the end of the file would be missing
                    message = f"the clip has more than {self._terms.max_bytes} bytes"
                    return NotFetched(message=message, cause=FetchFailure.TOO_LARGE)
        except TransportError:
            if not overlap:
                await self._write(held)
            raise
        if overlap:
            await run_sync(self._part.restart)
            return RetryableFailure(message="the host serves less than before")
        return bytes(held)

    async def _write(self, held: bytearray) -> None:
        data = bytes(held)
        held.clear()
        await run_sync(self._part.write, data)

    async def _counted(self, total: int | None, rest: bytes) -> Complete | RetryableFailure:
        arrived = self._part.size + len(rest)
        if total is None or arrived == total:
            return Complete(rest=rest)
        await run_sync(self._part.write, rest)
        return RetryableFailure(message=f"{arrived} of {total} bytes arrived")


def _tail(part: PartFile) -> bytes:
    size = min(part.size, _OVERLAP)
    if size == 0:
        return b""

    def read(file: BinaryIO) -> bytes:
        file.seek(-size, 2)
        return file.read(size)

    return examine(part.path, read)


def _redirected(url: str, answer: StreamedResponse) -> str:
    try:
        return as_sent(urljoin(url, answer.headers.get("location", "")))
    except ValueError:
        return ""


def _refused(answer: StreamedResponse) -> RetryableFailure | NotFetched | None:
    """Return the failure that a status means, None for 200 and 206."""
    status = answer.status
    if status in (200, 206):
        return None
    if status in _BUSY or status >= 500:
        return RetryableFailure(
            message=f"the clip's host answered HTTP {status}", retry_after_s=retry_after(answer.headers)
        )
    if status == 416:
        return RetryableFailure(message="the host has less than what is already here", cause=FetchFailure.STALE)
    return NotFetched(message=f"the clip's host answered HTTP {status}", cause=FetchFailure.STALE)


def _is_page(answer: StreamedResponse, begins: bytes) -> bool:
    """Whether a response is HTML or JSON by its header and not a clip by its first bytes."""
    kind = answer.headers.get("content-type", "").lower()
    return ("html" in kind or "json" in kind) and not is_video(begins)


def _placed(answer: StreamedResponse, *, asked: bool) -> tuple[int, int | None]:
    """Return the offset of the body's first byte and the size of the whole clip, None when not stated.

    A 206 without `Content-Range`, when no range was `asked` for, counts as the whole clip.
    """
    if answer.status == 206 and (asked or "content-range" in answer.headers):
        found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", answer.headers.get("content-range", ""))
        if found is None:
            return -1, None
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = answer.headers.get("content-length", "")
    return 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None
