"""Which account of a provider pays for a purchase: chosen by its fingerprint, in proportion to the weights.

By the fingerprint, and not by free capacity or turn: a provider's idempotency key holds within one account, so two
machines, or one that has lost its state, must send the same purchase from the same account. It also makes each
account's share known before anything is sent. When an account is added, only purchases that fall to it change theirs.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256

from msgspec import Struct

from kbatch.planner.actions import PlanEntry

DEFAULT = "default"
"""The name of the account whose key has no name in its variable."""

Weights = Mapping[str, int]
"""Weights by account name, from 1; an account's tickets in the draw for each purchase."""

ONLY_DEFAULT: Weights = {DEFAULT: 1}


class Share(Struct, frozen=True, kw_only=True):
    """What one account pays of a plan: its purchases, and their credits, None when one has no known price."""

    jobs: int
    credits: int | None


def account_for(fingerprint: str, weights: Weights) -> str:
    """Return the account that pays for a purchase: the holder of the highest of the hashed tickets.

    >>> account_for("f2", {"default": 1, "bob": 1}), account_for("f3", {"default": 1, "bob": 1})
    ('default', 'bob')
    """
    return next(iter(weights)) if len(weights) == 1 else _draw(fingerprint, tuple(weights.items()))


@lru_cache(maxsize=1 << 17)  # a large campaign's jobs, each asked for when it is planned, checked, shown and sent
def _draw(fingerprint: str, weights: tuple[tuple[str, int], ...]) -> str:
    tickets = ((name, number) for name, weight in weights for number in range(weight))
    name, _ = max(tickets, key=lambda one: sha256(f"{one[0]}\n{one[1]}\n{fingerprint}".encode()).digest())
    return name


def choose_payers(
    providers: Iterable[str], stated: Mapping[str, Weights], chosen: Mapping[str | None, Weights]
) -> dict[str, Weights]:
    """Return the weights of each provider whose payer is not its default account alone.

    `stated` is by the manifest, `chosen` by the command line or a saved plan, under None for every provider.
    """
    payers = {}
    for provider in providers:
        weights = chosen.get(provider) or chosen.get(None) or stated.get(provider, ONLY_DEFAULT)
        if set(weights) != {DEFAULT}:
            payers[provider] = weights
    return payers


def shares_of(provider: str, purchases: Iterable[PlanEntry], weights: Weights) -> dict[str, Share]:
    """Return what each account of a provider pays for these purchases, accounts without one included."""
    bought: dict[str, list[int | None]] = {name: [] for name in weights}
    for entry in purchases:
        if entry.job.provider == provider:
            bought[account_for(entry.job.fingerprint, weights)].append(entry.credits)
    return {
        name: Share(jobs=len(credits), credits=None if None in credits else sum(filter(None, credits)))
        for name, credits in bought.items()
    }
