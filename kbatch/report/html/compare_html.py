"""A comparison of two plans as a section of the plan's page: totals, differences with reasons, and by shot."""

from collections.abc import Sequence
from typing import Any

from kbatch.planner.comparison.compare import Change, ChangeKind, Comparison, add
from kbatch.report.data.format import count
from kbatch.report.text.compare_text import counts_of, grouped, money

_MOST_REASONS = 40
_MOST_SHOTS = 40
_TONES = {
    ChangeKind.CHANGED: "poll",
    ChangeKind.ADDED: "render",
    ChangeKind.REMOVED: "blocked",
    ChangeKind.RENAMED: "reuse",
    ChangeKind.BOUGHT: "reuse",
}


def section(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values for the page."""
    changes = [change for change in comparison.changes if change.kind is not ChangeKind.SAME]
    return {
        "name": comparison.name,
        "detail": comparison.detail.removeprefix("sha256:")[:12],
        "notes": comparison.notes,
        "totals": [
            {
                "provider": provider,
                "unit": total.unit,
                "before": _known(total.before),
                "after": _known(total.after),
                "difference": "unknown" if total.difference is None else f"{total.difference:+,}",
            }
            for provider, total in comparison.totals.items()
        ],
        "changes": _reasons(changes),
        "shots": _shots(comparison),
        "counts": counts_of(comparison),
    }


def _known(amount: int | None) -> str:
    return "unknown" if amount is None else f"{amount:,}"


def _reasons(changes: Sequence[Change]) -> list[dict[str, Any]]:
    ordered = grouped(changes)
    rows = [
        {
            "tone": _TONES[kind],
            "kind": kind.value,
            "jobs": len(group),
            "difference": money(add(change.credits for change in group)),
            "what": "; ".join(said),
            "first": group[0].job.address,
        }
        for kind, said, group in ordered[:_MOST_REASONS]
    ]
    hidden = [change for _, _, group in ordered[_MOST_REASONS:] for change in group]
    if hidden:
        what = f"{count(len(ordered) - _MOST_REASONS, 'more reason')}; `kbatch plan --format json` has all"
        difference = money(add(change.credits for change in hidden))
        rows.append({"tone": "", "kind": "…", "jobs": len(hidden), "difference": difference, "what": what, "first": ""})
    return rows


def _shots(comparison: Comparison) -> list[dict[str, str]]:
    if len(comparison.shots) < 2:
        return []
    rows = [
        {
            "shot": one.shot,
            "counts": ", ".join(f"{number:,} {kind}" for kind, number in one.counts.items() if number),
            "difference": money(one.credits),
        }
        for one in comparison.shots[:_MOST_SHOTS]
    ]
    hidden = comparison.shots[_MOST_SHOTS:]
    if hidden:
        difference = money(add(one.credits for one in hidden))
        rows.append({"shot": f"… and {count(len(hidden), 'more shot')}", "counts": "", "difference": difference})
    return rows
