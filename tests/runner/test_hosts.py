"""Base URLs that are accepted, and hosts that clips are fetched from."""

import pytest

from kbatch.providers.http.host_policy import HostRefused, HostRules, checked_addresses, proxy_for, resolve
from kbatch.providers.http.ip_addresses import is_public
from kbatch.providers.http.urls import check_base_url

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url",
    [
        "https://api.apiframe.ai",
        "https://api.example.com:8443/prefix/",
        "http://127.0.0.1:8080",
        "http://127.8.8.8",
        "http://localhost:1",
        "http://[::1]:8080",
        "HTTPS://API.example.com",
    ],
)
def test_a_good_base_url_has_no_problem(url):
    """https anywhere, http on loopback."""
    assert check_base_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://api.apiframe.ai", id="plain-http"),
        pytest.param("http://localhost.example.com", id="localhost-as-a-prefix"),
        pytest.param("http://127.0.0.1.example.com", id="loopback-as-a-prefix"),
        pytest.param("http://10.0.0.1", id="private-http"),
        pytest.param("http://0.0.0.0", id="any-address"),
        pytest.param("ftp://127.0.0.1", id="other-scheme"),
        pytest.param("https://user:secret@api.example.com", id="user-and-password"),
        pytest.param("https://secret@api.example.com", id="user"),
        pytest.param("http://127.0.0.1@evil.example", id="host-in-the-user"),
        pytest.param("https://api.example.com?key=secret", id="query"),
        pytest.param("https://api.example.com#secret", id="fragment"),
        pytest.param("https://", id="no-host"),
        pytest.param("api.example.com", id="no-scheme"),
        pytest.param("", id="empty"),
        pytest.param("https://a b", id="space"),
        pytest.param("https://a\nb", id="line-break"),
        pytest.param("https://evil\\@api.example.com", id="backslash"),
        pytest.param("https://host:99999", id="absurd-port"),
        pytest.param("https://host:x", id="no-port"),
        pytest.param("https://[::1", id="broken-brackets"),
        pytest.param("https://" + "a" * 70 + ".example", id="label-too-long"),
    ],
)
def test_a_bad_base_url_is_named_without_its_secrets(url):
    """Each is refused, and what may be a password is not repeated."""
    problem = check_base_url(url)
    assert problem is not None
    assert problem.code == "base-url"
    assert "secret" not in problem.message


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("198.18.0.1", False),
        ("192.0.0.192", False),
        ("192.0.0.9", False),
        ("192.88.99.1", False),
        ("2001:1::1", False),
        ("3fff::1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::10.0.0.1", False),
        ("2002:0a00:0001::1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::5db8:d822", False),
        ("not-an-address", False),
    ],
)
def test_only_public_addresses_are_public(address, public):
    """Private, local, reserved, shared and multicast ranges are not, however they are written."""
    assert is_public(address) is public


def resolver(**hosts):
    """Return a resolver of a fixed list."""

    async def find(host, port):
        if host not in hosts:
            raise OSError("no such host")
        return hosts[host]

    return find


PUBLIC = "93.184.216.34"
FIND = resolver(cdn=(PUBLIC, "2606:2800:220:1:248:1893:25c8:1946"), inside=("10.0.0.1",), both=(PUBLIC, "10.0.0.1"))
LOCAL = HostRules(loopback=True)


@pytest.mark.parametrize(
    ("url", "rules", "addresses"),
    [
        pytest.param("https://cdn/c", HostRules(), 2, id="public-https"),
        pytest.param("https://CDN/c", HostRules(), 2, id="upper-case"),
        pytest.param("http://cdn/c", HostRules(allow_hosts=frozenset({"CDN"})), 2, id="http-allowed"),
        pytest.param("https://inside/c", HostRules(allow_hosts=frozenset({"inside"})), 1, id="private-allowed"),
        pytest.param("http://cdn/c", HostRules(), None, id="plain-http"),
        pytest.param("http://cdn/c", LOCAL, None, id="plain-http-though-the-api-is-local"),
        pytest.param("https://inside/c", HostRules(), None, id="private"),
        pytest.param("https://inside/c", LOCAL, None, id="private-though-the-api-is-local"),
        pytest.param("https://both/c", HostRules(), None, id="one-of-two-private"),
        pytest.param("https://user@cdn/c", HostRules(), None, id="user"),
        pytest.param("file:///etc/passwd", HostRules(), None, id="file"),
        pytest.param("https:///c", HostRules(), None, id="no-host"),
        pytest.param("", HostRules(), None, id="empty"),
        pytest.param("https://inside/c", HostRules(allow_hosts=frozenset({"cdn"})), None, id="another-host-allowed"),
    ],
)
async def test_a_clips_host_is_checked(url, rules, addresses):
    """https to public addresses only, but for what the user named."""
    found = await checked_addresses(url, rules, FIND)
    if addresses is None:
        assert isinstance(found, HostRefused)
    else:
        assert isinstance(found, tuple)
        assert len(found) == addresses


@pytest.mark.parametrize(
    ("url", "rules", "allowed"),
    [
        pytest.param("http://127.0.0.1:1/c", HostRules(), False, id="address"),
        pytest.param("http://localhost:1/c", HostRules(), False, id="name"),
        pytest.param("https://localhost/c", HostRules(), False, id="name-over-https"),
        pytest.param("https://2130706433/c", HostRules(), False, id="number"),
        pytest.param("https://[::ffff:127.0.0.1]/c", HostRules(), False, id="inside-version-6"),
        pytest.param("http://127.0.0.1:1/c", LOCAL, True, id="address-for-a-local-api"),
        pytest.param("http://localhost:1/c", LOCAL, True, id="name-for-a-local-api"),
        pytest.param("https://localhost/c", LOCAL, True, id="name-over-https-for-a-local-api"),
        pytest.param("https://2130706433/c", LOCAL, False, id="number-for-a-local-api"),
    ],
)
async def test_loopback_is_for_an_api_on_loopback_only(url, rules, allowed):
    """However loopback is written, it is refused unless the API is there too and it is called by its name."""
    found = await checked_addresses(url, rules, resolve)
    assert isinstance(found, tuple) if allowed else isinstance(found, HostRefused)


async def test_a_host_without_an_address_is_an_error():
    """Neither "none" nor "no answer" is taken for permission."""
    with pytest.raises(OSError, match="no such host"):
        await checked_addresses("https://nowhere/c", HostRules(), FIND)
    with pytest.raises(OSError, match="no address"):
        await checked_addresses("https://empty/c", HostRules(), resolver(empty=()))


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://cdn.example/c", False),
        ("https://10.0.0.1/c", True),
        ("https://[::1]/c", True),
        ("https://localhost/c", True),
        ("http://cdn.example/c", True),
        ("https://2130706433/c", True),
        ("https://0x7f000001/c", True),
        ("https://017700000001/c", True),
        ("https://127.1/c", True),
        ("https://127.0.1/c", True),
        ("https://0x7f.0.0.01/c", True),
        ("https://127.0.0.1./c", True),
        ("https://0/c", True),
        ("https://1.2.3.4.5/c", True),
        ("https://999.1/c", True),
        ("https://99999999999/c", True),
        ("https://localhost./c", True),
        ("https://LOCALHOST/c", True),
        ("https://a.localhost/c", True),
        ("https://\uff1127.0.0.1/c", True),
        ("https://127\u30020\u30020\u30021/c", True),
        ("https://192.0.0.192/c", True),
        ("https://[::ffff:7f00:1]/c", True),
        ("https://metadata/c", True),
        ("https://metadata.google.internal/c", True),
        ("https://printer.local./c", True),
        ("https://1572395042/c", False),
        ("https://93.184.216.34/c", False),
        ("https://cdn.example./c", False),
        ("https://127.0.0.1.example/c", False),
    ],
)
async def test_behind_a_proxy_the_url_itself_is_checked(url, refused):
    """Where a proxy resolves names, scheme and literal addresses are still checked and nothing is pinned."""
    found = await checked_addresses(url, HostRules(), None)
    assert isinstance(found, HostRefused) if refused else found == ()


async def test_a_name_that_is_none_is_an_os_error():
    """A label that DNS cannot carry is a host that is not found."""
    with pytest.raises(OSError):  # noqa: PT011
        await resolve("a" * 70 + ".example", 443)


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        pytest.param("https://h/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1", id="https"),
        pytest.param("https://h/", {"HTTPS_PROXY": "p:1"}, "http://p:1", id="without-scheme"),
        pytest.param("https://h/", {"ALL_PROXY": "http://p:2"}, "http://p:2", id="all"),
        pytest.param("https://h/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "h"}, None, id="no-proxy"),
        pytest.param("https://a.h/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".h"}, None, id="no-proxy-domain"),
        pytest.param("http://127.0.0.1/", {"HTTP_PROXY": "http://p:1"}, None, id="loopback"),
        pytest.param("https://localhost/", {"HTTPS_PROXY": "http://p:1"}, None, id="localhost"),
        pytest.param("https://h/", {}, None, id="none"),
    ],
)
def test_proxies_of_the_environment_are_used_but_not_for_loopback(url, environment, proxy, monkeypatch):
    """The usual variables count; loopback is always direct."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy
