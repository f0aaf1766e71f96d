"""Largest known charge of each model and variant, from receipts and from the current run."""

from collections.abc import Iterator, Mapping, MutableMapping

from msgspec import Struct

from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt

Kind = tuple[str, str, str | None]
"""Provider, model and variant."""


class KnownCharges(Struct, frozen=True, kw_only=True):
    """The largest charge by provider, model and variant, in the provider's credits."""

    charges: Mapping[Kind, int]

    def of(self, provider: str, model: str, variant: str | None) -> int | None:
        """Return the largest charge of a variant, None where none is known."""
        return self.charges.get((provider, model, variant))

    def worst(self, provider: str, model: str, variant: str | None) -> int | None:
        """Return the largest charge of a variant, else that of its model, None where neither is known."""
        own = self.of(provider, model, variant)
        if own is not None:
            return own
        others = (charge for kind, charge in self.charges.items() if kind[:2] == (provider, model))
        return max(others, default=None)


def known_charges(renders: Mapping[str, Receipt]) -> KnownCharges:
    """Return the largest charges of all receipts, including failed and replaced attempts."""
    charges: dict[Kind, int] = {}
    for one in _attempts(renders):
        charge = max(one.credits.charged or 0, one.credits.reported or 0)
        if charge:
            keep_largest(charges, (one.provider, one.model, one.variant), charge)
    return KnownCharges(charges=charges)


def keep_largest(charges: MutableMapping[Kind, int], kind: Kind, charge: int) -> None:
    """Record a charge when it is the largest of its kind."""
    charges[kind] = max(charge, charges.get(kind, 0))


def _attempts(renders: Mapping[str, Receipt]) -> Iterator[Receipt]:
    for receipt in renders.values():
        yield from records_of(receipt)
