"""One attempt at fetching a clip: from its URL, through redirects, into the `.part`.

Rules it keeps: every hop is checked against the host rules, and no key goes along; a resume asks for the last bytes
once more and compares them, so that the pieces of two clips are never joined.
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
from kbatch.runner.progress_events import ignore
from kbatch.storage import PartFile, examine

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_BUSY = (408, 425, 429)
_OVERLAP = 4096
_PIECE = 256 * 1024


class FetchFailure(StrEnum):
    """Why a clip was not fetched, and with it what may help."""

    LATER = "later"
    """A network or a host in trouble: the same URL may do later."""
    STALE = "stale"
    """The URL does not lead to the clip, or no longer: ask the provider for a fresh one."""
    REFUSED = "refused"
    """The host rules forbid it until the user allows the host."""
    TOO_LARGE = "too-large"
    """Larger than any clip may be."""
    DISK = "disk"
    """The disk is full or refuses to be written."""


class FetchTerms(Struct, frozen=True, kw_only=True):
    """The bounds of one fetch: `attempts` in a row that bring nothing; `scale` shortens kbatch's own waits.

    `say` is told of the waits that a host asks for.
    """

    allow_hosts: frozenset[str] = frozenset()
    max_bytes: int = 2 * 1024 * 1024 * 1024
    total_s: float = 1800.0
    attempts: int = 6
    scale: float = 1.0
    resolve: Resolve = resolve
    jitter: Callable[[], float] = random.random
    on_wait: Callable[[str], None] = ignore


class NotFetched(Struct, frozen=True, kw_only=True):
    """The clip stays owed; what arrived so far stays in the `.part`; `host` is one that the user may allow."""

    message: str
    cause: FetchFailure
    host: str = ""


class RetryableFailure(Struct, frozen=True, kw_only=True):
    """An attempt that failed in a way that may pass; `why` is said when no attempt is left."""

    message: str
    cause: FetchFailure = FetchFailure.LATER
    retry_after_s: float | None = None


class Complete(Struct, frozen=True, kw_only=True):
    """All announced bytes arrived; `rest` are the last of them, which are not in the `.part` yet."""

    rest: bytes


class Attempt:
    """What attempts at one URL share; `_etag` names the version that the `.part` was begun with."""

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
            if body.encoded:  # what was decoded cannot be gone on with
                await run_sync(self._part.restart)
            raise
        if not isinstance(rest, bytes):
            return rest
        return Complete(rest=rest) if body.encoded else await self._counted(total, rest)

    async def _pour(self, body: Body, overlap: bytes) -> RetryableFailure | NotFetched | bytes:
        """Write the body behind what is there, but for its last piece, which is returned.

        The body's first bytes must be those that the `.part` ends with.
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
                    await run_sync(self._part.restart)  # what has no end is of no use
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
    """Return what an answer without the clip means, None when it brings one."""
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
    """Whether an answer is a page by its header and does not begin as a clip, which some hosts call a text too."""
    kind = answer.headers.get("content-type", "").lower()
    return ("html" in kind or "json" in kind) and not is_video(begins)


def _placed(answer: StreamedResponse, *, asked: bool) -> tuple[int, int | None]:
    """Return at which byte the body begins and how many the whole clip has, None when not told.

    A 206 that says neither, where no part was `asked` for, is the whole.
    """
    if answer.status == 206 and (asked or "content-range" in answer.headers):
        found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", answer.headers.get("content-range", ""))
        if found is None:
            return -1, None
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = answer.headers.get("content-length", "")
    return 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None
