"""Every provider by its name: the packaged ones, and those that installed packages bring (see `plugins`).

A name of a packaged provider is answered at once; the installed packages are looked through only for another one, or
to list all. A packaged provider is a module that translates and an entry of `PACKAGED`; its cards lie in
`schemas/models/<name>/`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType

from kbatch.errors import Invalid, Problem, did_you_mean
from kbatch.models.cards import Catalog, read_cards
from kbatch.providers.aimlapi import AIMLAPI
from kbatch.providers.apiframe import APIFRAME
from kbatch.providers.base import Plugin, Provider
from kbatch.providers.plugins import cards_of, plugins
from kbatch.providers.request_records import request_records
from kbatch.receipts.receipt import Receipt, ReceiptState, asked_until, how_to_resolve
from kbatch.storage import packaged_cards

PACKAGED: Mapping[str, Provider] = MappingProxyType({one.name: one for one in (APIFRAME, AIMLAPI)})


class _Names:
    """The names of all providers, those too whose plug-in cannot be used; a packaged one is known without a look."""

    def __contains__(self, name: object) -> bool:
        return name in PACKAGED or name in _installed()

    def __iter__(self) -> Iterator[str]:
        return iter((*sorted(PACKAGED), *(name for name in _installed() if name not in PACKAGED)))

    def __len__(self) -> int:
        return len(list(iter(self)))


NAMES = _Names()


def provider_of(name: str) -> Provider:
    """Return a provider; Invalid says why there is none of that name, or why its plug-in cannot be used."""
    if name in PACKAGED:
        return PACKAGED[name]
    found = _installed().get(name)
    if isinstance(found, Plugin):
        return found.provider
    if found is None:
        hint = did_you_mean(name, NAMES)
        found = Problem(code="unknown-provider", message=f"there is no provider `{name}` here", hint=hint)
    raise Invalid([found])


def plugin_of(name: str) -> Plugin | None:
    """Return the plug-in that brings a provider, None for a packaged one and for one that cannot be used."""
    found = _installed().get(name) if name not in PACKAGED else None
    return found if isinstance(found, Plugin) else None


def plugin_faults() -> tuple[Problem, ...]:
    """Return one problem for each installed plug-in that cannot be used."""
    return tuple(found for found in _installed().values() if isinstance(found, Problem))


def concurrency_of(name: str, wished: Mapping[str | None, int]) -> int:
    """Return how many jobs may run at a provider: named for it, else a bare number, else the provider's default."""
    return wished.get(name) or wished.get(None) or provider_of(name).concurrency


def way_out(name: str) -> str:
    """Return where to look for a job that may have been bought, and how to settle it."""
    try:
        return how_to_resolve(provider_of(name).unknown_help)
    except Invalid:
        return how_to_resolve(None)


def clips_kept(name: str) -> timedelta | None:
    """Return how long a provider keeps a clip for certain, None where no document says so or it is not here."""
    try:
        return provider_of(name).clips_kept
    except Invalid:
        return None


def log_asked_until(receipt: Receipt) -> str | None:
    """Return the day until which the log is asked for an unknown send; None for all else, and without a log."""
    if receipt.state is not ReceiptState.UNKNOWN or receipt.client_request_id is None:
        return None
    try:
        records = request_records(provider_of(receipt.provider))
    except Invalid:
        return None
    return asked_until(receipt.submitted_at, records.kept) if records else None


def catalog_of(names: Iterable[str]) -> Catalog:
    """Return the packaged model cards; where a name is none of a packaged provider, with those of all plug-ins."""
    return _packaged_catalog() if PACKAGED.keys() >= set(names) else full_catalog()


@cache
def _packaged_catalog() -> Catalog:
    return read_cards(packaged_cards())


@cache
def full_catalog() -> Catalog:
    """Return the model cards of all providers, read once."""
    found = _installed()
    if not found:
        return _packaged_catalog()
    others = [card for one in found.values() if isinstance(one, Plugin) for card in cards_of(one)]
    unusable = {name: one for name, one in found.items() if isinstance(one, Problem)}
    return read_cards([*packaged_cards(), *others], unusable)


@cache
def _installed() -> Mapping[str, Plugin | Problem]:
    taken = {variable: one.name for one in PACKAGED.values() for variable in (one.key_variable, one.url_variable)}
    return plugins(frozenset(PACKAGED), taken)


def look_again() -> None:
    """Forget which packages are installed, for a process in which that changes."""
    for remembered in (_installed, full_catalog):
        remembered.cache_clear()
