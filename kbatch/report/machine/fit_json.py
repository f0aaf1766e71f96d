"""The answer of `kbatch fit` as JSON: one object, or one by provider where several have a limit."""

from collections.abc import Sequence
from typing import Any

from kbatch.planner.fit.answer import Fit
from kbatch.planner.fit.description import name_of


def as_json(fits: Sequence[Fit]) -> dict[str, Any]:
    """Return the answer; `expected_after` is that of the cheapest set where nothing fits."""
    if len(fits) == 1:
        return _one(fits[0])
    return {one.provider: _one(one) for one in fits}


def _one(found: Fit) -> dict[str, Any]:
    return {
        "expected": found.expected,
        "wanted": found.wanted,
        "held": found.held,
        "fits": found.fits,
        "chosen": [{"edit": line.edit, "saves": line.saves, "loses": line.loses} for line in found.lines],
        "expected_after": found.after,
        "points": found.chosen.loss,
        "frontier": [{"expected": one.cost, "points": one.loss, "edits": list(name_of(one))} for one in found.frontier],
    }
