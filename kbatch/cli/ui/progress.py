"""Shows the progress of a run, or of steps of known number: live on a terminal, plain lines elsewhere."""

import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from kbatch.cli.ui.console import is_plain, say, styled, write_line
from kbatch.planner.plan import Plan
from kbatch.planner.summary import Summary
from kbatch.report.data.format import harmless, one_line
from kbatch.report.data.running import ENDED, RunProgress
from kbatch.report.text.wrapping import Line
from kbatch.runner.progress_events import EventKind, ProgressEvent

if TYPE_CHECKING:
    from kbatch.cli.ui.live import LiveBar, LiveView

_MOMENT_STYLES = {
    EventKind.DONE: "good",
    EventKind.FAILED: "error",
    EventKind.REFUSED: "error",
    EventKind.UNKNOWN: "unknown",
    EventKind.BLOCKED: "warning",
    EventKind.OWED: "warning",
    EventKind.SKIPPED: "warning",
    EventKind.DELIVERED_WRONG: "error",
}
_REDRAWN_S = 0.1
_TICK_S = 1.0
_TALLIES, _TALLY_S = 20, 30.0
"""How often a log has the sums: so many times over all jobs, and after so many seconds where few of them end."""
_QUIET = frozenset((EventKind.RENDERING, EventKind.SUBMITTING, EventKind.DOWNLOADING))
_QUIET_LIVE = _QUIET | {EventKind.ACCEPTED, EventKind.RENDERED}


class Progress:
    """Shows a run as it goes on; give its `tell` to the runner. Live on a terminal, one line per event elsewhere."""

    def __init__(
        self,
        plan: Plan,
        summary: Summary,
        *,
        live: "LiveView | None" = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take the plan that is run; `live` is what is drawn on, by default the terminal if there is one."""
        self._clock = clock
        self._running = RunProgress(plan, summary, now_s=clock())
        self._plain = is_plain(stderr=True)
        self._live = live or _live_picture()
        self._drawn_s = -math.inf
        self._news = False
        self._tallied, self._tallied_s = 0, clock()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # A terminal that is gone by now takes nothing any more, and how the run ended is not its matter.
        with suppress(OSError, ValueError):
            if self._live:
                self._live.stop()

    def tell(self, happening: ProgressEvent) -> None:
        """Take note of what happened and show it; the picture is drawn anew ten times a second at most."""
        now_s = self._clock()
        self._running.update(happening, now_s)
        self._news = True
        if happening.moment not in (_QUIET_LIVE if self._live else _QUIET):
            line = styled(self._line(happening), plain=self._plain)
            if self._live:
                self._live.above(line)
            else:
                write_line(line, stderr=True)
        if self._live and now_s - self._drawn_s >= _REDRAWN_S:
            self._draw(self._live, now_s)

    def _line(self, happening: ProgressEvent) -> Line:
        line = [(f"{datetime.now():%H:%M:%S} ", "dim")]
        line.append((f"{happening.moment.value:<15} ", _MOMENT_STYLES.get(happening.moment, "")))
        if happening.address:
            line.append((happening.address + " ", ""))
        if happening.credits is not None:
            line.append((f"{happening.credits:,} credits ", "money"))
        line.append((one_line(happening.text, 300), ""))
        if self._live is None and self._tally_is_news(happening.moment):
            line.append((f" [{self._running.tally()}]", "dim"))
        return line

    def _tally_is_news(self, moment: EventKind) -> bool:
        """Whether the sums stand in this line: at the last end, each twentieth of the jobs, each half minute."""
        now_s, ended = self._clock(), self._running.ended
        step = max(1, self._running.total // _TALLIES)
        reached = moment in ENDED and (ended >= self._running.total or ended >= self._tallied + step)
        late = moment is not EventKind.NOTE and now_s - self._tallied_s >= _TALLY_S
        if reached or late:
            self._tallied, self._tallied_s = ended, now_s
        return reached or late

    def _draw(self, live: "LiveView", now_s: float) -> None:
        self._drawn_s, self._news = now_s, False
        live.draw(self._running.view(now_s, datetime.now(), rows=live.room))

    @property
    def moves(self) -> bool:
        """Whether there is a picture that a clock should redraw."""
        return self._live is not None

    async def keep_drawing(self) -> None:
        """Draw the picture anew about once a second, and soon after whatever happened; until it is cancelled."""
        while self._live:
            await anyio.sleep(_REDRAWN_S)
            now_s = self._clock()
            if now_s - self._drawn_s >= (_REDRAWN_S if self._news else _TICK_S):
                with suppress(OSError, ValueError):  # a terminal that is gone is no end of a run
                    self._draw(self._live, now_s)


def _live_picture() -> "LiveView | None":
    """Return what shows the run on a terminal; None where there is none."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    from kbatch.cli.ui.live import LiveView  # noqa: PLC0415 - rich takes its time to load, which a pipe need not wait for

    return LiveView()


class Steps:
    """Shows work of known length: a bar on a terminal; elsewhere a line every ten steps and at the end."""

    def __init__(self, total: int, title: str) -> None:
        self._total = total
        self._title = harmless(title)
        self._done = 0
        self._bar = self._live_bar() if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else None

    def _live_bar(self) -> "LiveBar":
        from kbatch.cli.ui.live import LiveBar  # noqa: PLC0415 - rich takes its time to load, which a pipe need not wait for

        return LiveBar(self._total, self._title)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def done(self, name: str) -> None:
        """Count a step."""
        self._done += 1
        if self._bar:
            self._bar.advance(f"{self._title} {one_line(name, 60)}")
        elif self._done % 10 == 0 or self._done == self._total:
            say(f"{self._title}: {self._done:,} of {self._total:,}")
