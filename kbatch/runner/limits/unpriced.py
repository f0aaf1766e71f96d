"""The ceiling where prices are unknown: what nobody can foretell is bought alone, until its charge is known.

While a ceiling of its provider holds, a job without a price reserves the largest charge that is known of its model and
variant, from receipts and from this run. Where none is known it goes alone: nothing else is bought of that provider
until its render has ended with a charge; what is said before may be less than what is taken. When a charge is not told
by the end of its render, nothing can be proven any more, and nothing more is bought of that provider in this run. A
price that only the manifest states counts no less than what is known of its model.
"""

from collections.abc import Mapping

import anyio
from msgspec import Struct

from kbatch.planner.actions import PlanEntry
from kbatch.planner.known_charges import Kind, KnownCharges, keep_largest
from kbatch.runner.limits.credit_reservations import CreditReservations

CEILING_REACHED = "the ceiling is reached"


class _Exclusive(Struct, kw_only=True):
    """A purchase whose charge is not known yet, and what the others wait for."""

    purchase: str
    address: str
    over: anyio.Event
    charge_known: bool = False


class Unpriced:
    """Reserves what each purchase may cost, and makes the others wait for what cannot be foretold."""

    def __init__(self, reservations: CreditReservations, charges: Mapping[Kind, int]) -> None:
        self._reservations = reservations
        self._charges = dict(charges)
        self._exclusive: dict[str, _Exclusive] = {}
        self._unproven: dict[str, str] = {}

    async def reserve(self, entry: PlanEntry) -> str | None:
        """Reserve a purchase once nothing unforeseen is under way; return why not, None when it is reserved."""
        provider, purchase = entry.job.provider, entry.job.fingerprint
        if not self._reservations.has_ceiling(provider):
            self._reservations.reserve(provider, purchase, entry.credits)
            return None
        while provider in self._exclusive:
            await self._exclusive[provider].over.wait()
        if provider in self._unproven:
            return self._unproven[provider]
        amount = self._highest_charge(entry) if entry.credits is None else entry.credits
        if amount is not None and entry.invented:
            amount = max(amount, self._highest_charge(entry) or 0)
        if amount is None and self._reservations.has_room(provider):
            self._exclusive[provider] = _Exclusive(purchase=purchase, address=entry.address, over=anyio.Event())
            amount = 0
        if amount is None or not self._reservations.reserve(provider, purchase, amount):
            return CEILING_REACHED
        return None

    def charged(self, kind: Kind, purchase: str, credits: int) -> None:
        """Note what a purchase is charged at present; 0 tells nothing: nobody renders for nothing."""
        if credits:
            keep_largest(self._charges, kind, credits)
            exclusive = self._exclusive.get(kind[0])
            if exclusive is not None and exclusive.purchase == purchase:
                exclusive.charge_known = True

    def rendered(self, provider: str, purchase: str) -> None:
        """The render of a purchase has ended: what it was said to be charged is what it costs."""
        exclusive = self._exclusive.get(provider)
        if exclusive is not None and exclusive.charge_known:
            self._free(provider, purchase)

    def not_charged(self, provider: str, purchase: str) -> None:
        """A purchase cost nothing, for sure: it was not accepted, or it failed."""
        self._free(provider, purchase)

    def ended(self, provider: str, purchase: str) -> None:
        """A purchase is over in this run; when its charge was not told by now, no ceiling can be proven any more."""
        exclusive = self._exclusive.get(provider)
        if exclusive is not None and exclusive.purchase == purchase:
            what = "may change until its render has ended" if exclusive.charge_known else "is not told"
            said = f"what `{exclusive.address}` was charged {what}, so the ceiling cannot be held"
            self._unproven[provider] = f"{said}: nothing more of {provider} is bought in this run"
            self._free(provider, purchase)

    def _free(self, provider: str, purchase: str) -> None:
        exclusive = self._exclusive.get(provider)
        if exclusive is not None and exclusive.purchase == purchase:
            del self._exclusive[provider]
            exclusive.over.set()

    def _highest_charge(self, entry: PlanEntry) -> int | None:
        return KnownCharges(charges=self._charges).worst(entry.job.provider, entry.job.model, entry.job.quote.variant)
