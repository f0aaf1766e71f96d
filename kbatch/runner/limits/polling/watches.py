"""The jobs in flight at one provider, each with a task that sleeps until its next poll.

A task is woken when a list shows the end of its job, or a webhook names it. Nothing here asks the provider.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import anyio
from msgspec.structs import replace

from kbatch.providers.base import Listed, Running
from kbatch.runner.limits.polling.list_polling import Lists

_MOST_HINTS = 3  # a job ends once; one delivery may be doubled, and one come before its poll shows the end


class Watch:
    """A job in flight: when it was `sent` by the provider's clock and watched from, and what lists have said of it.

    `own`: this run's submit was answered with the job's id. `shown` is the list's item of an ended job. `due` while
    its task wants to know its state: `absences` counts the readings that then reached its place and did not show it,
    `missed` says that one ended before its place. `absent_s` is the latest time at which it was not shown.
    `hinted` when a webhook says that the job has ended.
    """

    __slots__ = (
        "_scope",
        "absences",
        "absent_s",
        "began_s",
        "due",
        "hinted",
        "hints",
        "missed",
        "own",
        "sent",
        "shown",
    )

    def __init__(self, sent: datetime | None, *, began_s: float, own: bool) -> None:
        self.sent, self.began_s, self.own = sent, began_s, own
        self.shown: Listed | None = None
        self.absences, self.absent_s = 0, 0.0
        self.due = self.missed = self.hinted = False
        self.hints = 0
        self._scope: anyio.CancelScope | None = None

    def show(self, job: Listed) -> None:
        """Take a list's item of this job, and wake its task; of two items that differ neither is believed."""
        if isinstance(job.outcome, Running):
            return
        self.shown = job if self.shown in (None, job) else replace(job, outcome=None)
        if self._scope is not None:
            self._scope.cancel()

    def hint(self) -> bool:
        """Wake the task to poll; False after the third time, since deliveries may be replayed."""
        if self.hints >= _MOST_HINTS:
            return False
        self.hints, self.hinted = self.hints + 1, True
        if self._scope is not None:
            self._scope.cancel()
        return True

    @contextmanager
    def sleeping(self) -> Iterator[None]:
        """Run a block that only waits, and leave it when the job is shown or hinted at."""
        with anyio.CancelScope() as self._scope:
            if self.shown is not None or self.hinted:
                self._scope.cancel()
            yield
        self._scope = None


class Watches:
    """All watches by job id, the state of polling by list, and an event while the list is being read."""

    __slots__ = ("jobs", "lists", "reading")

    def __init__(self, scale: float) -> None:
        self.jobs: dict[str, Watch] = {}
        self.lists = Lists(scale=scale)
        self.reading: anyio.Event | None = None

    @contextmanager
    def watch(self, job_id: str, watch: Watch) -> Iterator[Watch]:
        """Watch a job during the block."""
        self.jobs[job_id] = watch
        try:
            yield watch
        finally:
            del self.jobs[job_id]
