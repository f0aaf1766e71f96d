"""The review of a plan, independent of its format: warnings, reasons and changes in words."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kbatch.planner.actions import PlanEntry
from kbatch.planner.approval.consent import approving_command
from kbatch.planner.comparison.compare import Comparison
from kbatch.planner.plan import Plan
from kbatch.planner.summary import Summary
from kbatch.report.data.format import amount, count, one_line
from kbatch.report.data.stated_prices import stated_extras, stated_prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The content of a review: the plan under its manifest's name, and the objections to it.

    `flags` are the words of the command line that chose these jobs, which a run needs too; `before` is the request that
    an address had when it was last bought; `objections` are sentences, such as a ceiling that the plan passes,
    and `offers` say what would fit below it.
    """

    plan: Plan
    summary: Summary
    name: str
    flags: tuple[str, ...] = ()
    before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    objections: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    simulated: bool = False
    comparison: Comparison | None = None

    @property
    def agreeable(self) -> bool:
        """Whether a reviewer is shown how to agree: something is bought, and nothing objects to it."""
        return bool(self.plan.spends) and not self.objections


def warnings_of(review: Review) -> Iterator[str]:
    """Yield the warnings for a reviewer as sentences; names stand between backticks."""
    plan = review.plan
    yield from plan.basis.notes[:5]
    for provider, total in plan.totals.items():
        if total.unpriced:
            yield f"{count(total.unpriced, 'job')} of {provider} without a known price: no total can be given"
        if total.held:
            yield f"{total.held:,} {total.unit} of {provider} are held by unknown outcomes: `kbatch reconcile`"
    for found in review.summary.costly_defaults[:5]:
        more = f"{found.credits:,} credits more than `{found.cheaper}`"
        yield f"`{found.parameter}` is `{found.default}` by default in {count(found.jobs, 'clip')}: {more}"
    yield from stated_prices(plan.entries)
    yield from stated_extras(plan.entries)
    yield from _dropped(plan.entries)


def _dropped(entries: Iterable[PlanEntry]) -> Iterator[str]:
    gathered: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for name in entry.job.dropped:
            gathered.setdefault((entry.job.model, name), []).append(entry.address)
    for (model, name), addresses in list(gathered.items())[:5]:
        yield f"`{model}` has no `{name}`: left out of {count(len(addresses), 'job')}, first `{addresses[0]}`"


def sent_again(plan: Plan) -> str:
    """Return the unknown sends that the plan's consent covers, with their cost; empty without any."""
    held: dict[str, list[int | None]] = {}
    for entry in plan.resends:
        held.setdefault(entry.job.provider, []).append(entry.held)
    costs = []
    for provider, credits in held.items():
        unpriced = " and a price that is not known" if None in credits else ""
        costs.append(f"{amount(sum(filter(None, credits)), plan.totals[provider].unit)} of {provider}{unpriced}")
    if not costs:
        return ""
    return f"Sends {count(len(plan.resends), 'unknown job')} again, for up to {' and '.join(costs)}"


def command_of(review: Review) -> str:
    """Return the command that agrees to exactly this plan."""
    return one_line(approving_command(review.plan, review.name, review.flags), 4000)
