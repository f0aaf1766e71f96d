"""Ceilings: how many credits a run may commit, from the command line, the budget and the limit per job.

A ceiling counts the credits of one provider. A number without a provider applies to the only provider in use; with two
providers it is refused, since their credits are different units.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from kbatch.errors import Problem, did_you_mean
from kbatch.planner.plan import Plan


class Ceilings(Struct, frozen=True, kw_only=True):
    """Credits by provider: `run` limits this run, `budget` this run and all earlier charges, `job` each job."""

    run: Mapping[str, int]
    budget: Mapping[str, int]
    job: Mapping[str, int]

    @property
    def any(self) -> bool:
        """Whether some ceiling on a run's total is set."""
        return bool(self.run or self.budget)


class ExceededCeiling(Struct, frozen=True, kw_only=True):
    """A ceiling that the plan exceeds; `ceiling` and `wanted` are in the provider's credits, of one job or of all."""

    provider: str
    ceiling: int
    wanted: int
    message: str
    of_a_job: bool = False


def read_ceilings(
    plan: Plan, max_credits: Sequence[str], providers: Collection[str]
) -> tuple[Ceilings, tuple[Problem, ...]]:
    """Return the ceilings of a plan from `--max-credits` words, which name `providers`, and its manifest's budget."""
    run, wrong = _read_words(max_credits, plan.providers, providers)
    problems = list(wrong)
    budget, job = plan.settings.max_credits, plan.settings.max_credits_per_job
    ceilings = Ceilings(
        run=_by_provider(plan.providers, run, "`--max-credits`", problems),
        budget=_by_provider(plan.providers, budget.items(), "`budget.max_credits`", problems),
        job=_by_provider(plan.providers, job.items(), "`budget.max_credits_per_job`", problems),
    )
    return ceilings, tuple(problems)


def read_limits(
    used: Sequence[str], max_credits: Sequence[str], providers: Collection[str]
) -> tuple[dict[str, int], tuple[Problem, ...]]:
    """Return the credits by provider of `--max-credits` words, for jobs that use these providers."""
    amounts, wrong = _read_words(max_credits, used, providers)
    problems = list(wrong)
    limits = _by_provider(used, amounts, "`--max-credits`", problems)
    return limits, tuple(problems)


def _read_words(
    words: Sequence[str], used: Sequence[str], providers: Collection[str]
) -> tuple[list[tuple[str | None, int]], list[Problem]]:
    problems: list[Problem] = []
    amounts: list[tuple[str | None, int]] = []
    for word in words:
        provider, _, amount = word.rpartition("=")
        if not (amount.isascii() and amount.isdigit()):
            hint = f"a whole number, or `{next(iter(used), 'PROVIDER')}=500`"
            message = f"`--max-credits {word}` is not a ceiling"
            problems.append(Problem(code="bad-ceiling", message=message, hint=hint))
        elif provider and provider not in providers:
            message = f"`--max-credits {word}` names no provider"
            problems.append(Problem(code="unknown-provider", message=message, hint=did_you_mean(provider, providers)))
        else:
            amounts.append((provider or None, int(amount)))
    return amounts, problems


def _by_provider(
    used: Sequence[str], amounts: Iterable[tuple[str | None, int]], what: str, problems: list[Problem]
) -> dict[str, int]:
    """Return the lowest ceiling of each provider; a number without a provider applies to the only one in use."""
    found: dict[str, int] = {}
    for named, amount in amounts:
        provider = named or (used[0] if len(used) == 1 else None)
        if provider is not None:
            found[provider] = min(amount, found.get(provider, amount))
        elif used:
            hint = f"say whose credits: {', '.join(f'{name}=…' for name in used)}"
            message = f"{what} is a bare number, and the jobs use {' and '.join(used)}"
            problems.append(Problem(code="ceiling-without-provider", message=message, hint=hint))
    return found


def find_exceeded(plan: Plan, ceilings: Ceilings) -> tuple[ExceededCeiling, ...]:
    """Return every ceiling that the plan's maximum exceeds; unknown prices count at purchase, not here."""
    exceeded: list[ExceededCeiling] = []
    for provider, total in plan.totals.items():
        wanted = total.known + total.held
        if provider in ceilings.run and wanted > ceilings.run[provider]:
            ceiling = ceilings.run[provider]
            message = f"{provider}: the plan's maximum is {wanted:,} {total.unit}, --max-credits allows {ceiling:,}"
            exceeded.append(ExceededCeiling(provider=provider, ceiling=ceiling, wanted=wanted, message=message))
        if provider in ceilings.budget and wanted:
            spent, ceiling = plan.spent.get(provider, 0), ceilings.budget[provider]
            if spent + wanted > ceiling:
                before = f" with {spent:,} already charged" if spent else ""
                message = (
                    f"{provider}: the plan's maximum is {wanted:,} {total.unit}{before}, the budget is {ceiling:,}"
                )
                exceeded.append(
                    ExceededCeiling(provider=provider, ceiling=ceiling, wanted=spent + wanted, message=message)
                )
    for entry in plan.spends:
        limit, credits = ceilings.job.get(entry.job.provider), entry.held if entry.resend else entry.credits
        if limit is not None and credits is not None and credits > limit:
            message = f"`{entry.address}` costs {credits:,}, `max_credits_per_job` allows {limit:,}"
            exceeded.append(
                ExceededCeiling(
                    provider=entry.job.provider, ceiling=limit, wanted=credits, message=message, of_a_job=True
                )
            )
    return tuple(exceeded)
