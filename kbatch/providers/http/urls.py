"""URLs of APIs: what a base URL may be, its parts, and which hosts are loopback."""

import ipaddress
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from kbatch.errors import Problem

_LONGEST_SEGMENT = 64
"""Longer than a job's id (36 to 60 characters), shorter than an HMAC with its terms."""


def check_base_url(text: str) -> Problem | None:
    """Return what is wrong with a base URL: https, or http on loopback; no user, query or fragment; None when good."""
    parts = split_url(text)
    if parts is None or not parts.hostname:
        return _bad_base("is not a URL")
    if parts.username is not None or parts.password is not None:
        return _bad_base("holds a user name or password")
    if "?" in text or "#" in text:
        return _bad_base("holds a query or fragment")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return None
    return _bad_base("is not https, and plain http is accepted for loopback only")


def _bad_base(what: str) -> Problem:
    # The text itself is not repeated: it may hold a password.
    return Problem(code="base-url", message=f"the base URL {what}", hint="such as `https://api.example.com`")


def split_url(text: str) -> SplitResult | None:
    """Return the parts of a URL that has a host which can be connected to, None of any other text."""
    if not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        if parts.hostname and parts.port != 0:
            parts.hostname.encode("idna")
            return parts
    except (ValueError, UnicodeError):
        pass
    return None


def without_query(url: str) -> str:
    """Return a URL for a log: scheme, host and path, without all that may be a signature or a password."""
    parts = split_url(url)
    if parts is None:
        return "a URL that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{path_without_query(url)}"


def path_without_query(path: str) -> str:
    """Return the path of a URL, or of a path with a query, for a log.

    Some hosts sign in the path itself: a segment with `=` or `;`, or of more than 64 characters, is left out.
    """
    parts = urlsplit(path)
    shown = (
        "…" if len(part) > _LONGEST_SEGMENT or "=" in part or ";" in part else part for part in parts.path.split("/")
    )
    return "/".join(shown) + ("?…" if parts.query else "")


@lru_cache
def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name: `localhost`, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
