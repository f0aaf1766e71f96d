"""A plan as Markdown for its reviewer: purchases with reasons, cost, budget and digest.

The facts for an approver stand above the folds, every job below one. The page fits a comment and marks it.
"""

from collections.abc import Iterable, Iterator, Sequence

from kbatch.planner.actions import PlanEntry
from kbatch.planner.comparison.request_diff import FieldChange, differences, text_change
from kbatch.planner.plan import Plan, Total
from kbatch.planner.summary import Summary
from kbatch.report.data.format import amount, count, span
from kbatch.report.data.reasons import ReasonGroup, by_reason
from kbatch.report.data.review import Review, command_of, sent_again, warnings_of
from kbatch.report.data.sums import dollars_at, paid_by, priced, rows_of_sides
from kbatch.report.markdown import compare_markdown
from kbatch.report.markdown.markdown import Block, Table, code, marker, prose, quote, render

_MOST_REASONS = 12
_MOST_WAYS = 3
"""How many different changes of one field in a shot are listed before they become one row."""


def as_markdown(review: Review, limit: int) -> str:
    """Return the plan as Markdown of at most `limit` bytes."""
    return render(list(_blocks(review)), limit)


def _blocks(review: Review) -> Iterator[Block]:
    plan = review.plan
    profile = f", profile {code(plan.settings.profile)}" if plan.settings.profile else ""
    yield marker("plan", review.name, plan.settings.profile)
    yield f"## Plan for {code(review.name)}{profile}"
    yield _headline(plan)
    yield _totals(plan)
    for provider, shares in plan.shares.items():
        yield f"{code(provider)} is {prose(paid_by(shares))}."
    yield quote("Stop", (prose(said) for said in (*review.objections, *review.offers)))
    rehearsal = ["this is a rehearsal: nothing real is bought"] if review.simulated else []
    yield quote("Look", (prose(said) for said in (*rehearsal, *warnings_of(review))))
    if review.comparison is not None:
        yield from compare_markdown.blocks(review.comparison)
    if plan.purchases:
        yield "### What is bought, and why"
        yield _reasons(plan.purchases)
        yield _changes(review)
        yield _purchases(plan.purchases)
        yield _sides(review.summary)
    yield _others(plan)
    yield _approval(review)


def _headline(plan: Plan) -> str:
    bought = plan.purchases
    again = f"**{sent_again(plan)}.**" if plan.resends else ""
    if not bought:
        return f"{again or '**Nothing is bought.**'}{_counts(plan)}"
    prices = []
    for provider, total in plan.totals.items():
        if total.known or total.unpriced:
            usd = dollars_at(plan.settings.usd_per_credit.get(provider), total.known)
            unpriced = f" and {count(total.unpriced, 'clip')} without a known price" if total.unpriced else ""
            prices.append(
                f"{amount(total.known, total.unit)} of {code(provider)}{f' ({usd})' if usd else ''}{unpriced}"
            )
    buys = f"**Buys {count(len(bought), 'clip')} for {' and '.join(prices)}.**"
    return f"{buys}{again and ' '}{again}{_counts(plan)}"


_COUNTED = {"reuse": "reused", "poll": "polled", "download": "fetched", "unknown": "unknown", "blocked": "blocked"}


def _counts(plan: Plan) -> str:
    others = [f"{plan.counts[name]:,} {word}" for name, word in _COUNTED.items() if plan.counts.get(name)]
    return f" Beside that: {', '.join(others)}." if others else ""


def _totals(plan: Plan) -> Block:
    rows = []
    for provider, total in plan.totals.items():
        limits, spent = plan.settings.max_credits, plan.spent.get(provider, 0)
        budget = limits.get(provider, limits.get(None))
        left = None if budget is None else budget - spent - total.known - total.held
        rows.append((code(provider), *_money(total), f"{spent:,}", _number(budget), _left(left)))
    head = ("provider", "expected", "maximum", "charged before", "budget", "left after this")
    return Table(head=head, align="lrrrrr", rows=tuple(rows)) if rows else ""


def _money(total: Total) -> tuple[str, str]:
    if total.unpriced:
        return f"{total.known:,} + {total.unpriced} unpriced", "unknown"
    return _number(total.expected), _number(total.maximum)


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _left(left: int | None) -> str:
    return _number(left) if left is None or left >= 0 else f"**{-left:,} over**"


def _reasons(bought: Sequence[PlanEntry]) -> Table:
    groups = by_reason(bought)
    rows = tuple(
        (f"{len(group.entries):,}", _credits(group.entries), prose(group.why), code(group.entries[0].address))
        for group in groups
    )
    return Table(
        head=("clips", "credits", "why", "first"),
        align="rrll",
        rows=rows[:_MOST_REASONS] + tuple(_rest(groups[_MOST_REASONS:])),
    )


def _rest(hidden: Sequence[ReasonGroup]) -> Iterator[tuple[str, ...]]:
    if hidden:
        entries = [entry for group in hidden for entry in group.entries]
        yield f"{len(entries):,}", _credits(entries), f"{count(len(hidden), 'more reason')}, each below", ""


def _credits(entries: Iterable[PlanEntry]) -> str:
    amounts = [entry.credits for entry in entries]
    unpriced = amounts.count(None)
    known = f"{sum(filter(None, amounts)):,}"
    return known if not unpriced else f"{known} + {unpriced} ?"


def _changes(review: Review) -> Block:
    """Return the differences from the last purchases of the same addresses, each change once.

    A text that changed in most words stands there in full, as it was and as it is now in the first job of its shot.
    """
    found: dict[tuple[str, str], dict[str, list[tuple[FieldChange, PlanEntry]]]] = {}
    for entry in review.plan.purchases:
        for field in differences(review.before.get(entry.address, entry.job.request), entry.job.request):
            ways = found.setdefault((entry.job.draft.shot, field.name), {})
            ways.setdefault(_change(field)[0], []).append((field, entry))
    alike: dict[tuple[str, str, str], list[PlanEntry]] = {}
    for ways in found.values():
        for words, jobs in _as_one(ways).items():
            _, *texts = _change(jobs[0][0])
            alike.setdefault((words, texts[0], texts[1]), []).extend(entry for _, entry in jobs)
    rows = tuple(
        (code(words), code(one, 300), code(other, 300), f"{len(entries):,}", code(entries[0].address))
        for (words, one, other), entries in sorted(alike.items(), key=lambda item: (-len(item[1]), item[0]))
    )
    if not rows:
        return ""
    return Table(
        head=("change", "was", "is now", "clips", "first"),
        align="lllrl",
        rows=rows,
        fold=f"What changed since it was last bought: {count(len(rows), 'change')}",
        noun="change",
        elsewhere="`kbatch explain` shows each job",
    )


def _as_one(ways: dict[str, list[tuple[FieldChange, PlanEntry]]]) -> dict[str, list[tuple[FieldChange, PlanEntry]]]:
    """Return the ways in which a field of a shot's jobs differs; more than a few become the first job's."""
    if len(ways) <= _MOST_WAYS:
        return ways
    jobs = [job for way in ways.values() for job in way]
    return {f"{next(iter(ways))}, in each job in its own way": jobs}


def _change(field: FieldChange) -> tuple[str, str, str]:
    """Return a change in words, with both texts where the words do not tell them."""
    words = field.words
    if isinstance(field.before, str) and isinstance(field.after, str) and " " in field.before:
        words = f"{field.name} {text_change(field.before, field.after)}"
    whole = words == f"{field.name} rewritten"
    return words, str(field.before) if whole else "", str(field.after) if whole else ""


def _purchases(bought: Sequence[PlanEntry]) -> Table:
    rows = tuple(
        (code(entry.address), code(_model(entry)), _credits([entry]), code(entry.job.request.get("prompt") or "", 240))
        for entry in bought
    )
    return Table(
        head=("job", "model and variant", "credits", "prompt"),
        align="llrl",
        rows=rows,
        fold=f"All {count(len(bought), 'purchase')}: {_credits(bought)} credits",
        noun="purchase",
        elsewhere="`kbatch plan --format json` has all",
    )


def _model(entry: PlanEntry) -> str:
    return f"{entry.job.model} {entry.job.quote.variant}"


def _sides(summary: Summary) -> Table:
    rows = tuple(
        (
            title,
            code(group.provider),
            code(group.name),
            f"{group.jobs:,}",
            priced(group.credits, group.unpriced),
            "–" if group.saves is None else priced(group.saves.credits, group.saves.unpriced),
        )
        for title, group in rows_of_sides(summary)
    )
    return Table(
        head=("by", "provider", "which", "clips", "credits", "dropping it saves"),
        align="lllrrr",
        rows=rows,
        fold="Credits by shot, model and variant, label, axis value, and what dropping each saves",
    )


def _others(plan: Plan) -> Block:
    """Return what is not bought: what may have cost something, waits or is owed first, what is paid in one row."""
    others = [entry for entry in plan.entries if not entry.buys]
    groups = by_reason(others)
    rows = [
        (group.entries[0].action.value, f"{len(group.entries):,}", prose(group.why), code(group.entries[0].address))
        for group in groups
        if not group.plain
    ]
    plain = [entry for group in groups if group.plain for entry in group.entries]
    if plain:
        rows.append(("reuse", f"{len(plain):,}", "paid already", code(plain[0].address)))
    if not rows:
        return ""
    return Table(
        head=("action", "jobs", "why", "first"),
        align="lrll",
        rows=tuple(rows),
        fold=f"Not bought: {count(len(others), 'job')}",
        noun="reason",
        elsewhere="`kbatch plan --format json` has all",
    )


def _approval(review: Review) -> str:
    plan = review.plan
    if review.objections:
        return "**This plan is refused**: there is nothing to agree to until what stops it is changed."
    if not review.agreeable:
        return f"Digest {code(plan.digest)}"
    time = f"Expected time {span(*review.summary.seconds)}. "
    return f"{time}To agree to exactly this plan:\n\n```sh\n{command_of(review)}\n```"
