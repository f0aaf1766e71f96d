"""Where a provider's API is for this run: at its own address, at one that the environment names, or pretended."""

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from kbatch.problems import Invalid, Problem, Refused
from kbatch.providers.base import Provider
from kbatch.providers.registry import PROVIDERS
from kbatch.receipts.attempts import records_of
from kbatch.receipts.pretended import ORIGIN
from kbatch.receipts.receipt import Receipt


def base_url_of(provider: Provider, environment: Mapping[str, str]) -> str:
    """Return where the provider's calls go; Invalid for a variable that holds no base URL."""
    url = environment.get(provider.url_variable, "").strip() or provider.base_url
    problem = check_base_url(url)
    if problem is not None:
        raise Invalid(
            [Problem(code=problem.code, message=f"{provider.url_variable}: {problem.message}", hint=problem.hint)]
        )
    return url


def origin_of(provider: Provider, environment: Mapping[str, str], *, simulated: bool = False) -> str:
    """Return what receipts say they come from: `https://host`, `loopback` or `simulator`; Invalid for a bad URL."""
    if simulated:
        return ORIGIN
    parts = urlsplit(base_url_of(provider, environment))
    return "loopback" if is_loopback(parts.hostname or "") else f"https://{parts.netloc.lower()}"


def check_origins(
    renders: Mapping[str, Receipt], names: Iterable[str], environment: Mapping[str, str], *, simulated: bool = False
) -> None:
    """Refuse a run that would mix receipts of two origins in one lockfile, or take one for the other."""
    origins = {name: origin_of(PROVIDERS[name], environment, simulated=simulated) for name in names}
    for record in (record for receipt in renders.values() for record in records_of(receipt)):
        origin = origins.get(record.provider)
        if origin is not None and record.origin and record.origin != origin:
            message = (
                f"the lockfile has receipts of {record.provider} from {record.origin}, this run would use {origin}"
            )
            hint = "`--lockfile FILE` gives this origin a lockfile of its own"
            raise Refused("mixed-origins", message, hint=hint)


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


@lru_cache
def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name: `localhost`, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
