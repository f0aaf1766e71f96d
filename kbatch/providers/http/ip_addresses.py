"""Classifies IP addresses as public or not, also when a URL writes them in an unusual notation.

Pure. A resolver of the system reads `2130706433`, `0x7f.1` and `127.1` as 127.0.0.1, and so may a proxy.
"""

import ipaddress
import re
import unicodedata
from functools import lru_cache

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20",
        ),
    )
)  # fmt: skip
"""Special by IANA's registries (2026), whatever this Python's own table says: it differs from release to release."""

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa")


@lru_cache
def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, addresses of version 4 inside version 6 included."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(str(inside))
        if found not in _GLOBAL_UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in network for network in _SPECIAL)


@lru_cache
def literal_address(host: str) -> str | None:
    """Return the address that a URL's host is, in the usual spelling, None for a name; `localhost` is its own.

    >>> literal_address("0x7f.1"), literal_address("localhost."), literal_address("127.0.0.1.example")
    ('127.0.0.1', 'localhost', None)
    """
    plain = _plain(host)
    if plain == "localhost" or plain.endswith(".localhost"):
        return "localhost"
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return _in_numbers(plain)


def is_name_for_all(host: str) -> bool:
    """Whether a name may lead to a public address: it has a dot, and no ending that only private networks use."""
    plain = _plain(host)
    return "." in plain and not plain.endswith(_LOCAL_NAMES)


def _plain(host: str) -> str:
    """Return a host as a resolver takes it: full-width digits and ideographic dots are those of ASCII."""
    return unicodedata.normalize("NFKC", host).replace("\N{IDEOGRAPHIC FULL STOP}", ".").lower().rstrip(".")


def _in_numbers(host: str) -> str | None:
    """Return the address of one to four numbers, decimal, octal or hexadecimal, the last of which fills the rest.

    What ends in a number and is no address, such as `1.2.3.4.5`, is 0.0.0.0: whoever resolves it may take it for any.
    """
    parts = host.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    try:
        numbers = [_number(part) for part in parts]
        *first, last = numbers
        if len(numbers) > 4 or any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
            raise ValueError(host)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - an address that nothing is fetched from
    value = sum(number << 8 * (3 - place) for place, number in enumerate(first)) + last
    return str(ipaddress.IPv4Address(value))


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or len(text) > 40:
        raise ValueError(text)
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8) if text.startswith("0") else int(text)
