"""Envelopes beside a plan: the file that the command line names, what stands in them, and why they refuse the plan."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kbatch.errors import Refused
from kbatch.planner.plan import Plan
from kbatch.runner.run_inputs import RunInputs

if TYPE_CHECKING:
    from kbatch.planner.budgets.envelopes import EnvelopeUse
    from kbatch.runner.limits.budgets.budget_state import Budgets


def budgets_in(file: Path | None) -> "Budgets | None":
    """Return the budgets that the command line or the environment names; Invalid with all that is wrong with them."""
    if file is None:
        return None
    from kbatch.runner.limits.budgets.budget_state import read_budgets  # noqa: PLC0415 - only where there are some

    return read_budgets(file)


def look_into(
    budgets: "Budgets | None", plan: Plan, inputs: RunInputs, say: Callable[[str], None], *, simulated: bool
) -> "tuple[EnvelopeUse, ...]":
    """Return what stands in the envelopes now, and say it of those that the plan wants something of."""
    if budgets is None:
        return ()
    from kbatch.runner.limits.budgets.open_budgets import uses_of_plan  # noqa: PLC0415 - only where there are some

    uses = uses_of_plan(budgets, plan, inputs, os.environ, simulated=simulated)
    for use in uses:
        if use.wishes:
            say(use.words)
        if use.wishes and use.unplaced:
            say(f"  {use.unplaced:,} purchases of older receipts remember nothing and are not in it")
    return uses


def objections_to(uses: "Iterable[EnvelopeUse]") -> list[Refused]:
    """Return why envelopes refuse a plan."""
    from kbatch.planner.budgets.envelopes import objection_to  # noqa: PLC0415 - only where there are some

    return [objection for use in uses if (objection := objection_to(use)) is not None]
