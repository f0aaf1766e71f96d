"""What a plan's purchases cost from each side, the part `costs` of `plan --format json`."""

from collections.abc import Iterable
from typing import Any

from kbatch.planner.costs.groups import CostGroup
from kbatch.planner.summary import Summary


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the costs by shot, variant, label and axis value, in order of appearance."""
    return {
        "shots": _groups(summary.shots),
        "variants": _groups(summary.variants),
        "labels": _groups(summary.labels),
        "axes": _groups(summary.axes),
    }


def _groups(groups: Iterable[CostGroup]) -> list[dict[str, Any]]:
    return [
        {
            "provider": group.provider,
            "name": group.name,
            "jobs": group.jobs,
            "credits": group.credits,
            "unpriced": group.unpriced,
            "saves": None if group.saves is None or group.saves.unpriced else group.saves.credits,
        }
        for group in groups
    ]
