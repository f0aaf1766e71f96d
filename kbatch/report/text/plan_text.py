"""The plan in words for a terminal: pieces of text with the name of a style, line by line, within a given width.

The jobs come first, by what they cost; then the costs from several sides, the totals, and what agrees to the plan.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from kbatch.planner.actions import PlanEntry
from kbatch.planner.plan import Plan, Total
from kbatch.planner.summary import Summary
from kbatch.report.data.format import amount, count, short_digest, span
from kbatch.report.data.stated_prices import stated_extras, stated_prices
from kbatch.report.data.sums import dollars_at, paid_by
from kbatch.report.text import plan_costs, plan_jobs
from kbatch.report.text.wrapping import Line, command_rows, wrap_words


def lines(plan: Plan, summary: Summary, *, width: int, every: bool = False, command: str = "") -> Iterator[Line]:
    """Yield the plan's lines: a head, the jobs, what they cost from several sides, the totals.

    `every` lists all jobs; `command` is what agrees to exactly this plan, without it the whole digest is shown.
    """
    profile = f", profile {plan.settings.profile}" if plan.settings.profile else ""
    yield [(f"Plan for {plan.manifest}{profile}", "title")]
    for note in plan.basis.notes:
        yield [(f"  note: {note}", "warning")]
    yield []
    yield from plan_jobs.lines(plan.entries, width, every=every)
    yield from _dropped(plan.entries)
    for said in (*stated_prices(plan.entries), *stated_extras(plan.entries)):
        for index, words in enumerate(wrap_words(said.split(), width - 4)):
            yield [(f"{'  ' if index == 0 else '    '}{words}", "warning")]
    if plan.purchases:
        yield []
        yield from plan_costs.lines(summary, width)
        yield from _costly_defaults(summary)
    yield []
    for provider, total in plan.totals.items():
        yield from _total(plan, provider, total)
    if plan.purchases:
        yield [(f"  expected time {span(*summary.seconds)}", "")]
    if plan.orphans:
        yield [(f"  {count(len(plan.orphans), 'receipt')} that no job refers to any more; kept", "dim")]
    shown = ", ".join(f"{number:,} {name}" for name, number in plan.counts.items() if number)
    yield from _agreement(shown or "no jobs", plan, command if plan.spends else "", width)


def _agreement(counts: str, plan: Plan, command: str, width: int) -> Iterator[Line]:
    """Yield the counts and the digest: short where the command that is copied has it, else whole on its own line."""
    if not command:
        yield [(f"  {counts}", "")]
        yield [(f"  {plan.digest}", "dim")]
        return
    yield [(f"  {counts}", ""), (f"   {short_digest(plan.digest)}", "dim")]
    yield [("  to agree to exactly this plan:", "")]
    for row in command_rows(command, width - 4):
        yield [(f"    {row}", "")]


def _dropped(entries: Sequence[PlanEntry]) -> Iterator[Line]:
    gathered: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for name in entry.job.dropped:
            gathered.setdefault((entry.job.model, name), []).append(entry.address)
    for (model, name), addresses in gathered.items():
        words = f"  {model} has no `{name}`: left out of {count(len(addresses), 'job')}, first {addresses[0]}"
        yield [(words, "warning")]


def _costly_defaults(summary: Summary) -> Iterator[Line]:
    for found in summary.costly_defaults:
        words = f"  {found.parameter} is {found.default} by default, in {count(found.jobs, 'job')}: "
        yield [(f"{words}{found.credits:,} credits more than {found.cheaper}", "warning")]


def _total(plan: Plan, provider: str, total: Total) -> Iterator[Line]:
    row: Line = [(f"  {provider:<10}", "title")]
    if total.unpriced:
        row.append((f"{count(total.unpriced, 'job')} without a known price", "warning"))
        if total.known:
            row.append((f"; the others {total.known:,} {total.unit}", ""))
    else:
        row.append((f"expected {amount(total.expected, total.unit)}", "money"))
        row.append((_usd(plan.settings.usd_per_credit, provider, total.expected), "dim"))
    if total.held:
        row.append(
            (f", {total.held:,} held by unknown outcomes: maximum {amount(total.maximum, total.unit)}", "warning")
        )
    yield row
    if provider in plan.shares and plan.purchases:
        yield [(f"            {paid_by(plan.shares[provider])}", "")]
    spent, limits = plan.spent.get(provider, 0), plan.settings.max_credits
    budget = limits.get(provider, limits.get(None))
    if budget is not None:
        left = budget - spent - total.known - total.held
        words = f"            budget {budget:,}, {spent:,} charged before, "
        yield [
            (words, ""),
            (f"{left:,} left after this" if left >= 0 else f"{-left:,} over", "" if left >= 0 else "error"),
        ]


def _usd(rates: Mapping[str, Decimal], provider: str, credits: int | None) -> str:
    said = dollars_at(rates.get(provider), credits)
    return f" ({said})" if said else ""
