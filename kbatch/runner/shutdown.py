"""Shutdown of a run: graceful (nothing more is submitted), immediate (running tasks end), or after a disk error.

An immediate shutdown still waits a moment for the answer to a paying request, since it may name a job that was just
paid. Signals reach no event loop on Windows or outside the main thread; there Ctrl-C ends the process, and the journal
holds what is needed to continue.
"""

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import anyio
from anyio.abc import TaskStatus

GRACE_S = 2.0
"""How long an immediate shutdown waits for the answer to a submit, which may name a job that was just paid."""


class Shutdown:
    """Shutdown state of one run; create it inside an event loop."""

    def __init__(self) -> None:
        self.requested = False
        self.immediate = False
        self.disk_failed = False
        self._stopping = anyio.Event()
        self._blocks: set[anyio.CancelScope] = set()
        self._sends: set[anyio.CancelScope] = set()

    @property
    def graceful(self) -> bool:
        """Whether submitting has ended: a shutdown was requested, or the disk cannot be written."""
        return self.requested or self.disk_failed

    def stop_gracefully(self) -> None:
        """Submit nothing more; running jobs are collected."""
        self.requested = True
        self._stopping.set()

    def stop_for_disk_error(self) -> None:
        """Submit nothing more, since purchases could not be recorded."""
        self.disk_failed = True
        self._stopping.set()

    def stop_now(self, grace_s: float = GRACE_S) -> None:
        """Cancel every block; submits under way have `grace_s` to be answered."""
        self.immediate = True
        self.stop_gracefully()
        for scope in self._sends:
            scope.deadline = min(scope.deadline, anyio.current_time() + grace_s)
        for scope in self._blocks:
            scope.cancel()

    @contextmanager
    def block(self) -> Iterator[None]:
        """Run a block that an immediate shutdown cancels; after one it is cancelled at its first await."""
        with self._registered(anyio.CancelScope(), self._blocks) as scope:
            if self.immediate:
                scope.cancel()
            yield

    @contextmanager
    def send(self) -> Iterator[None]:
        """Run a paying request; only the grace period of an immediate shutdown cancels it."""
        with self._registered(anyio.CancelScope(shield=True, deadline=math.inf), self._sends) as scope:
            if self.immediate:
                scope.deadline = anyio.current_time()
            yield

    async def pause(self, seconds: float) -> None:
        """Wait before a submit; a shutdown ends the wait."""
        if seconds <= 0:
            return
        with anyio.move_on_after(seconds):
            await self._stopping.wait()

    @contextmanager
    def _registered(self, scope: anyio.CancelScope, among: set[anyio.CancelScope]) -> Iterator[anyio.CancelScope]:
        among.add(scope)
        try:
            with scope:
                yield scope
        finally:
            among.discard(scope)


async def listen(
    shutdown: Shutdown,
    interactive: bool,
    say: Callable[[str], None],
    committed: Callable[[], str],
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Stop gracefully at the first Ctrl-C on a terminal, immediately at the second and at any other signal."""
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    with ExitStack() as stack:
        try:
            received = stack.enter_context(anyio.open_signal_receiver(*signals))
        except (NotImplementedError, RuntimeError, ValueError):
            task_status.started()
            return
        task_status.started()
        async for number in received:
            if number == signal.SIGINT and interactive and not shutdown.requested:
                shutdown.stop_gracefully()
                again = "Ctrl-C again stops at once"
                say(f"stopping: nothing more is submitted, what runs is collected ({committed()} committed); {again}")
            elif not shutdown.immediate:
                shutdown.stop_now()
                say("stopping at once; every job id is saved, the same command resumes")
