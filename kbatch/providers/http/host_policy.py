"""Which hosts clips are fetched from, and through which proxy.

A clip's URL comes from a provider's answer, so it is untrusted: it must be https and lead to a public address, else an
answer could make this machine call into its own network. Names are resolved first and every address is checked; the
connection then uses a checked address (`transport`), so a name that changes in between has no effect. A proxy resolves
names itself: then only the URL can be checked.
"""

import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
from msgspec import Struct

from kbatch.providers.http.ip_addresses import is_name_for_all, is_public, literal_address
from kbatch.providers.http.urls import is_loopback, split_url

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""From host and port to addresses in order of preference; OSError when the name has none."""


class HostRules(Struct, frozen=True, kw_only=True):
    """What is allowed beyond public https: loopback when the API itself is there, and hosts that the user named."""

    loopback: bool = False
    allow_hosts: frozenset[str] = frozenset()


class HostRefused(Struct, frozen=True, kw_only=True):
    """Why a URL is not fetched; the clip stays owed. `host` is what the user may allow, empty where that is no help."""

    message: str
    host: str = ""


async def checked_addresses(url: str, rules: HostRules, resolve: Resolve | None) -> tuple[str, ...] | HostRefused:
    """Return the addresses that a clip's URL may be fetched from, or why it may not; OSError when it has none.

    One address that is not public refuses them all: a name that leads to both is not an accident. Without `resolve` (a
    proxy does it) only an address in the URL is checked, however it is written, and none is returned.
    """
    parts = split_url(url)
    if parts is None or parts.hostname is None or parts.scheme not in ("http", "https"):
        return HostRefused(message="the clip's URL is not one that can be fetched")
    host = parts.hostname.lower()
    if parts.username is not None or parts.password is not None:
        return HostRefused(message=f"the clip's URL on {host} holds a user name or password")
    allowed = host in {name.strip("[]").lower() for name in rules.allow_hosts}
    local = rules.loopback and is_loopback(host)
    if parts.scheme == "http" and not (allowed or local):
        return HostRefused(message=f"{host} is offered over plain http", host=host)
    literal = literal_address(host)
    if resolve is None and literal is None and not (allowed or is_name_for_all(host)):
        return HostRefused(message=f"{host} is a name of a private network")
    if resolve is None or literal is not None:
        addresses: tuple[str, ...] = () if literal is None else (literal,)
    else:
        addresses = await resolve(host, parts.port or (443 if parts.scheme == "https" else 80))
        if not addresses:
            raise OSError(f"{host} has no address")
    for address in () if allowed else addresses:
        if not (is_public(address) or (local and is_loopback(address))):
            return HostRefused(message=f"{host} is at {address}, which is no public address", host=host)
    return addresses if resolve is not None else ()


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of a host by the system's resolver."""
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no host name") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def proxy_for(url: str) -> str | None:
    """Return the environment's proxy for a URL, None for loopback and for hosts in `NO_PROXY`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme.lower()) or proxies.get("all")
    if not proxy or is_loopback(host) or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
