"""Asks the providers' public price lists, without a key; an answer with a tag is kept for this user and asked by it.

Nothing here decides: a list that could not be read is returned as such, and is never agreement.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

import anyio

from kbatch import storage
from kbatch.errors import KbatchError
from kbatch.models.published.price_list import ListUnread, PriceList
from kbatch.providers.base import Answer, NoAnswer, Provider, Reply
from kbatch.providers.http.client import Client, Limits
from kbatch.providers.http.environment import check_surroundings
from kbatch.providers.prices.strict_json import MOST_BYTES
from kbatch.providers.prices.translation import PriceListTranslation
from kbatch.providers.prices.translations import ask, read, translation_of
from kbatch.providers.registry import provider_of
from kbatch.providers.responses import retry_after
from kbatch.runner.base_urls import base_url_of
from kbatch.runner.limits.retry import PRICE_LIST_TRIES, pause, retry
from kbatch.runner.open_sessions import engine_of, scale_of
from kbatch.storage.state_key import key_path

_TIMEOUT_S = 20.0  # the answer of a balance has as much
_PASSING = (429, 500, 502, 503, 504, 524)


async def ask_price_lists(
    models: Mapping[str, Collection[str]], environment: Mapping[str, str]
) -> dict[str, PriceList | ListUnread]:
    """Return what the lists say of these models by provider; providers without a public list are left out."""
    found: dict[str, PriceList | ListUnread] = {}

    async def ask_one(name: str, translation: PriceListTranslation) -> None:
        found[name] = await _ask(provider_of(name), translation, models[name], environment)

    async with anyio.create_task_group() as tasks:
        for name in models:
            translation = translation_of(provider_of(name))
            if models[name] and translation is not None:
                tasks.start_soon(ask_one, name, translation)
    return found


async def _ask(
    provider: Provider, translation: PriceListTranslation, models: Collection[str], environment: Mapping[str, str]
) -> PriceList | ListUnread:
    base, path = base_url_of(provider, environment), translation.path(models)
    url = base.rstrip("/") + path
    source = url.partition("?")[0]
    try:
        check_surroundings(url)
        limits = Limits(connections=1, max_body=MOST_BYTES)
        client = Client(base, None, limits=limits, engine=engine_of(environment))
        scale = scale_of(environment, loopback=client.loopback)
    except KbatchError as error:
        return ListUnread(source=source, message=error.message)
    kept = await anyio.to_thread.run_sync(_kept, url, environment)
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    async with client:
        reply = await _send(client, path, kept, scale)
        if kept is not None and isinstance(reply, Answer) and reply.status == 304:
            found = read(kept, translation, models, source, at)
            if isinstance(found, PriceList):
                return found
            reply = await _send(client, path, None, scale)  # what an earlier kbatch kept is not read by this one
    found = read(reply, translation, models, source, at)
    if isinstance(found, PriceList) and found.etag and isinstance(reply, Answer):
        await anyio.to_thread.run_sync(_keep, url, reply, environment)
    return found


async def _send(client: Client, path: str, kept: Answer | None, scale: float) -> Reply:
    request = ask(path, kept.headers["etag"] if kept else None)
    wait = partial(pause, name=client.base_url, scale=scale, jitter=0.5, sleep=anyio.sleep)
    return await retry(PRICE_LIST_TRIES, partial(client.send, request, timeout_s=_TIMEOUT_S), wait, again=_passing)


def _passing(reply: Reply) -> float | None:
    if isinstance(reply, NoAnswer):
        return 0.0
    return (retry_after(reply.headers) or 0.0) if reply.status in _PASSING else None


def _place(url: str, environment: Mapping[str, str]) -> Path | None:
    key = key_path(environment)
    return None if key is None else key.parent / "price-lists" / f"{sha256(url.encode()).hexdigest()[:32]}.json"


def _kept(url: str, environment: Mapping[str, str]) -> Answer | None:
    """Return the kept answer to this very request, None where there is none or where it is not as it was written."""
    path = _place(url, environment)
    if path is None:
        return None
    try:
        data = storage.read_if_there(path, limit=2 * MOST_BYTES)
        document = json.loads(data) if data is not None else {}
        tag, body = document.get("etag"), document.get("body")
    except (KbatchError, ValueError, AttributeError, RecursionError):
        return None
    if document.get("url") != url or not isinstance(tag, str) or not isinstance(body, str) or not tag.isprintable():
        return None
    return Answer(status=200, headers={"etag": tag}, body=body.encode("utf-8", "replace"))


def _keep(url: str, reply: Answer, environment: Mapping[str, str]) -> None:
    """Write the answer for the next time; where that is not possible the list is asked in full again."""
    path = _place(url, environment)
    if path is None:
        return
    document = {"url": url, "etag": reply.headers["etag"], "body": reply.body.decode("utf-8", "replace")}
    try:
        storage.write_lightly(path, json.dumps(document).encode())
    except OSError:
        return
