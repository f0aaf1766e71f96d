"""What a price list's translation must have, and what it returns; it sees no socket, clock, file or key."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from kbatch.models.published.price_list import PublishedPrice


class ReadList(Struct, frozen=True, kw_only=True):
    """The wanted models of a list: prices, models that it lacks, and why entries could not be read."""

    prices: Mapping[str, PublishedPrice]
    gone: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)


class PriceListTranslation(Protocol):
    """A provider's public list; a package's provider has one as its attribute `price_list`."""

    def path(self, models: Collection[str]) -> str:
        """Return path and query of the request for these models."""

    def read(self, document: Mapping[str, Any], models: Collection[str]) -> ReadList:
        """Read an answer's JSON; `strict_json.Misread` when the list is not of the documented form."""
