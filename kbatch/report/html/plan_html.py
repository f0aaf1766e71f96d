"""A plan as one HTML page: actions with reasons, where the credits go, every job with its price."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.costs.groups import CostGroup
from kbatch.planner.plan import Plan, Total
from kbatch.report.data.format import count, span
from kbatch.report.data.reasons import by_reason, why
from kbatch.report.data.review import Review, command_of, sent_again, warnings_of
from kbatch.report.data.rows import read_rows
from kbatch.report.data.shares import Slice
from kbatch.report.data.sums import credits_by_provider, dollars_at, paid_by, priced, rows_of_sides
from kbatch.report.html.compare_html import section
from kbatch.report.html.pages import Parts, attributes_of, chart, charts_by_key, filters_of, render_page

ACTION_WORDS: Mapping[Action, str] = {
    Action.RENDER: "buy",
    Action.REUSE: "reuse",
    Action.POLL: "poll",
    Action.DOWNLOAD: "fetch",
    Action.UNKNOWN: "unknown",
    Action.BLOCKED: "blocked",
}
"""Actions in words."""
_MOST_REASONS = 40


def as_html(review: Review, parts: Parts) -> str:
    """Return the plan as a page."""
    plan = review.plan
    rows = read_rows(plan.entries, {}, frozenset())
    states = {entry.action.value: ACTION_WORDS[entry.action] for entry in plan.entries}
    jobs = [_job(entry, attributes_of(row)) for entry, row in zip(plan.entries, rows, strict=True)]
    page = {
        "title": plan.settings.name,
        "name": review.name,
        "profile": plan.settings.profile,
        "headline": _headline(plan),
        "simulated": review.simulated,
        "objections": (*review.objections, *review.offers),
        "warnings": list(warnings_of(review)),
        "accounts": [_account(plan, provider, total) for provider, total in plan.totals.items()],
        "time": span(*review.summary.seconds) if plan.purchases else "",
        "states": [
            {"state": name, "words": ACTION_WORDS[Action(name)], "jobs": number}
            for name, number in plan.counts.items()
            if number
        ],
        "reasons": _reasons(plan.entries),
        "compared": None if review.comparison is None else section(review.comparison),
        "charts": _charts(review),
        "sides": _sides(review),
        "filters": filters_of(rows, states, "Action"),
        "shots": _shots(jobs),
        "digest": plan.digest,
        "command": command_of(review) if review.agreeable else "",
        "things": "jobs",
        "thing": "job",
        "foot": f"Made by kbatch from {review.name}. Credits are each provider's own.",
    }
    return render_page("plan.html", page, parts)


def _shots(jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the jobs by shot, shots that cost nothing last: an approver reads what costs."""
    shots = [(name, list(each)) for name, each in groupby(jobs, key=lambda job: str(job["shot"]))]
    shots.sort(key=lambda shot: all(job["state"] == Action.REUSE.value for job in shot[1]))
    return [_shot(name, each) for name, each in shots]


def _headline(plan: Plan) -> str:
    if not plan.purchases:
        return sent_again(plan) or "Nothing is bought"
    prices = [f"{total.known:,} {total.unit}" for total in plan.totals.values() if total.known]
    unpriced = sum(total.unpriced for total in plan.totals.values())
    prices += [f"an unknown price ({count(unpriced, 'clip')})"] if unpriced else []
    again = f". {sent_again(plan)}" if plan.resends else ""
    return f"Buys {count(len(plan.purchases), 'clip')} for {' and '.join(prices)}{again}"


def _account(plan: Plan, provider: str, total: Total) -> dict[str, Any]:
    limits, spent = plan.settings.max_credits, plan.spent.get(provider, 0)
    budget = limits.get(provider, limits.get(None))
    return {
        "provider": provider,
        "unit": total.unit,
        "expected": "unknown" if total.expected is None else f"{total.expected:,}",
        "maximum": f"{total.known + total.held:,}" if total.held else "",
        "usd": dollars_at(plan.settings.usd_per_credit.get(provider), total.expected),
        "paid_by": paid_by(plan.shares[provider]) if provider in plan.shares else "",
        "budget": budget,
        "left": None if budget is None else budget - spent - total.known - total.held,
        "meter": _meter(provider, budget, spent, total) if budget else None,
    }


def _meter(provider: str, budget: int, spent: int, total: Total) -> dict[str, Any]:
    """Return the budget as a bar: charged before, this plan, held by unknowns; an excess is cut."""
    pieces, start = [], 0.0
    for kind, words, credits in (
        ("spent", "charged before", spent),
        ("now", "this plan", total.known),
        ("held", "held by unknowns", total.held),
    ):
        width = min(100 * credits / budget, 100 - start)
        if width > 0:
            pieces.append(
                {"kind": kind, "start": round(start, 2), "width": round(width, 2), "words": f"{words} {credits:,}"}
            )
            start += width
    parts = [f"{spent:,} charged before", f"{total.known:,} in this plan"]
    parts += [f"{total.held:,} held"] if total.held else []
    return {"pieces": pieces, "label": f"{provider}: {', '.join(parts)}, of a budget of {budget:,}"}


def _reasons(entries: Sequence[PlanEntry]) -> list[dict[str, Any]]:
    """Return a row for each reason, what costs most first; paid jobs without one of their own, and the rest, share."""
    groups = by_reason(entries)
    rows = [_reason(group.why, group.entries) for group in groups if not group.plain]
    shown, rest = rows[:_MOST_REASONS], [group for group in groups if not group.plain][_MOST_REASONS:]
    if rest:
        more = f"{count(len(rest), 'more reason')}, each beside its job below"
        of_rest = [entry for group in rest for entry in group.entries]
        shown.append({**_reason(more, of_rest), "state_words": "…"})
    plain = [entry for group in groups if group.plain for entry in group.entries]
    return [*shown, _reason("paid already", plain)] if plain else shown


def _reason(reason: str, group: Sequence[PlanEntry]) -> dict[str, Any]:
    action = group[0].action
    sums = credits_by_provider(entry for entry in group if entry.buys)
    several = [f"{credits:,} {provider}" for provider, credits in sums.items()]
    known = several if len(sums) > 1 else [f"{credits:,}" for credits in sums.values()]
    credits = "" if action is not Action.RENDER else " and ".join(known)
    unpriced = sum(entry.credits is None for entry in group)
    return {
        "state": action.value,
        "state_words": ACTION_WORDS[action],
        "jobs": len(group),
        "credits": f"{credits} + {unpriced} ?" if unpriced else credits,
        "why": reason,
        "first": group[0].address,
    }


def _charts(review: Review) -> list[dict[str, Any]]:
    summary = review.summary
    found = []
    for provider, total in review.plan.totals.items():
        variants = _slices(summary.variants, provider)
        if variants:
            keyed = (*_slices(summary.labels, provider), *_slices(summary.axes, provider))
            shots = _slices(summary.shots, provider)
            first = [chart("by shot", shots)] if len(shots) > 1 else []
            charts = [*first, chart("by model and variant", variants), *charts_by_key(keyed)]
            found.append({"provider": provider, "unit": total.unit, "settlement": "", "charts": charts})
    return found


def _sides(review: Review) -> list[dict[str, Any]]:
    """Return a row for each shot, model, label and axis value, the dearest of each side, the others in one."""
    return [
        {
            "side": title,
            "name": group.name,
            "provider": group.provider,
            "jobs": group.jobs,
            "credits": priced(group.credits, group.unpriced),
            "saves": "" if group.saves is None else priced(group.saves.credits, group.saves.unpriced),
        }
        for title, group in rows_of_sides(review.summary)
    ]


def _slices(shares: Iterable[CostGroup], provider: str) -> list[Slice]:
    return [
        Slice(provider=provider, name=share.name, jobs=share.jobs, credits=share.credits, unknown=share.unpriced)
        for share in shares
        if share.provider == provider and share.jobs
    ]


def _shot(name: str, jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    credits = sum(job["credits"] or 0 for job in jobs)
    return {"name": name, "words": f"{count(len(jobs), 'job')}, {credits:,} credits", "jobs": jobs}


def _job(entry: PlanEntry, attributes: Mapping[str, Any]) -> dict[str, Any]:
    job = entry.job
    facts = (
        ("price", job.quote.working),
        ("needs a frame of", ", ".join(job.upstream)),
        ("left out", ", ".join(job.dropped)),
        ("clip", job.draft.output),
        ("fingerprint", job.fingerprint),
    )
    return {
        **attributes,
        "state": entry.action.value,
        "state_words": ACTION_WORDS[entry.action],
        "credits": entry.credits,
        "model_words": f"{job.model} {job.quote.variant}",
        "money": _money(entry),
        "why": why(entry),
        "prompt": job.request.get("prompt"),
        "facts": [(name, value) for name, value in facts if value],
    }


def _money(entry: PlanEntry) -> str:
    if entry.action is Action.UNKNOWN:
        return f"{'?' if entry.held is None else f'{entry.held:,}'} held"
    if not entry.buys:
        return ""
    return "price unknown" if entry.credits is None else count(entry.credits, "credit")
