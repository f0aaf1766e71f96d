"""Providers that other packages bring, found by the entry point group `kbatch.providers` and checked before any use.

To look for them takes as long as a whole start of kbatch, so it is done only where a name is met that no packaged
provider has, or where all are listed. One that cannot be used is a `Problem` that names its distribution, never an
exception, and does not keep the others from being used.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from msgspec.structs import replace

from kbatch.errors import Problem
from kbatch.manifest.schema.validate import strict_validator
from kbatch.models.own.card_faults import card_faults, seller_faults
from kbatch.providers.base import Plugin, Provider
from kbatch.providers.endpoints import endpoints_of, seller_of
from kbatch.providers.guard import guarded
from kbatch.providers.http.urls import check_base_url
from kbatch.receipts.shapes import EndpointName
from kbatch.storage import cards_below, packaged

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "kbatch.providers"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
"""A name stands in addresses of cards, in flags before `=` and in variables: no dot, no slash, no space."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_TEXTS = ("name", "title", "unit", "base_url", "key_variable", "url_variable", "unknown_help")
_FLAGS = ("lists_jobs", "uploads")
_SPANS = ("resend_within", "clips_kept")


def installed() -> Mapping[str, tuple["EntryPoint", ...]]:
    """Return the entry points of each name that installed packages give; none is loaded."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and seldom needed

    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _owner(entry))):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def plugins(packaged_names: frozenset[str], variables: Mapping[str, str]) -> Mapping[str, Plugin | Problem]:
    """Return every installed plug-in by its name, or what keeps it from being used.

    One that bears the name of a packaged provider stands under `NAME (PACKAGE)`: it never takes that one's place.
    `variables` are the environment's that packaged providers read: a key of theirs is never sent to another's address.
    """
    found: dict[str, Plugin | Problem] = {}
    taken = dict(variables)
    for name, entries in installed().items():
        owner = " and ".join(dict.fromkeys(map(_owner, entries)))
        if name in packaged_names:
            why = "kbatch has a provider of that name, which stays in its place"
            found[f"{name} ({owner})"] = _broken(name, owner, why)
            continue
        plugin = _loaded(name, entries, owner)
        if isinstance(plugin, Plugin):
            for variable in (plugin.provider.key_variable, plugin.provider.url_variable):
                other = taken.setdefault(variable, name)
                if other != name:
                    plugin = _broken(name, owner, f"it reads {variable}, which is that of the provider `{other}`")
                    break
        found[name] = plugin
    return found


def _loaded(name: str, entries: tuple["EntryPoint", ...], owner: str) -> Plugin | Problem:
    if len(entries) > 1:
        return _broken(name, owner, "several packages bring it", "uninstall all but one of them")
    try:
        found = entries[0].load()
        faults = list(_faults(name, found))
    except (Exception, SystemExit) as error:  # whatever the code of another package raises
        return _broken(name, owner, f"{type(error).__name__}: {error}")
    if faults:
        return _broken(name, owner, faults[0])
    assert isinstance(found, Plugin)
    return replace(found, provider=guarded(found.provider, owner))


def _faults(name: str, found: Any) -> Iterator[str]:
    """Yield what keeps an entry point's object from being used as the provider `name`."""
    if not isinstance(found, Plugin):
        yield f"its entry point is a {type(found).__name__}, not a kbatch.providers.base.Plugin"
        return
    provider: Any = found.provider
    missing = [part for part in _parts() if not hasattr(provider, part)]
    if missing:
        yield f"it lacks `{missing[0]}` of kbatch.providers.base.Provider"
        return
    yield from wrong_facts(name, provider)
    try:
        cards = list(cards_of(found))
    except OSError as error:
        yield f"its cards cannot be read: {error}"
        return
    if not cards:
        yield f"there is no model card in {found.cards}"
    form = strict_validator(json.loads(packaged("model-card.schema.json")))
    for where, data in cards:
        faults = list(card_faults(where, data, form)) or list(seller_faults(json.loads(data), seller_of(provider)))
        yield from (f"model card {where}: {fault}" for fault in faults)


def _parts() -> list[str]:
    return [*Provider.__annotations__, *(name for name in vars(Provider) if not name.startswith("_"))]


def wrong_facts(name: str, provider: Any) -> Iterator[str]:
    """Yield which of a provider's facts are of another form than `Provider` asks for."""
    texts = [part for part in _TEXTS if not (isinstance(getattr(provider, part), str) and getattr(provider, part))]
    flags = [part for part in _FLAGS if not isinstance(getattr(provider, part), bool)]
    amounts = [("concurrency", provider.concurrency)]
    amounts += [("per_minute", provider.per_minute)] if provider.per_minute is not None else []
    counts = [part for part, value in amounts if isinstance(value, bool) or not isinstance(value, int) or value < 1]
    ends = endpoints_of(provider)
    if ends and not (set(ends) <= set(get_args(EndpointName)) and callable(getattr(provider, "at_endpoint", None))):
        yield "its `endpoints` are not names of kbatch.receipts.shapes.Endpoint, or it has no `at_endpoint`"
    spans = [part for part in _SPANS if not _is_span(getattr(provider, part))]
    for part in spans:
        yield f"its `{part}` is neither None nor a timedelta above zero"
    for part in texts:
        yield f"its `{part}` is no text"
    for part in flags:
        yield f"its `{part}` is neither True nor False"
    for part in counts:
        yield f"its `{part}` is no whole number from 1"
    if texts or flags or counts or spans:
        return
    if provider.name != name or not _NAME.fullmatch(name):
        yield f"it is called `{provider.name}`; that must be the entry point's name: lower case, digits and `-`"
    for part in ("key_variable", "url_variable"):
        if not _VARIABLE.fullmatch(getattr(provider, part)):
            yield f"its `{part}` is no variable's name: upper case letters, digits and `_`"
    problem = check_base_url(provider.base_url)
    if problem is not None:
        yield problem.message


def _is_span(value: Any) -> bool:
    return value is None or (isinstance(value, timedelta) and value > timedelta())


def cards_of(plugin: Plugin) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of a plug-in's model cards, as `<provider>/<model>.json`."""
    return cards_below(plugin.cards, f"{plugin.provider.name}/")


def _owner(entry: "EntryPoint") -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value


def _broken(name: str, owner: str, why: str, hint: str | None = None) -> Problem:
    message = f"the provider `{name}` of the package {owner} cannot be used: {why}"
    return Problem(code="unknown-provider", message=message, hint=hint or f"mend or uninstall {owner}")
