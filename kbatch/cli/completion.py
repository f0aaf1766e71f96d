"""What a shell offers while a command is typed: names from the cards, and from the manifest that is already there.

It asks no provider and says nothing: a manifest that cannot be read offers nothing.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import split_arg_string

from kbatch.pipeline.load import DEFAULT_MANIFEST, LoadedManifest, load
from kbatch.providers.registry import full_catalog

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _offer(find: Callable[[click.Context], Iterable[str]]) -> Complete:
    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        try:
            return [name for name in dict.fromkeys(find(context)) if name.startswith(begun)]
        except Exception:
            return []

    return complete


def _loaded(context: click.Context) -> LoadedManifest:
    """Return the manifest of the command line; behind an option without its value only the words tell it."""
    words = split_arg_string(os.environ.get("COMP_WORDS", ""))
    named = next((word for word in words if word.lower().endswith((".yaml", ".yml"))), None)
    manifest: Any = named or context.params.get("manifest") or DEFAULT_MANIFEST
    return load(Path(manifest))


def _selectors(context: click.Context) -> Iterable[str]:
    loaded = _loaded(context)
    return (*(job.draft.shot for job in loaded.jobs), *(job.address for job in loaded.jobs))


models = _offer(lambda _context: (name for card in full_catalog().cards for name in (card.model, card.key)))
profiles = _offer(lambda context: _loaded(context).document.value.get("profiles") or {})
addresses = _offer(lambda context: (job.address for job in _loaded(context).jobs))
selectors = _offer(_selectors)
