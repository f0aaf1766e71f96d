"""Credits under the ceilings: reserved before each submit, released when nothing was charged.

At every moment the sum of earlier charges, unknown sends and this run's reservations stays within each ceiling,
whatever the order of the answers. Only a charge above its quote can exceed a ceiling; nothing more is reserved then.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from kbatch.planner.ceilings import Ceilings

CEILING_REACHED = "the ceiling is reached"


class Share(Struct, frozen=True, kw_only=True):
    """What some purchases of one provider may cost together in this run: its part of the envelope `name`."""

    name: str
    provider: str
    purchases: frozenset[str]
    limit: int


class CreditReservations:
    """Credits that this run has committed, by provider and purchase.

    `spent` are the charges of earlier receipts by provider, `held` the quotes of unknown sends by provider and
    purchase. A purchase is named by its fingerprint.
    """

    def __init__(self, ceilings: Ceilings, spent: Mapping[str, int], held: Mapping[str, Mapping[str, int]]) -> None:
        self._ceilings = ceilings
        self._spent = dict(spent)
        self._taken = {name: dict(amounts) for name, amounts in held.items()}
        self._total = {name: sum(amounts.values()) for name, amounts in held.items()}
        self._shares: dict[Share, int] = {}
        self.on_change: Callable[[], None] | None = None

    def share(self, shares: Iterable[Share]) -> None:
        """Bound purchases by these shares from now on, in place of others; what they have reserved counts."""
        self._shares = {
            share: sum(self._taken.get(share.provider, {}).get(purchase, 0) for purchase in share.purchases)
            for share in shares
        }

    @property
    def shares(self) -> Mapping[Share, int]:
        """The credits that are committed in each share."""
        return self._shares

    def committed(self, provider: str) -> int:
        """Credits that this run has reserved or was charged, including those held for unknown sends."""
        return self._total.get(provider, 0)

    def has_ceiling(self, provider: str, purchase: str = "") -> bool:
        """Whether some ceiling applies to this provider, or a share to this purchase."""
        limited = any(provider in limits for limits in (self._ceilings.run, self._ceilings.budget, self._ceilings.job))
        return limited or bool(self._of(provider, purchase))

    def has_room(self, provider: str) -> bool:
        """Whether one more credit would fit under every ceiling."""
        return self._fits(provider, 1)

    def why_not(self, provider: str, purchase: str, credits: int | None) -> str:
        """Return in words which limit a reservation would exceed."""
        name = next((share.name for share in self._full(provider, purchase, credits or 0)), None)
        return CEILING_REACHED if name is None else f"the envelope `{name}` is reached"

    def reserve(self, provider: str, purchase: str, credits: int | None) -> bool:
        """Reserve a job's quote; False, and nothing reserved, when it would exceed a ceiling.

        With `credits` None nothing is reserved (`unpriced` decides when that is allowed); the charge counts as soon as
        it is reported.
        """
        amount = credits or 0
        if not self._fits(provider, amount) or self._full(provider, purchase, amount):
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

    def _of(self, provider: str, purchase: str) -> list[Share]:
        return [share for share in self._shares if share.provider == provider and purchase in share.purchases]

    def _full(self, provider: str, purchase: str, amount: int) -> list[Share]:
        """Return the shares that a reservation in place of the purchase's present one would exceed."""
        more = amount - self._taken.get(provider, {}).get(purchase, 0)
        return [share for share in self._of(provider, purchase) if self._shares[share] + more > share.limit]

    def release(self, provider: str, purchase: str) -> None:
        """Release the reservation of a job that was not accepted; a missing one is ignored."""
        if purchase in self._taken.get(provider, {}):
            self._set(provider, purchase, 0)

    def charge(self, provider: str, purchase: str, credits: int, *, before: int | None) -> None:
        """Count a charge reported while a job runs; `before` is the charge or quote of its receipt so far.

        The final charge may be higher, so the reservation is not lowered yet. A purchase of an earlier run counts
        against the budget only, which covers all receipts.
        """
        taken = self._taken.get(provider, {})
        if purchase in taken:
            self._set(provider, purchase, max(credits, taken[purchase]))
        else:
            self._spent[provider] = self._spent.get(provider, 0) + credits - (before or 0)

    def finalize(self, provider: str, purchase: str, credits: int, *, before: int | None) -> None:
        """Count the final charge when a render has ended, 0 after a refund."""
        if purchase in self._taken.get(provider, {}):
            self._set(provider, purchase, credits)
        else:
            self.charge(provider, purchase, credits, before=before)

    def _set(self, provider: str, purchase: str, credits: int) -> None:
        taken = self._taken.setdefault(provider, {})
        more = credits - taken.get(purchase, 0)
        self._total[provider] = self.committed(provider) + more
        taken[purchase] = credits
        for share in self._of(provider, purchase):
            self._shares[share] += more
        if self.on_change is not None:
            self.on_change()
