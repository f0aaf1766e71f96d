"""When to poll renders of one kind: the first render is polled early and measures how long the kind takes.

A model card's typical times may be wrong. While no render of a kind has been measured and others wait, the first is
polled sooner and more often; when it has ended, the others use its time.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from kbatch.runner.limits.polling.render_time_estimate import (
    RenderTimeEstimate,
    ahead_poll_after,
    first_poll_after,
    learn,
    next_poll_after,
)
from kbatch.runner.pending import PendingRender


class PollSchedule:
    """The estimate for one kind of render and the tasks that wait for it; `scale` multiplies all waits."""

    def __init__(self, usual_s: float, scale: float) -> None:
        """`usual_s` is the shortest typical time of the model card, in seconds."""
        self._estimate = RenderTimeEstimate(usual_s=usual_s)
        self._scale = scale
        self._has_leader = False
        self._waiting = 0
        self._measured = anyio.Event()

    @contextmanager
    def following(self, *, fresh: bool) -> Iterator[bool]:
        """Poll a render during the block; yields True for the first of its kind, whose end releases the others."""
        leads = fresh and not self._has_leader
        self._has_leader = self._has_leader or leads
        try:
            yield leads
        finally:
            if leads:
                self._measured.set()

    async def first_poll(self, jitter: float, *, leads: bool) -> None:
        """Wait from the acceptance to the first poll."""
        accepted = anyio.current_time()
        if leads:
            await anyio.sleep(ahead_poll_after(0.0, self._estimate.usual_s) * self._scale)
            if self._waiting:
                return
        elif not self._measured.is_set():
            with self._counted(), anyio.move_on_after(first_poll_after(self._estimate, jitter) * self._scale):
                await self._measured.wait()
        due = accepted + first_poll_after(self._estimate, jitter) * self._scale
        await anyio.sleep(max(0.0, due - anyio.current_time()))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def next_poll_after(self, elapsed_s: float, jitter: float, *, leads: bool) -> float:
        """Return the seconds to the next poll, not scaled, for a render that was accepted `elapsed_s` ago."""
        if leads and self._waiting and elapsed_s < self._estimate.usual_s:
            return ahead_poll_after(elapsed_s, self._estimate.usual_s)
        return next_poll_after(elapsed_s, jitter)

    def ended(self, *, running_s: float, ended_s: float) -> None:
        """Add a render that was still running at `running_s` (0: not polled before) and had ended by `ended_s`."""
        self._estimate = learn(self._estimate, running_s=running_s, ended_s=ended_s)


class PollSchedules:
    """The poll schedules of a run by provider, model, variant and clip length."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, float | None], PollSchedule] = {}

    def of(self, pending: PendingRender, scale: float, *, fresh: bool) -> PollSchedule:
        """Return the schedule for renders of this kind; a resumed render has its own, since its start is not known."""
        if not fresh:
            return PollSchedule(float(pending.typical_s[0]), scale)
        kind = (pending.provider, pending.model, pending.variant, pending.clip.duration_s if pending.clip else None)
        if kind not in self._known:
            self._known[kind] = PollSchedule(float(pending.typical_s[0]), scale)
        return self._known[kind]
