"""Settings of a manifest beside its shots: budget, rates, own prices, outputs, concurrency, and a profile's own."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from kbatch.manifest.faulty import mapping_of


class Settings(Struct, frozen=True, kw_only=True):
    """Amounts are integers in each provider's own credits; a bare number stands under `None` until a provider is known.

    `usd_per_credit` is exact: the decimal that was written, never a binary fraction. `output_dir` is where clips go,
    below `output_root` in a folder of the profile's name. `accounts` are weights by provider and account name.
    """

    name: str
    profile: str | None
    max_credits: Mapping[str | None, int]
    max_credits_per_job: Mapping[str | None, int]
    usd_per_credit: Mapping[str, Decimal]
    prices: Mapping[str, Mapping[str, int]]
    output_dir: str
    output_root: str
    concurrency: Mapping[str | None, int]
    accounts: Mapping[str, Mapping[str, int]] = {}


def read_settings(manifest: Mapping[str, Any], profile: str | None, *, simulated: bool) -> Settings:
    """Return the settings of a manifest whose shape was checked; simulated outputs have a folder of their own."""
    chosen = mapping_of(mapping_of(manifest.get("profiles")).get(profile)) if profile else {}

    def layered(name: str) -> dict[str, Any]:
        return {**mapping_of(manifest.get(name)), **mapping_of(chosen.get(name))}

    budget = layered("budget")
    folder = str(layered("output").get("dir", "renders")) + ("-sim" if simulated else "")
    return Settings(
        name=manifest.get("name", ""),
        profile=profile,
        max_credits=_by_provider(budget.get("max_credits")),
        max_credits_per_job=_by_provider(budget.get("max_credits_per_job")),
        usd_per_credit={provider: Decimal(str(rate["usd_per_credit"])) for provider, rate in layered("rates").items()},
        prices=layered("prices"),
        output_dir=f"{folder}/{profile}" if profile else folder,
        output_root=folder,
        concurrency=_by_provider(layered("run").get("concurrency")),
        accounts=mapping_of(layered("run").get("accounts")),
    )


def _by_provider(value: Any) -> dict[str | None, int]:
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping) else {None: value}
