"""The plan in words for a terminal: pieces of text with the name of a style, line by line, within a given width.

Jobs that differ only in their axes and share action, price and reason are folded when a plan is long.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.approval.plan_digest import SHOWN
from kbatch.planner.payers import Share
from kbatch.planner.plan import Plan, Total
from kbatch.planner.summary import CostGroup, Summary
from kbatch.report.data.format import amount, count, one_line, short_model, span
from kbatch.report.data.prompts import prompt_of
from kbatch.report.data.reasons import why
from kbatch.report.data.stated_prices import stated_extras, stated_prices
from kbatch.report.data.sums import credits_of, dollars_at, paid_by

Line = list[tuple[str, str]]
_MOST_ROWS = 60
_MOST_VALUES = 40


def lines(plan: Plan, summary: Summary, *, width: int) -> Iterator[Line]:
    """Yield the plan's lines: a head, the jobs, what they cost from several sides, the totals."""
    profile = f", profile {plan.settings.profile}" if plan.settings.profile else ""
    yield [(f"Plan for {plan.manifest}{profile}", "title")]
    for note in plan.basis.notes:
        yield [(f"  note: {note}", "warning")]
    yield []
    yield from _jobs(plan.entries, width)
    yield from _dropped(plan.entries)
    for said in (*stated_prices(plan.entries), *stated_extras(plan.entries)):
        for index, words in enumerate(_wrap(said.split(), width - 4)):
            yield [(f"{'  ' if index == 0 else '    '}{words}", "warning")]
    if plan.purchases:
        yield []
        yield from _shares("by model and variant", summary.variants)
        yield from _values("by label", summary.labels, width)
        yield from _values("by axis value", summary.axes, width)
        yield from _costly_defaults(summary)
    yield []
    for provider, total in plan.totals.items():
        yield from _total(plan, provider, total)
    if plan.purchases:
        yield [(f"  expected time {span(*summary.seconds)}", "")]
    if plan.orphans:
        yield [(f"  {count(len(plan.orphans), 'receipt')} that no job refers to any more; kept", "dim")]
    shown = ", ".join(f"{number:,} {name}" for name, number in plan.counts.items() if number)
    yield [(f"  {shown or 'no jobs'}", ""), (f"   {plan.digest}", "dim")]


def _jobs(entries: Sequence[PlanEntry], width: int) -> Iterator[Line]:
    """Yield the jobs in groups that share action and reason, each group under its sentence."""
    if not entries:
        yield [("  no jobs are selected", "dim")]
        return
    groups: dict[tuple[Action, str], list[PlanEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.action, why(entry)), []).append(entry)
    models = min(max(len(_model(entry)) for entry in _one_of_each(entries, _model_of)), 30)
    prices = max(len(_price(entry)) for entry in _one_of_each(entries, _price_of))
    longest = min(max(len(entry.address) for entry in entries), max(24, width - 8 - models - prices))
    room = _MOST_ROWS if len(entries) > _MOST_ROWS else len(entries)
    folds_free = len(entries) > _MOST_ROWS and any(entry.buys for entry in entries)
    for (action, reason), group in sorted(groups.items(), key=lambda item: not item[1][0].buys):
        money = f", {credits_of(group)}" if group[0].buys else ""
        head = f"{count(len(group), 'job')}{money}: {reason}"
        for index, words in enumerate(_wrap(head.split(), width - 12)):
            yield [(f"  {action.value if index == 0 else '':<9}", action.value), (words, "")]
        shown = () if folds_free and action is Action.REUSE else group[: max(0, room)]
        room -= len(shown)
        prompt = ""
        for entry in shown:
            yield [
                (f"    {entry.address:<{longest}}  ", ""),
                (f"{_model(entry):<{models}}  ", "dim"),
                (f"{_price(entry):>{prices}}", "money" if entry.buys else "dim"),
                (f"  = {entry.shared_with}" if entry.shared_with else "", "dim"),
            ]
            before, prompt = prompt, prompt_of(entry, width - 6) if entry.action in SHOWN else ""
            if prompt and prompt != before:
                yield [(f"      {prompt}", "dim")]
        hidden = group[len(shown) :]
        if hidden:
            more = f"    … and {count(len(hidden), 'job')} more, {credits_of(hidden)}"
            yield [(f"{more}; --only GLOB or --format json shows them", "dim")]


def _one_of_each(entries: Iterable[PlanEntry], key: Callable[[PlanEntry], Any]) -> Iterable[PlanEntry]:
    """Return an entry for each value of a key: of 100,000 prices few differ."""
    return {key(entry): entry for entry in entries}.values()


def _model_of(entry: PlanEntry) -> tuple[str, str]:
    return entry.job.model, entry.job.quote.variant


def _price_of(entry: PlanEntry) -> tuple[Any, ...]:
    return entry.action, entry.credits, entry.held


def _wrap(words: Iterable[str], width: int) -> Iterator[str]:
    row = ""
    for word in words:
        if row and len(row) + 1 + len(word) > width:
            yield row
            row = word
        else:
            row = f"{row} {word}" if row else word
    yield row


def _model(entry: PlanEntry) -> str:
    name = short_model(entry.job.model)
    return f"{name} {entry.job.quote.variant}"


def _price(entry: PlanEntry) -> str:
    if entry.action.value == "unknown":
        return "held ?" if entry.held is None else f"held {entry.held:,}"
    return "?" if entry.credits is None else f"{entry.credits:,}"


def _dropped(entries: Sequence[PlanEntry]) -> Iterator[Line]:
    gathered: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for name in entry.job.dropped:
            gathered.setdefault((entry.job.model, name), []).append(entry.address)
    for (model, name), addresses in gathered.items():
        words = f"  {model} has no `{name}`: left out of {count(len(addresses), 'job')}, first {addresses[0]}"
        yield [(words, "warning")]


def _shares(title: str, shares: Sequence[CostGroup]) -> Iterator[Line]:
    if not shares:
        return
    yield [(f"  {title}", "dim")]
    names = max(len(share.name) for share in shares)
    for share in sorted(shares, key=lambda share: (-share.credits, share.name))[:12]:
        unpriced = f"  and {count(share.unpriced, 'job')} without a price" if share.unpriced else ""
        money = f" {share.credits:>10,}" if share.jobs > share.unpriced else f" {'?':>10}"
        yield [
            (f"    {share.name:<{names}}  {count(share.jobs, 'job'):>9}", ""),
            (money, "money"),
            (unpriced, "warning"),
        ]
    if len(shares) > 12:
        yield [(f"    … and {len(shares) - 12:,} more", "dim")]


def _values(title: str, shares: Sequence[CostGroup], width: int) -> Iterator[Line]:
    """Yield one row a label or axis: its values with what they cost."""
    if not shares:
        return
    yield [(f"  {title}", "dim")]
    rows: dict[str, list[CostGroup]] = {}
    several = len({share.provider for share in shares}) > 1
    for share in shares:
        rows.setdefault(share.name.partition("=")[0], []).append(share)
    longest = max(map(len, rows))
    for name, mine in rows.items():
        *values, last = _costs(mine, several=several)
        for index, words in enumerate(_wrap([*(f"{value} ·" for value in values), last], width - longest - 8)):
            yield [(f"    {name if index == 0 else '':<{longest}}  ", ""), (words, "")]


def _costs(shares: Sequence[CostGroup], *, several: bool) -> list[str]:
    """Return the values in words: of very many the dearest, or what each of them costs where that is the same."""
    if len(shares) > _MOST_VALUES and len({(share.provider, share.credits, share.unpriced) for share in shares}) == 1:
        return [f"{len(shares):,} values, each{_cost(shares[0], several=several)}"]
    if len(shares) <= _MOST_VALUES:
        dearest = list(shares)
    else:
        dearest = sorted(shares, key=lambda share: (-share.credits, -share.unpriced))[:_MOST_VALUES]
    hidden = len(shares) - len(dearest)
    words = [f"{share.name.partition('=')[2]}{_cost(share, several=several)}" for share in dearest]
    return [*words, f"… and {hidden:,} more"] if hidden else words


def _cost(share: CostGroup, *, several: bool) -> str:
    unpriced = f" + {share.unpriced} ?" if share.unpriced else ""
    whose = f" {share.provider}" if several else ""
    return f" {share.credits:,}{whose}{unpriced}"


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


def saved_lines(document: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield a saved plan as it was saved, from its own words; whether it is stale shows when it is run.

    Whatever it says stands on one line each: a line break in it cannot make a line that the plan does not have.
    """
    bound = document["bound"]
    yield f"Saved plan {_flat(name)} for {_flat(document['manifest'])}"
    if "seal" not in document:
        yield "  saved by an earlier kbatch: it can be read, and to be run it must be saved anew"
    else:
        origins = ", ".join(f"{name} at {origin}" for name, origin in bound["origins"].items())
        yield f"  lockfile {_flat(bound['lockfile'])}; {_flat(origins)}; made {_flat(document['made_at'])}"
    jobs = document["jobs"]
    longest = max((len(_flat(job["address"])) for job in jobs), default=0)
    for job in jobs:
        price = "?" if job["credits"] is None else f"{job['credits']:,}"
        stated = _STATED.get(job.get("price", ""), "")
        words = f"{_flat(job['model'])} {_flat(job['variant'])}  {price}{stated}  {_flat(job['reason'])}"
        yield f"  {_flat(job['action']):<9} {_flat(job['address']):<{longest}}  {words}"
        if job.get("extra"):
            yield f"            extra, sent as written: {one_line(json.dumps(job['extra'], ensure_ascii=False), 200)}"
        if job.get("prompt"):
            yield f"            “{one_line(job['prompt'], 66)}”"
    for provider, total in document["totals"].items():
        unit = _flat(total["unit"])
        expected = amount(total["expected"], unit)
        yield f"  {_flat(provider)}  expected {expected}, maximum {amount(total['maximum'], unit)}"
        shares = (document.get("accounts") or {}).get(provider, {})
        if shares:
            yield f"            {_flat(paid_by({name: Share(**share) for name, share in shares.items()}))}"
    yield f"  {_flat(document['digest'])}"


_STATED = {"manifest": " (stated by the manifest)", "own-card": " (stated by a card of the user)"}


def _flat(text: object) -> str:
    return one_line(str(text), 2000)
