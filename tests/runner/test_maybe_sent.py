"""What the errors of each HTTP library say of a request: "not sent" is said only of what is certain."""

import aiohttp
import httpx

from kbatch.providers.http.maybe_sent import NOT_SENT, may_have_been_sent
from kbatch.providers.http.transport import HttpRequest


def every_kind(of):
    """Yield an exception class and all that derive from it."""
    yield of
    for kind in of.__subclasses__():
        yield from every_kind(kind)


def not_sent(library, *bases):
    """Return the names of a library's exceptions that say that nothing was sent."""
    known = {kind for base in bases for kind in every_kind(base) if kind.__module__.partition(".")[0] == library}
    return {kind.__name__ for kind in known if not may_have_been_sent(kind.__new__(kind))}


def test_every_error_of_httpx_is_judged():
    """A new kind of error in httpx that would count as not sent must be looked at here before it is released."""
    assert not_sent("httpx", httpx.HTTPError, httpx.InvalidURL) == {
        "ConnectError",
        "ConnectTimeout",
        "InvalidURL",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
    }


def test_every_error_of_aiohttp_is_judged():
    """A new kind of error in aiohttp that would count as not sent must be looked at here before it is released.

    Most parent classes tell nothing: `ServerDisconnectedError` is a `ClientConnectionError`, and comes after sending.
    """
    assert not_sent("aiohttp", aiohttp.ClientError) == {
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


def test_every_name_in_the_table_is_an_error():
    """A class that a library no longer has stands in the table for nothing."""
    libraries = {"httpx": httpx, "aiohttp": aiohttp}
    for name in NOT_SENT:
        library, _, kind = name.partition(".")
        assert issubclass(getattr(libraries[library], kind), Exception)


def test_an_unknown_error_may_have_been_sent():
    """What is not in the table counts as its ancestor, or as sent."""

    class New(httpx.ReadError):
        pass

    class Unreached(httpx.ConnectError):
        pass

    assert may_have_been_sent(New("x"))
    assert may_have_been_sent(OSError("x"))
    assert not may_have_been_sent(Unreached("x"))
    assert not may_have_been_sent(httpx.ConnectTimeout("x"))


def test_a_call_that_is_printed_tells_no_secret():
    """Neither the key in its headers nor a signed URL may end in a log."""
    headers = {"X-API-Key": "k"}
    call = HttpRequest(method="GET", url="https://x/?signed", connect_s=1, silent_s=1, headers=headers, content=b"c")
    assert repr(call) == str(call) == "Call(method='GET')"
