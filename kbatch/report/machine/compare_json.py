"""A comparison of two plans as plain JSON, the part `comparison` of `plan --format json`."""

from typing import Any

from kbatch.planner.comparison.compare import Change, ChangeKind, Comparison
from kbatch.planner.comparison.compared_jobs import ComparedJob


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
        "jobs": [_change_json(change) for change in comparison.changes if change.kind is not ChangeKind.SAME],
        "notes": list(comparison.notes),
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "address": change.job.address,
        "change": change.kind.value,
        "words": list(change.words),
        "fields": [{"name": field.name, "before": field.before, "after": field.after} for field in change.fields],
        "before": _job_json(change.before),
        "after": _job_json(change.after),
        "credits": dict(change.credits),
        "paid": change.paid,
    }


def _job_json(job: ComparedJob | None) -> dict[str, Any] | None:
    if job is None:
        return None
    return {
        "address": job.address,
        "fingerprint": job.fingerprint,
        "action": job.action.value,
        "provider": job.provider,
        "model": job.model,
        "variant": job.variant,
        "credits": job.credits,
    }
