"""Providers that a manifest names, read before its form is checked; installed plug-ins are searched only for others."""

from collections.abc import Iterator
from typing import Any

ANY = "*"
"""Stands for a provider that a template names."""

_BY_PROVIDER = ("max_credits", "max_credits_per_job", "rates", "concurrency", "accounts")
_HOLDING = ("defaults", "override", "profiles", "budget", "run")


def providers_named(manifest: Any) -> frozenset[str]:
    """Return every name that stands where a provider's does, `ANY` for a template; the manifest may have any form.

    >>> sorted(providers_named({"provider": "acme", "rates": {"apiframe": {}}, "prices": {"globex/one": {}}}))
    ['acme', 'apiframe', 'globex']
    """
    return frozenset(_named(manifest))


def _named(part: Any) -> Iterator[str]:
    if not isinstance(part, dict):
        return
    provider = part.get("provider")
    if isinstance(provider, str):
        yield ANY if "{{" in provider or "{%" in provider else provider
    for name in _BY_PROVIDER:
        yield from _keys(part.get(name))
    yield from (key.partition("/")[0] for key in _keys(part.get("prices")))
    for name in _HOLDING:
        held = part.get(name)
        for one in held.values() if name == "profiles" and isinstance(held, dict) else (held,):
            yield from _named(one)
    shots = part.get("shots")
    for shot in shots.values() if isinstance(shots, dict) else shots if isinstance(shots, list) else ():
        if isinstance(shot, dict) and "provider" in shot:
            yield from _named({"provider": shot["provider"]})


def _keys(mapping: Any) -> Iterator[str]:
    return (key for key in mapping if isinstance(key, str)) if isinstance(mapping, dict) else iter(())
