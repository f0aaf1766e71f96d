"""Asks the public price lists for a manifest's jobs, and takes exact quotes from them where cards have none."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping

from msgspec.structs import replace

from kbatch.models.published.price_list import Lists, PriceList
from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.live_prices import Checking, check_lists, with_live_quotes
from kbatch.planner.plan import Plan


def ask_lists(models: Mapping[str, Collection[str]]) -> Lists:
    """Return what the public lists say of these models, by provider; no key is sent."""
    import anyio  # noqa: PLC0415 - an event loop and httpx, only where a list is asked

    from kbatch.runner.preflight.price_lists import ask_price_lists  # noqa: PLC0415

    return anyio.run(ask_price_lists, models, dict(os.environ))


def with_lists(loaded: LoadedManifest) -> LoadedManifest:
    """Return a manifest whose jobs are quoted with the public lists of their providers."""
    return quoted_with(loaded, ask_lists(models_in(loaded)))


def models_in(loaded: LoadedManifest) -> dict[str, set[str]]:
    """Return the models of a manifest's jobs, by provider."""
    models: dict[str, set[str]] = {}
    for job in loaded.jobs:
        models.setdefault(job.provider, set()).add(job.model)
    return models


def quoted_with(loaded: LoadedManifest, lists: Lists) -> LoadedManifest:
    """Return a manifest whose jobs are quoted with these lists."""
    return replace(loaded, lists=lists, jobs=with_live_quotes(loaded.jobs, lists))


def check_plan(plan: Plan, lists: Lists | None, say: Callable[[str], None], *, trusted: bool) -> None:
    """Say what the asked lists say of a plan's prices; Refused where they contradict one or could not be read."""
    if lists is None:
        return
    check_lists(plan.purchases, lists, Checking(trusted=trusted, strict=True), say)
    for words in confirmed_by(plan, lists):
        say(words)


def confirmed_by(plan: Plan, lists: Lists) -> Iterator[str]:
    """Yield which list was asked for the purchases of each provider, and when."""
    for name in dict.fromkeys(entry.job.provider for entry in plan.purchases):
        found = lists.get(name)
        if isinstance(found, PriceList):
            yield f"{found.source} contradicts no price of {name} (asked {found.asked_at})"
        else:
            yield f"{name} has no public price list, so its prices are the cards' word"
