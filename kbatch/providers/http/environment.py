"""What the environment says of the way out: its proxy and its certificates, looked at before anything is sent.

The value of a proxy's variable is never repeated, since it may hold a password.
"""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from kbatch.errors import Invalid, Problem
from kbatch.providers.http.host_policy import proxy_for
from kbatch.providers.http.tls import certificates
from kbatch.providers.http.urls import split_url

_OF_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


def check_surroundings(url: str) -> None:
    """Raise Invalid when the environment leads nowhere from here to `url`; code `proxy-url` or `certificates`."""
    problems = [*_of_the_proxy(url), *(_of_certificates() if url.lower().startswith("https:") else ())]
    if problems:
        raise Invalid(problems)


def proxy_problem(url: str) -> str | None:
    """Return what is wrong with the proxy for a URL, naming the variable that it comes from; None when it is good."""
    proxy = proxy_for(url)
    if proxy is None:
        return None
    parts = split_url(proxy)
    if parts is not None and parts.hostname and parts.scheme.lower() in ("http", "https"):
        return None
    what = "is not a URL that leads to a host and a port" if parts is None else f"names a {parts.scheme} proxy"
    return f"{_proxy_variable(url)} {what}"


def _of_the_proxy(url: str) -> Iterator[Problem]:
    fault = proxy_problem(url)
    if fault is not None:
        hint = "such as `http://proxy.example.com:8080`; `NO_PROXY` lists the hosts that are reached without one"
        yield Problem(code="proxy-url", message=fault, hint=hint)


def _proxy_variable(url: str) -> str:
    scheme = urlsplit(url).scheme.lower()
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "the system's proxy setting")


def _of_certificates() -> Iterator[Problem]:
    try:
        certificates()
    except OSError as error:
        named = [f"{name} is `{os.environ[name]}`" for name in _OF_CERTIFICATES if os.environ.get(name)]
        said = f"the certificates cannot be read: {error.strerror or error}"
        hint = "a file of certificates in PEM; without these variables certifi's are used"
        yield Problem(code="certificates", message=f"{said}; {', '.join(named) or 'certifi has none'}", hint=hint)
