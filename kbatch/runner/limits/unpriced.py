"""Ceilings for jobs without a known price: such a job is bought alone until its charge is known.

Under a ceiling, a job without a price reserves the highest known charge of its model and variant, from receipts and
from this run. When none is known it runs exclusively: nothing else is bought of that provider until its render has
ended with a charge, since an earlier report may be too low. When no charge is reported by the end of the render, the
ceiling cannot be proven, and nothing more is bought of that provider in this run. A price from the manifest alone is
raised to the highest known charge of its model.
"""

from collections.abc import Mapping

import anyio
from msgspec import Struct

from kbatch.planner.actions import PlanEntry
from kbatch.planner.known_charges import Kind, KnownCharges, keep_largest
from kbatch.runner.limits.credit_reservations import CEILING_REACHED, CreditReservations

__all__ = ["CEILING_REACHED", "Unpriced"]


class _Exclusive(Struct, kw_only=True):
    """A purchase whose charge is not known yet; `over` wakes the jobs that wait for it."""

    purchase: str
    address: str
    over: anyio.Event
    charge_known: bool = False


class Unpriced:
    """Reserves the highest possible cost of each purchase, and serialises purchases of unknown cost."""

    def __init__(self, reservations: CreditReservations, charges: Mapping[Kind, int]) -> None:
        self._reservations = reservations
        self._charges = dict(charges)
        self._exclusive: dict[str, _Exclusive] = {}
        self._unproven: dict[str, str] = {}

    async def reserve(self, entry: PlanEntry) -> str | None:
        """Reserve a purchase when no exclusive one is running; return why it cannot be reserved, else None."""
        provider, purchase = entry.job.provider, entry.job.fingerprint
        if not self._reservations.has_ceiling(provider, purchase):
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
            return self._reservations.why_not(provider, purchase, amount)
        return None

    def charged(self, kind: Kind, purchase: str, credits: int) -> None:
        """Store a charge reported while a job runs; 0 is ignored, since no render is free."""
        if credits:
            keep_largest(self._charges, kind, credits)
            exclusive = self._exclusive.get(kind[0])
            if exclusive is not None and exclusive.purchase == purchase:
                exclusive.charge_known = True

    def rendered(self, provider: str, purchase: str) -> None:
        """Accept the reported charge as final when the render of a purchase has ended."""
        exclusive = self._exclusive.get(provider)
        if exclusive is not None and exclusive.charge_known:
            self._free(provider, purchase)

    def not_charged(self, provider: str, purchase: str) -> None:
        """Release the others: the purchase was not accepted or failed, so it costs nothing."""
        self._free(provider, purchase)

    def ended(self, provider: str, purchase: str) -> None:
        """End a purchase; without a final charge nothing more of the provider is bought in this run."""
        exclusive = self._exclusive.get(provider)
        if exclusive is not None and exclusive.purchase == purchase:
            what = "may change until its render has ended" if exclusive.charge_known else "is not told"
            message = f"what `{exclusive.address}` was charged {what}, so the ceiling cannot be held"
            self._unproven[provider] = f"{message}: nothing more of {provider} is bought in this run"
            self._free(provider, purchase)

    def _free(self, provider: str, purchase: str) -> None:
        exclusive = self._exclusive.get(provider)
        if exclusive is not None and exclusive.purchase == purchase:
            del self._exclusive[provider]
            exclusive.over.set()

    def _highest_charge(self, entry: PlanEntry) -> int | None:
        return KnownCharges(charges=self._charges).worst(entry.job.provider, entry.job.model, entry.job.quote.variant)
