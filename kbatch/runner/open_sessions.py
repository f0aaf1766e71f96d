"""Opens a session to each provider that a plan needs: base URL and key from the environment, or the simulator's app."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kbatch.errors import Invalid, Problem, Refused
from kbatch.providers.base import Provider
from kbatch.providers.http.client import Client, Engine, Limits
from kbatch.providers.http.environment import check_surroundings
from kbatch.providers.http.masking import with_masked_messages
from kbatch.providers.http.urls import is_loopback
from kbatch.providers.registry import concurrency_of, provider_of
from kbatch.runner.endpoints import base_url_of, origin_of, simulated_url
from kbatch.runner.limits.concurrency import Slots
from kbatch.runner.limits.rate import POLLS_SHARE, rate_of
from kbatch.runner.limits.retry import poll_scale
from kbatch.runner.session import ProviderSession

SIMULATED_SCALE = 0.005
"""Factor on kbatch's own waits against the in-process simulator: a wait of 5 s becomes 25 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Targets of the sessions: environment variables, or an ASGI app that simulates providers; and jobs at once."""

    environment: Mapping[str, str] = field(repr=False)
    app: Any | None = None
    concurrency: Mapping[str | None, int] = field(default_factory=dict)


@asynccontextmanager
async def open_sessions(names: Iterable[str], endpoints: Endpoints) -> AsyncIterator[dict[str, ProviderSession]]:
    """Yield a session to each named provider; Refused when a key is missing."""
    async with AsyncExitStack() as stack:
        sessions = {}
        for name in names:
            session = _session(provider_of(name), endpoints)
            await stack.enter_async_context(session.client)
            sessions[name] = session
        yield sessions


def _session(provider: Provider, endpoints: Endpoints) -> ProviderSession:
    slots = concurrency_of(provider.name, endpoints.concurrency)
    url = simulated_url(provider) if endpoints.app is not None else base_url_of(provider, endpoints.environment)
    key = "simulated" if endpoints.app is not None else endpoints.environment.get(provider.key_variable, "").strip()
    if not key:
        message = f"{provider.key_variable} is not set, and this needs {provider.title}"
        raise Refused("key-missing", message, hint="keys come from the environment only; --simulate needs none")
    if endpoints.app is None:
        check_surroundings(url)
    loopback = endpoints.app is not None or is_loopback(urlsplit(url).hostname or "")
    scale = poll_scale(endpoints.environment.get("KBATCH_POLL_SCALE"), loopback=loopback)
    if isinstance(scale, Problem):
        raise Invalid([scale])
    if endpoints.app is not None and not endpoints.environment.get("KBATCH_POLL_SCALE"):
        scale = SIMULATED_SCALE
    client = Client(
        url,
        provider.authorization(key),
        app=endpoints.app,
        limits=Limits(connections=slots + 16),
        engine=engine_of(endpoints.environment),
    )
    return ProviderSession(
        provider=with_masked_messages(provider, client.mask),
        client=client,
        slots=Slots(slots),
        origin=origin_of(provider, endpoints.environment, simulated=endpoints.app is not None),
        scale=scale,
        rate=rate_of(provider.per_minute, scale=scale),
        polls=rate_of(provider.per_minute, scale=scale, share=POLLS_SHARE),
    )


def engine_of(environment: Mapping[str, str]) -> Engine | None:
    """Read `KBATCH_HTTP`, the HTTP library; None when it is not set; Invalid for an unknown or missing library."""
    word = environment.get("KBATCH_HTTP", "").strip()
    if not word:
        return None
    if word not in set(Engine):
        known = " and ".join(f"`{engine}`" for engine in Engine)
        raise Invalid([Problem(code="http-engine", message=f"KBATCH_HTTP is `{word}`", hint=f"there are {known}")])
    if word == Engine.AIOHTTP and Engine.best() is not Engine.AIOHTTP:
        message = "KBATCH_HTTP asks for aiohttp, which is not installed"
        raise Invalid([Problem(code="http-engine", message=message, hint="pip install 'kbatch-render[fast]'")])
    return Engine(word)
