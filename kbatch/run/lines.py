"""Opens a line to each provider that a plan needs: base URL and key from the environment, or the simulator's app."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kbatch.manifest.settings import concurrency_of
from kbatch.problems import Invalid, Problem, Refused
from kbatch.providers.base import Provider
from kbatch.providers.registry import PROVIDERS
from kbatch.run.line import Line
from kbatch.run.masking import discreet
from kbatch.run.origins import base_url_of, is_loopback, origin_of
from kbatch.run.pacing import POLLS_SHARE, poll_scale, rate_of
from kbatch.run.slots import Slots
from kbatch.run.surroundings import check_surroundings
from kbatch.run.transport import Client, Engine, Limits

SIMULATED_SCALE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Where lines lead: the environment's variables, or an ASGI app that plays both providers; and jobs at once."""

    environment: Mapping[str, str] = field(repr=False)
    app: Any | None = None
    concurrency: Mapping[str | None, int] = field(default_factory=dict)


@asynccontextmanager
async def open_lines(names: Iterable[str], wiring: Wiring) -> AsyncIterator[dict[str, Line]]:
    """Yield a line to each named provider; Refused when a key is missing."""
    async with AsyncExitStack() as stack:
        lines = {}
        for name in names:
            line = _line(PROVIDERS[name], wiring)
            await stack.enter_async_context(line.client)
            lines[name] = line
        yield lines


def _line(provider: Provider, wiring: Wiring) -> Line:
    places = concurrency_of(provider.name, wiring.concurrency)
    url = provider.base_url if wiring.app is not None else base_url_of(provider, wiring.environment)
    key = "simulated" if wiring.app is not None else wiring.environment.get(provider.key_variable, "").strip()
    if not key:
        message = f"{provider.key_variable} is not set, and this needs {provider.title}"
        raise Refused("key-missing", message, hint="keys come from the environment only; --simulate needs none")
    if wiring.app is None:
        check_surroundings(url)
    loopback = wiring.app is not None or is_loopback(urlsplit(url).hostname or "")
    scale = poll_scale(wiring.environment.get("KBATCH_POLL_SCALE"), loopback=loopback)
    if isinstance(scale, Problem):
        raise Invalid([scale])
    if wiring.app is not None and not wiring.environment.get("KBATCH_POLL_SCALE"):
        scale = SIMULATED_SCALE
    client = Client(
        url,
        provider.authorization(key),
        app=wiring.app,
        limits=Limits(connections=places + 16),
        engine=engine_of(wiring.environment),
    )
    return Line(
        provider=discreet(provider, client.mask),
        client=client,
        slots=Slots(places),
        origin=origin_of(provider, wiring.environment, simulated=wiring.app is not None),
        scale=scale,
        rate=rate_of(provider.per_minute, scale=scale),
        polls=rate_of(provider.per_minute, scale=scale, share=POLLS_SHARE),
    )


def engine_of(environment: Mapping[str, str]) -> Engine | None:
    """Read `KBATCH_HTTP`, the library that sends; None where nothing is wished; Invalid for one that is not there."""
    word = environment.get("KBATCH_HTTP", "").strip()
    if not word:
        return None
    if word not in set(Engine):
        known = " and ".join(f"`{engine}`" for engine in Engine)
        raise Invalid([Problem(code="http-engine", message=f"KBATCH_HTTP is `{word}`", hint=f"there are {known}")])
    if word == Engine.AIOHTTP and Engine.best() is not Engine.AIOHTTP:
        message = "KBATCH_HTTP asks for aiohttp, which is not installed"
        raise Invalid([Problem(code="http-engine", message=message, hint="pip install 'kbatch[fast]'")])
    return Engine(word)
