"""The ceiling while a run goes on: credits are reserved before each submit and given back when nothing was charged.

At every moment charged before + held + committed stays within each ceiling, whatever the order of the answers.
"""

from collections.abc import Mapping

from kbatch.plan.ceilings import Ceilings


class Reserve:
    """What this run has committed, per provider; `spent` is what earlier receipts were charged, `held` by unknowns."""

    def __init__(self, ceilings: Ceilings, spent: Mapping[str, int], held: Mapping[str, int]) -> None:
        self._ceilings = ceilings
        self._spent = dict(spent)
        self._held = dict(held)
        self._committed: dict[str, int] = {}

    def committed(self, provider: str) -> int:
        """Credits reserved or charged in this run."""
        return self._committed.get(provider, 0)

    def take(self, provider: str, credits: int | None) -> bool:
        """Reserve a job's quote; False, and nothing reserved, when a ceiling would be passed.

        An unpriced job reserves nothing: it was agreed to by number, and its charge counts as soon as it is reported.
        """
        amount = credits or 0
        after = self.committed(provider) + amount
        with_held = after + self._held.get(provider, 0)
        limit = self._ceilings.run.get(provider)
        if limit is not None and with_held > limit:
            return False
        budget = self._ceilings.budget.get(provider)
        if budget is not None and with_held + self._spent.get(provider, 0) > budget:
            return False
        per_job = self._ceilings.job.get(provider)
        if per_job is not None and amount > per_job:
            return False
        self._committed[provider] = after
        return True

    def give_back(self, provider: str, credits: int | None) -> None:
        """Release a reservation: the job was not accepted, or was refunded."""
        self._committed[provider] = self.committed(provider) - (credits or 0)

    def correct(self, provider: str, credits: int | None, reported: int) -> None:
        """Replace a reservation by what the provider says it charges."""
        self._committed[provider] = self.committed(provider) - (credits or 0) + reported
