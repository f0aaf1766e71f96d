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
from kbatch.planner.known_charges import Kind, Known, told_of
from kbatch.runner.limits.credit_reservations import CreditReservations

REACHED = "the ceiling is reached"


class _Alone(Struct, kw_only=True):
    """A purchase whose charge is not known yet, and what the others wait for."""

    purchase: str
    address: str
    over: anyio.Event
    told: bool = False


class Unpriced:
    """Reserves what each purchase may cost, and makes the others wait for what cannot be foretold."""

    def __init__(self, reservations: CreditReservations, charges: Mapping[Kind, int]) -> None:
        self._reservations = reservations
        self._charges = dict(charges)
        self._alone: dict[str, _Alone] = {}
        self._unproven: dict[str, str] = {}

    async def take(self, entry: PlanEntry) -> str | None:
        """Reserve a purchase once nothing unforeseen is under way; return why not, None when it is reserved."""
        provider, purchase = entry.job.provider, entry.job.fingerprint
        if not self._reservations.bounds(provider):
            self._reservations.take(provider, purchase, entry.credits)
            return None
        while provider in self._alone:
            await self._alone[provider].over.wait()
        if provider in self._unproven:
            return self._unproven[provider]
        amount = self._worst(entry) if entry.credits is None else entry.credits
        if amount is not None and entry.invented:
            amount = max(amount, self._worst(entry) or 0)
        if amount is None and self._reservations.has_room(provider):
            self._alone[provider] = _Alone(purchase=purchase, address=entry.address, over=anyio.Event())
            amount = 0
        if amount is None or not self._reservations.take(provider, purchase, amount):
            return REACHED
        return None

    def told(self, kind: Kind, purchase: str, credits: int) -> None:
        """Note what a purchase is charged at present; 0 tells nothing: nobody renders for nothing."""
        if credits:
            told_of(self._charges, kind, credits)
            alone = self._alone.get(kind[0])
            if alone is not None and alone.purchase == purchase:
                alone.told = True

    def rendered(self, provider: str, purchase: str) -> None:
        """The render of a purchase has ended: what it was said to be charged is what it costs."""
        alone = self._alone.get(provider)
        if alone is not None and alone.told:
            self._free(provider, purchase)

    def not_bought(self, provider: str, purchase: str) -> None:
        """A purchase cost nothing, for sure: it was not accepted, or it failed."""
        self._free(provider, purchase)

    def ended(self, provider: str, purchase: str) -> None:
        """A purchase is over in this run; when its charge was not told by now, no ceiling can be proven any more."""
        alone = self._alone.get(provider)
        if alone is not None and alone.purchase == purchase:
            what = "may change until its render has ended" if alone.told else "is not told"
            said = f"what `{alone.address}` was charged {what}, so the ceiling cannot be held"
            self._unproven[provider] = f"{said}: nothing more of {provider} is bought in this run"
            self._free(provider, purchase)

    def _free(self, provider: str, purchase: str) -> None:
        alone = self._alone.get(provider)
        if alone is not None and alone.purchase == purchase:
            del self._alone[provider]
            alone.over.set()

    def _worst(self, entry: PlanEntry) -> int | None:
        return Known(charges=self._charges).worst(entry.job.provider, entry.job.model, entry.job.quote.variant)
