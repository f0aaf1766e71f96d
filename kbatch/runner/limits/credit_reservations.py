"""The ceiling while a run goes on: credits are reserved before each submit and given back when nothing was charged.

At every moment what was charged before, what unknown outcomes hold and what this run has committed stay together within
each ceiling, whatever the order of the answers; only a provider that charges more than it says can pass it, and then
nothing more is taken.
"""

from collections.abc import Mapping

from kbatch.planner.ceilings import Ceilings


class CreditReservations:
    """What this run has committed, by provider and purchase.

    `spent` is what earlier receipts were charged, by provider; `held` what unknown outcomes of the plan may have been,
    by provider and purchase. A purchase is named by its fingerprint.
    """

    def __init__(self, ceilings: Ceilings, spent: Mapping[str, int], held: Mapping[str, Mapping[str, int]]) -> None:
        self._ceilings = ceilings
        self._spent = dict(spent)
        self._taken = {name: dict(amounts) for name, amounts in held.items()}
        self._total = {name: sum(amounts.values()) for name, amounts in held.items()}

    def committed(self, provider: str) -> int:
        """Credits that this run has reserved or was charged, and what unknown outcomes hold."""
        return self._total.get(provider, 0)

    def has_ceiling(self, provider: str) -> bool:
        """Whether some ceiling holds for this provider."""
        return any(provider in limits for limits in (self._ceilings.run, self._ceilings.budget, self._ceilings.job))

    def has_room(self, provider: str) -> bool:
        """Whether what is committed lies below every ceiling: one credit more would fit."""
        return self._fits(provider, 1)

    def reserve(self, provider: str, purchase: str, credits: int | None) -> bool:
        """Reserve a job's quote; False, and nothing reserved, when a ceiling would be passed.

        A job without any figure reserves nothing (`unpriced` says when that may be); its charge counts as soon as it is
        reported.
        """
        amount = credits or 0
        if not self._fits(provider, amount):
            return False
        self._set(provider, purchase, amount)
        return True

    def _fits(self, provider: str, amount: int) -> bool:
        limit, budget, job = (
            limits.get(provider) for limits in (self._ceilings.run, self._ceilings.budget, self._ceilings.job)
        )
        after = self.committed(provider) + amount
        within_run = limit is None or after <= limit
        within_budget = budget is None or after + self._spent.get(provider, 0) <= budget
        return within_run and within_budget and (job is None or amount <= job)

    def release(self, provider: str, purchase: str) -> None:
        """Release a reservation: the job was not accepted; one that is not there is no matter."""
        if purchase in self._taken.get(provider, {}):
            self._set(provider, purchase, 0)

    def charge(self, provider: str, purchase: str, credits: int, *, before: int | None) -> None:
        """Note what the provider says at present that a purchase costs; `before` is what its receipt had said.

        It may say more at the end, so what is reserved is not given back yet. A purchase of an earlier run is none of
        this run's: only the budget, which counts receipts, follows it.
        """
        taken = self._taken.get(provider, {})
        if purchase in taken:
            self._set(provider, purchase, max(credits, taken[purchase]))
        else:
            self._spent[provider] = self._spent.get(provider, 0) + credits - (before or 0)

    def finalize(self, provider: str, purchase: str, credits: int, *, before: int | None) -> None:
        """Note what a purchase has cost when its render has ended, 0 after a refund."""
        if purchase in self._taken.get(provider, {}):
            self._set(provider, purchase, credits)
        else:
            self.charge(provider, purchase, credits, before=before)

    def _set(self, provider: str, purchase: str, credits: int) -> None:
        taken = self._taken.setdefault(provider, {})
        self._total[provider] = self.committed(provider) - taken.get(purchase, 0) + credits
        taken[purchase] = credits
