"""Shows work that goes on, a run or steps of known length: live on a terminal, plain lines elsewhere."""

import os
import sys
from contextlib import suppress
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kbatch.console import is_plain, say, styled, write_line
from kbatch.plan.plan import Plan
from kbatch.plan.summary import Summary
from kbatch.report.plan_text import Line
from kbatch.report.words import harmless, one_line, span
from kbatch.run.happenings import Happening, Moment

if TYPE_CHECKING:
    from kbatch.live import LiveBar, LivePicture

_MOMENT_STYLES = {
    Moment.DONE: "good",
    Moment.FAILED: "error",
    Moment.REFUSED: "error",
    Moment.UNKNOWN: "unknown",
    Moment.BLOCKED: "warning",
    Moment.OWED: "warning",
    Moment.SKIPPED: "warning",
    Moment.DELIVERED_WRONG: "error",
}
_REDRAWN_S = 0.1
_QUIET = frozenset((Moment.RENDERING, Moment.SUBMITTING, Moment.DOWNLOADING))
_QUIET_LIVE = _QUIET | {Moment.ACCEPTED, Moment.RENDERED}


class Progress:
    """Shows a run as it goes on; give its `tell` to the runner. Live on a terminal, one line per event elsewhere."""

    def __init__(self, plan: Plan, summary: Summary) -> None:
        self._plan = plan
        self._summary = summary
        self._total = sum(entry.action.value != "reuse" for entry in plan.entries)
        self._began = datetime.now()
        self._state: dict[str, Happening] = {}
        self._committed: dict[str, int] = {}
        self._counts = {"done": 0, "failed": 0, "other": 0}
        self._plain = is_plain(stderr=True)
        self._live = _live_picture()
        self._drawn_s = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # A terminal that is gone by now takes nothing any more, and how the run ended is not its matter.
        with suppress(OSError, ValueError):
            if self._live:
                self._live.stop()

    def tell(self, happening: Happening) -> None:
        """Take note of what happened and show it; the picture is drawn anew ten times a second at most."""
        self._count(happening)
        if happening.moment not in (_QUIET_LIVE if self._live else _QUIET):
            line = styled(self._line(happening), plain=self._plain)
            if self._live:
                self._live.above(line)
            else:
                write_line(line, stderr=True)
        now_s = monotonic()
        if self._live and now_s - self._drawn_s >= _REDRAWN_S:
            self._drawn_s = now_s
            self._draw(self._live)

    def _count(self, happening: Happening) -> None:
        address, moment = happening.address, happening.moment
        if moment is Moment.ACCEPTED and happening.provider and happening.credits:
            known = self._committed.get(happening.provider, 0)
            self._committed[happening.provider] = known + happening.credits
        if address is None:
            return
        if moment is Moment.DONE:
            self._counts["done"] += 1
        elif moment in (Moment.FAILED, Moment.REFUSED):
            self._counts["failed"] += 1
        elif moment in _MOMENT_STYLES and moment is not Moment.UNKNOWN:
            self._counts["other"] += 1
        if moment in _MOMENT_STYLES:
            self._state.pop(address, None)
        else:
            self._state[address] = happening

    def _line(self, happening: Happening) -> Line:
        line = [(f"{datetime.now():%H:%M:%S} ", "dim")]
        line.append((f"{happening.moment.value:<15} ", _MOMENT_STYLES.get(happening.moment, "")))
        if happening.address:
            line.append((happening.address + " ", ""))
        if happening.credits is not None:
            line.append((f"{happening.credits:,} credits ", "money"))
        line.append((one_line(happening.text, 300), ""))
        if self._live is None and happening.moment is not Moment.NOTE:
            line.append((f" [{self._tally()}]", "dim"))
        return line

    def _tally(self) -> str:
        counts = self._counts
        left = max(0, self._total - sum(counts.values()))
        committed = ", ".join(f"{name} {credits:,}" for name, credits in self._committed.items()) or "0"
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        return f"{counts['done']} done{failed}, {left} left, committed {committed}, remaining {self._remaining()}"

    def _remaining(self) -> str:
        parts = []
        for name, total in self._plan.totals.items():
            if total.known:
                parts.append(f"{name} {max(0, total.known - self._committed.get(name, 0)):,}")
        return ", ".join(parts) or "0"

    def _draw(self, live: "LivePicture") -> None:
        running = [happening for happening in self._state.values() if happening.address]
        rows = [
            (each.moment.value, harmless(each.address or ""), "" if each.progress is None else f"{each.progress} %")
            for each in running[:8]
        ]
        ended = sum(self._counts.values())
        foot = f"{ended:,} of {self._total:,}, {self._end(ended)}"
        live.draw(rows, more=len(running) - len(rows), bar=(ended, self._total), foot=(foot, self._tally()))

    def _end(self, ended: int) -> str:
        """Return when the run is expected to end: from its own pace once a job has ended, before that from the plan."""
        if not ended:
            return f"expected {span(*self._summary.seconds)}"
        elapsed = (datetime.now() - self._began).total_seconds()
        left = int(elapsed / ended * (self._total - ended))
        return f"about {span(left, left)} left"


def _live_picture() -> "LivePicture | None":
    """Return what shows the run on a terminal; None where there is none."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    from kbatch.live import LivePicture  # noqa: PLC0415 - rich takes its time to load, which a pipe need not wait for

    return LivePicture()


class Steps:
    """Shows work of known length: a bar on a terminal; elsewhere a line every ten steps and at the end."""

    def __init__(self, total: int, title: str) -> None:
        self._total = total
        self._title = harmless(title)
        self._done = 0
        self._bar = self._live_bar() if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else None

    def _live_bar(self) -> "LiveBar":
        from kbatch.live import LiveBar  # noqa: PLC0415 - rich takes its time to load, which a pipe need not wait for

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
