"""What the errors of each HTTP library say of a request: "not sent" is said only of what is certain."""

import aiohttp
import httpx

from kbatch.providers.http.aiohttp_transport import NOT_SENT
from kbatch.providers.http.httpx_transport import MAYBE_SENT, may_have_been_sent
from kbatch.providers.http.transport import HttpRequest


def every_kind(of):
    """Yield an exception class and all that derive from it."""
    yield of
    for kind in of.__subclasses__():
        yield from every_kind(kind)


def test_every_error_of_httpx_is_mapped():
    """A new kind of error in httpx must be judged here before it is released."""
    known = {kind for kind in every_kind(httpx.HTTPError) if kind.__module__.startswith("httpx")} | {httpx.InvalidURL}
    assert known == set(MAYBE_SENT)
    harmless = {kind for kind, sent in MAYBE_SENT.items() if not sent}
    assert harmless == {
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
    }


def test_an_unknown_error_may_have_been_sent():
    """What is not in the table counts as its ancestor, or as sent."""

    class New(httpx.ReadError):
        pass

    assert may_have_been_sent(New("x"))
    assert may_have_been_sent(OSError("x"))
    assert not may_have_been_sent(httpx.ConnectTimeout("x"))


def test_every_error_of_aiohttp_is_judged():
    """A new kind of error in aiohttp must be judged here before it is released.

    Its parent classes tell nothing: `ServerDisconnectedError` is a `ClientConnectionError`, and comes after sending.
    """
    known = {kind for kind in every_kind(aiohttp.ClientError) if kind.__module__.startswith("aiohttp")}
    assert {kind.__name__ for kind in known if issubclass(kind, NOT_SENT)} == {
        "ClientConnectorCertificateError",
        "ClientConnectorDNSError",
        "ClientConnectorError",
        "ClientConnectorSSLError",
        "ClientProxyConnectionError",
        "ClientSSLError",
        "ConnectionTimeoutError",
        "InvalidURL",
        "InvalidUrlClientError",
        "InvalidUrlRedirectClientError",
        "UnixClientConnectorError",
    }


def test_a_call_that_is_printed_tells_no_secret():
    """Neither the key in its headers nor a signed URL may end in a log."""
    headers = {"X-API-Key": "k"}
    call = HttpRequest(method="GET", url="https://x/?signed", connect_s=1, silent_s=1, headers=headers, content=b"c")
    assert repr(call) == str(call) == "Call(method='GET')"
