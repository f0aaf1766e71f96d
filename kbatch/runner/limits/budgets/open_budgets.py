"""The envelopes of a plan before it is run, and of a run: what it wants of them, and who asks."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from kbatch.planner.budgets.envelopes import EnvelopeUse, wishes_of
from kbatch.planner.plan import Plan
from kbatch.receipts.receipt import Purchase
from kbatch.runner.limits.budgets.alerts import Alerts
from kbatch.runner.limits.budgets.budget_state import Budgets, BudgetState
from kbatch.runner.limits.budgets.run_budgets import RunBudgets
from kbatch.runner.limits.credit_reservations import CreditReservations
from kbatch.runner.preflight.provenance import actor_of
from kbatch.runner.run_inputs import RunInputs
from kbatch.runner.setup import RunSetup


def uses_of_plan(
    budgets: Budgets, plan: Plan, inputs: RunInputs, environment: Mapping[str, str], *, simulated: bool
) -> tuple[EnvelopeUse, ...]:
    """Return what stands in each envelope now, with what a plan wants of it; nothing is reserved."""
    state = BudgetState(budgets, inputs.lockfile_path, simulated=simulated, newest=inputs.loaded.newest)
    wishes = wishes_of(plan.purchases, plan.settings.name, actor_of(environment, inputs.folder))
    return state.uses(wishes, state.month(datetime.now(UTC)))


def budgets_of(
    plan: Plan, setup: RunSetup, reservations: CreditReservations, purchase: Purchase, say: Callable[[str], None]
) -> RunBudgets | None:
    """Return the envelopes of a run that buys, None where it has none; `purchase` is what its receipts remember."""
    if setup.budgets is None:
        return None
    environment, simulated = setup.endpoints.environment, setup.endpoints.app is not None
    wishes = wishes_of(plan.purchases, purchase.campaign, purchase.actor)
    state = BudgetState(setup.budgets, setup.lockfile_path, simulated=simulated, newest=setup.loaded.newest)
    alerts = Alerts(setup.budgets, environment, say, simulated=simulated)
    return RunBudgets(state, wishes, purchase.run, reservations, alerts)
