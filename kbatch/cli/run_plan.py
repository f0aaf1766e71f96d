"""Carries a confirmed plan out under an event loop, with live progress; loaded only where there is work."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from kbatch.cli.ui import console
from kbatch.cli.ui.progress import Progress
from kbatch.errors import KbatchError
from kbatch.gc_pause import gc_running
from kbatch.pipeline.make_plan import Planned
from kbatch.planner.approval.consent import ConfirmedPlan
from kbatch.providers.http.resolver import abandon_lookups_at_exit
from kbatch.receipts.events import Event
from kbatch.runner.context import RunOptions
from kbatch.runner.execute import RunSetup, execute
from kbatch.runner.limits.budgets.budget_state import Budgets
from kbatch.runner.open_sessions import Endpoints
from kbatch.runner.outcome import Outcome
from kbatch.runner.progress_events import ProgressEvent
from kbatch.runner.run_inputs import RunInputs
from kbatch.runner.webhooks.target import WebhookTarget


def carry_out(  # noqa: PLR0913 - keyword-only, as a caller writes them
    confirmed: ConfirmedPlan,
    inputs: RunInputs,
    planned: Planned,
    *,
    app: Any | None,
    concurrency: Mapping[str | None, int],
    max_failures: int | None,
    live: bool,
    webhooks: WebhookTarget | None,
    budgets: Budgets | None,
    on_event: Callable[[Event], None],
) -> Outcome:
    """Run a plan and return its outcome; `follow` is called with every event once it is durable."""
    scene = RunSetup(
        folder=inputs.folder,
        tree=inputs.tree,
        jobs=inputs.jobs,
        lockfile_path=inputs.lockfile_path,
        loaded=inputs.loaded,
        endpoints=Endpoints(environment=os.environ, app=app, concurrency=concurrency),
        options=RunOptions(max_failures=max_failures, live=live, webhooks=webhooks),
        interactive=console.is_terminal(),
        replacing=planned.replacing,
        on_event=on_event,
        budgets=budgets,
    )
    return collect_outcome(lambda tell: execute(confirmed, scene, tell), Progress(planned.plan, planned.summary))


def collect_outcome(work: Callable[[Callable[[ProgressEvent], None]], Any], progress: Progress) -> Outcome:
    """Run the event loop with live progress, and return what the run came to."""

    async def working() -> Outcome:
        abandon_lookups_at_exit()
        if not progress.moves:
            outcome: Outcome = await work(progress.tell)
            return outcome
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.keep_drawing)
            outcome = await work(progress.tell)
            tasks.cancel_scope.cancel()
        return outcome

    with progress, gc_running():
        try:
            outcome = anyio.run(working)
        except BaseExceptionGroup as group:
            known = _only(group)
            raise known from group
    return outcome


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that matters in a group: kbatch's own first."""
    flat: list[BaseException] = []
    stack: list[BaseException] = [group]
    while stack:
        error = stack.pop()
        stack.extend(error.exceptions if isinstance(error, BaseExceptionGroup) else ())
        flat.extend(() if isinstance(error, BaseExceptionGroup) else (error,))
    return next((error for error in flat if isinstance(error, KbatchError)), flat[0])
