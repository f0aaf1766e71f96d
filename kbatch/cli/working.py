"""Carries a confirmed plan out under an event loop, with live progress; loaded only where there is work."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from kbatch import console
from kbatch.garbage import at_work
from kbatch.plan.consent import ConfirmedPlan
from kbatch.prepare import Planned
from kbatch.problems import KbatchError
from kbatch.progress import Progress
from kbatch.receipts.events import Event
from kbatch.run.context import Options as RunOptions
from kbatch.run.execute import Scene, execute
from kbatch.run.ground import Ground
from kbatch.run.happenings import Happening
from kbatch.run.lines import Wiring
from kbatch.run.lookups import leave_lookups_behind
from kbatch.run.outcome import Outcome


def carry_out(  # noqa: PLR0913 - keyword-only, as a caller writes them
    confirmed: ConfirmedPlan,
    ground: Ground,
    planned: Planned,
    *,
    app: Any | None,
    concurrency: Mapping[str | None, int],
    max_failures: int | None,
    follow: Callable[[Event], None],
) -> Outcome:
    """Run a plan and return what it came to; `follow` is told every event once it is durable."""
    scene = Scene(
        folder=ground.folder,
        tree=ground.tree,
        jobs=ground.jobs,
        lockfile_path=ground.lockfile_path,
        loaded=ground.loaded,
        wiring=Wiring(environment=os.environ, app=app, concurrency=concurrency),
        options=RunOptions(max_failures=max_failures),
        interactive=console.is_terminal(),
        replacing=planned.replacing,
        follow=follow,
    )
    return collect_outcome(lambda tell: execute(confirmed, scene, tell), Progress(planned.plan, planned.summary))


def collect_outcome(work: Callable[[Callable[[Happening], None]], Any], progress: Progress) -> Outcome:
    """Run the event loop with live progress, and return what the run came to."""

    async def working() -> Outcome:
        leave_lookups_behind()
        if not progress.moves:
            outcome: Outcome = await work(progress.tell)
            return outcome
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(progress.keep_drawing)
            outcome = await work(progress.tell)
            tasks.cancel_scope.cancel()
        return outcome

    with progress, at_work():
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
