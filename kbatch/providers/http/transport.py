"""The interface of an HTTP transport: one call to one origin, its response read in pieces.

Every transport (`httpx_transport`, `aiohttp_transport`) sends nothing twice by itself, follows no redirect, sends no
cookies and reads no `.netrc`; "not sent" is stated only when it is certain.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct, field


class TransportError(Exception):
    """A call ended before its answer did; `maybe_sent` is False only where no byte of the request can have left."""

    def __init__(self, message: str, *, maybe_sent: bool) -> None:
        super().__init__(message)
        self.maybe_sent = maybe_sent


class HttpRequest(Struct, frozen=True, kw_only=True):
    """One request as it goes out, with the seconds to connect in, and those that the other side may be silent.

    What pays goes on a connection of its own: one that was kept may be closed in the very moment of sending.
    """

    method: str
    url: str
    connect_s: float
    silent_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def __repr__(self) -> str:
        # The headers hold the key, and a signed URL is as good as the clip.
        return f"Call(method={self.method!r})"

    @property
    def fresh(self) -> bool:
        """Whether the call needs a connection that nothing was sent on before."""
        return self.method != "GET"


class StreamedResponse(Protocol):
    """An answer that is still arriving: status, headers with their names in lower case, and the body as it comes."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Return the next piece of the body, undecoded, empty at its end; Cut when it ends before it should."""


class Transport(Protocol):
    """Connections to one origin, kept for the next call; usable by many tasks at once."""

    def ask(self, call: HttpRequest) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send one call for the time of a block that reads its answer; Cut when there is none."""

    async def aclose(self) -> None:
        """Close what is kept; a call that is under way ends."""
