"""Which provider has a public price list, and how its answer becomes one."""

from collections.abc import Collection, Mapping

from kbatch.models.published.price_list import ListUnread, PriceList
from kbatch.providers.base import NoAnswer, Provider, Reply, Request
from kbatch.providers.error_messages import harmless, message_of
from kbatch.providers.prices.aimlapi_list import AimlapiList
from kbatch.providers.prices.apiframe_list import ApiframeList
from kbatch.providers.prices.strict_json import Misread, read_json
from kbatch.providers.prices.translation import PriceListTranslation

_LONGEST_TAG = 200  # a hash and a length have less than a hundred characters
_PACKAGED: Mapping[str, PriceListTranslation] = {"apiframe": ApiframeList(), "aimlapi": AimlapiList()}


def translation_of(provider: Provider) -> PriceListTranslation | None:
    """Return how a provider's public list is read, None where it has none."""
    return _PACKAGED.get(provider.name) or getattr(provider, "price_list", None)


def ask(path: str, etag: str | None) -> Request:
    """Return the request for a list; with an `etag` it is answered 304 while nothing has changed."""
    tag = {"If-None-Match": etag} if etag else {}
    return Request(method="GET", path=path, headers={"Accept": "application/json", **tag})


def read(
    reply: Reply, translation: PriceListTranslation, models: Collection[str], source: str, asked_at: str
) -> PriceList | ListUnread:
    """Return the list of a 200; for everything else why it is unread. Nothing that a server sends raises."""
    if isinstance(reply, NoAnswer) or reply.status != 200:
        return ListUnread(source=source, message=message_of(reply))
    try:
        found = translation.read(read_json(reply.body), models)
    except Misread as error:
        return ListUnread(source=source, message=harmless(f"its list could not be read: {error}"))
    except Exception as error:  # whatever the code of another package raises
        return ListUnread(source=source, message=harmless(f"its list could not be read: {type(error).__name__}"))
    return PriceList(
        source=source,
        asked_at=asked_at,
        prices=found.prices,
        gone=found.gone,
        unread=found.unread,
        etag=_tag(reply.headers.get("etag", "")),
    )


def _tag(text: str) -> str | None:
    """Return a tag that can be sent back and shown, None for any other text."""
    return text if 0 < len(text) <= _LONGEST_TAG and text.isascii() and text.isprintable() else None
