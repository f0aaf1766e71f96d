"""A comparison of two plans as plain JSON, the part `comparison` of `plan --format json`."""

from typing import Any

from kbatch.planner.comparison.compare import Change, ChangeKind, Comparison
from kbatch.planner.comparison.compared_jobs import Side


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as `plan --format json` has it; unchanged jobs are only counted."""
    return {
        "with": comparison.name,
        "detail": comparison.detail,
        "counts": comparison.counts,
        "totals": {
            provider: {
                "unit": total.unit,
                "before": total.before,
                "after": total.after,
                "difference": total.difference,
            }
            for provider, total in comparison.totals.items()
        },
        "shots": [
            {"shot": one.shot, "counts": dict(one.counts), "credits": dict(one.credits)} for one in comparison.shots
        ],
        "jobs": [_job_json(change) for change in comparison.changes if change.kind is not ChangeKind.SAME],
        "notes": list(comparison.notes),
    }


def _job_json(change: Change) -> dict[str, Any]:
    return {
        "address": change.side.address,
        "change": change.kind.value,
        "words": list(change.words),
        "fields": [{"name": field.name, "before": field.before, "after": field.after} for field in change.fields],
        "before": _side_json(change.before),
        "after": _side_json(change.after),
        "credits": dict(change.credits),
        "paid": change.paid,
    }


def _side_json(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "address": side.address,
        "fingerprint": side.fingerprint,
        "action": side.action.value,
        "provider": side.provider,
        "model": side.model,
        "variant": side.variant,
        "credits": side.credits,
    }
