"""Opens a session to each account that a plan needs: base URL and key from the environment, or the simulator's app."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from kbatch.errors import Invalid, Problem, Refused
from kbatch.planner.payers import DEFAULT
from kbatch.providers.account_keys import key_digest, key_of, key_variable_of
from kbatch.providers.base import Provider
from kbatch.providers.http.client import Client, Engine, Limits
from kbatch.providers.http.environment import check_surroundings
from kbatch.providers.http.masking import with_masked_messages
from kbatch.providers.http.urls import is_loopback
from kbatch.providers.registry import concurrency_of, provider_of
from kbatch.runner.base_urls import base_url_of, origin_of, simulated_url
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
async def open_sessions(
    accounts: Mapping[str, Iterable[str]], endpoints: Endpoints
) -> AsyncIterator[dict[str, dict[str, ProviderSession]]]:
    """Yield a session to each named account by provider and name; Refused when a key is missing.

    Two names with the same key share one session.
    """
    async with AsyncExitStack() as stack:
        sessions: dict[str, dict[str, ProviderSession]] = {}
        for provider_name, names in accounts.items():
            provider = provider_of(provider_name)
            keys = {name: _key(provider, name, endpoints) for name in names}
            by_key: dict[str, ProviderSession] = {}
            for name, key in keys.items():
                if key not in by_key:
                    by_key[key] = _session(provider, name, key, endpoints)
                    await stack.enter_async_context(by_key[key].client)
            sessions[provider_name] = {name: by_key[key] for name, key in keys.items()}
        yield sessions


def _key(provider: Provider, account: str, endpoints: Endpoints) -> str:
    """Return an account's key; the simulator in this process takes any, and knows the accounts apart by it."""
    if endpoints.app is not None:
        return "simulated" if account == DEFAULT else f"simulated-{account}"
    key = key_of(provider, account, endpoints.environment)
    if not key:
        whose = provider.title if account == DEFAULT else f"{provider.title}'s account `{account}`"
        message = f"{key_variable_of(provider, account)} is not set, and this needs {whose}"
        raise Refused("key-missing", message, hint="keys come from the environment only; --simulate needs none")
    return key


def _session(provider: Provider, account: str, key: str, endpoints: Endpoints) -> ProviderSession:
    slots = concurrency_of(provider.name, endpoints.concurrency)
    url = simulated_url(provider) if endpoints.app is not None else base_url_of(provider, endpoints.environment)
    if endpoints.app is None:
        check_surroundings(url)
    loopback = endpoints.app is not None or is_loopback(urlsplit(url).hostname or "")
    scale = scale_of(endpoints.environment, loopback=loopback)
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
        name=account,
        key_id=key_digest(key),
        rate=rate_of(provider.per_minute, scale=scale),
        polls=rate_of(provider.per_minute, scale=scale, share=POLLS_SHARE),
        webhook_secret=sha256(key.encode()).digest(),
    )


def scale_of(environment: Mapping[str, str], *, loopback: bool) -> float:
    """Return what `KBATCH_POLL_SCALE` multiplies kbatch's own waits by; may raise Invalid."""
    scale = poll_scale(environment.get("KBATCH_POLL_SCALE"), loopback=loopback)
    if isinstance(scale, Problem):
        raise Invalid([scale])
    return scale


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
