"""Progress of a run: the running jobs with their expected end, the ended ones, and the committed credits.

Rules it keeps: no clock of its own, `now_s` comes in and only ever counts on; `committed` is never less than what
a provider may have charged in this run: a send whose outcome is unknown counts, a job without a price is counted for
itself, and what a failure gives back is not taken off.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import fmean

from msgspec import Struct

from kbatch.planner.jobs import Job
from kbatch.planner.plan import Plan
from kbatch.planner.summary import Summary
from kbatch.report.data.format import count, harmless, span
from kbatch.runner.progress_events import EventKind, ProgressEvent

_RENDERS = (EventKind.ACCEPTED, EventKind.RENDERING)
_FAILED = (EventKind.FAILED, EventKind.REFUSED)
ENDED = (
    EventKind.DONE, *_FAILED, EventKind.UNKNOWN, EventKind.BLOCKED, EventKind.OWED, EventKind.SKIPPED,
    EventKind.DELIVERED_WRONG,
)  # fmt: skip
_MAY_BE_CHARGED = (EventKind.ACCEPTED, EventKind.UNKNOWN)

Kind = tuple[str, str, str, int]
"""The key of a usual render time: provider, model, variant, and the clip's length in seconds."""


class ProgressRow(Struct, frozen=True):
    """One job that runs, in words: its state, address, progress, how long it has run, and when it should end."""

    state: str
    address: str
    progress: str
    elapsed: str
    end: str


class ProgressView(Struct, frozen=True, kw_only=True):
    """The content of one redraw: rows, the number of further running jobs and of ended jobs, and two lines."""

    rows: tuple[ProgressRow, ...]
    more: int
    ended: int
    total: int
    foot: tuple[str, str]


class _Job(Struct, kw_only=True):
    """A job that runs: its latest news, and since when its render runs (None: not yet), on the clock of the run."""

    news: ProgressEvent
    renders_since_s: float | None = None


class RunProgress:
    """Follows the jobs of a run by its progress events."""

    def __init__(self, plan: Plan, summary: Summary, *, now_s: float) -> None:
        self._plan = plan
        self._summary = summary
        self._total = sum(entry.action.value != "reuse" for entry in plan.entries)
        self._began_s = now_s
        self._jobs: dict[str, _Job] = {}
        self._kinds: dict[str, tuple[Kind, tuple[int, int]]] = {
            entry.address: (_kind_of(entry.job), entry.job.typical_s) for entry in plan.entries
        }
        self._took: dict[Kind, list[float]] = defaultdict(list)
        self._quoted: dict[str, ProgressEvent] = {}
        self._committed: dict[str, ProgressEvent] = {}
        self._counts = {"done": 0, "failed": 0, "other": 0}

    def update(self, event: ProgressEvent, now_s: float) -> None:
        """Apply one progress event."""
        address, moment = event.address, event.moment
        if address is None:
            return
        self._commit(address, event)
        if moment is EventKind.DONE:
            self._counts["done"] += 1
        elif moment in _FAILED:
            self._counts["failed"] += 1
        elif moment in ENDED and moment is not EventKind.UNKNOWN:
            self._counts["other"] += 1
        if moment in ENDED:
            self._jobs.pop(address, None)
        elif moment not in (EventKind.NOTE, EventKind.WAITING):
            self._goes_on(address, event, now_s)

    def _commit(self, address: str, event: ProgressEvent) -> None:
        if event.moment is EventKind.SUBMITTING:
            self._quoted[address] = event
        elif event.moment in _MAY_BE_CHARGED and address in self._quoted:
            self._committed[address] = self._quoted[address]
        elif event.moment is EventKind.REFUSED:
            self._committed.pop(address, None)

    def _goes_on(self, address: str, event: ProgressEvent, now_s: float) -> None:
        job = self._jobs.setdefault(address, _Job(news=event))
        job.news = event
        if event.moment in _RENDERS:
            job.renders_since_s = now_s if job.renders_since_s is None else job.renders_since_s
        elif event.moment is EventKind.RENDERED and job.renders_since_s is not None and address in self._quoted:
            self._took[self._kinds[address][0]].append(now_s - job.renders_since_s)

    @property
    def total(self) -> int:
        """How many jobs there are to work on; reused ones are none."""
        return self._total

    @property
    def ended(self) -> int:
        """How many jobs have ended; an unknown outcome may still be settled in this run."""
        return sum(self._counts.values())

    def tally(self) -> str:
        """Return how many jobs ended how, what is committed and what of the plan remains, in words."""
        counts = self._counts
        left = max(0, self._total - self.ended)
        sums = self._sums()
        committed = ", ".join(f"{name} {credits:,}" for name, credits in sums.items()) or "0"
        unpriced = sum(quoted.credits is None for quoted in self._committed.values())
        without = f" and {count(unpriced, 'job')} without a price" if unpriced else ""
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        parts = [
            f"{name} {max(0, total.known - sums.get(name, 0)):,}"
            for name, total in self._plan.totals.items()
            if total.known
        ]
        remaining = ", ".join(parts) or "0"
        return f"{counts['done']} done{failed}, {left} left, committed {committed}{without}, remaining {remaining}"

    def _sums(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for quoted in self._committed.values():
            if quoted.provider and quoted.credits:
                sums[quoted.provider] = sums.get(quoted.provider, 0) + quoted.credits
        return sums

    def view(self, now_s: float, now: datetime, *, rows: int) -> ProgressView:
        """Return the content of a redraw; `now` is the time of day at `now_s`, of jobs at most so many are shown."""
        shown = sorted(self._jobs.items(), key=lambda item: item[1].renders_since_s or now_s)[:rows]
        ended = self.ended
        elapsed = clock(now_s - self._began_s)
        return ProgressView(
            rows=tuple(self._row(address, job, now_s, now) for address, job in shown),
            more=len(self._jobs) - len(shown),
            ended=ended,
            total=self._total,
            foot=(f"{ended:,} of {self._total:,}, {elapsed} elapsed, {self._end(ended, now_s)}", self.tally()),
        )

    def _row(self, address: str, job: _Job, now_s: float, now: datetime) -> ProgressRow:
        news = job.news
        since_s = job.renders_since_s
        renders = since_s is not None and news.moment in _RENDERS
        return ProgressRow(
            news.moment.value,
            harmless(address),
            "" if news.progress is None else f"{news.progress} %",
            clock(now_s - since_s) if renders and since_s is not None else "",
            self._expected(address, since_s, now_s, now) if renders and since_s is not None else "",
        )

    def _expected(self, address: str, since_s: float, now_s: float, now: datetime) -> str:
        """Return when a render should end: by those of its kind that ended in this run, else as its card says."""
        if address not in self._kinds:
            return ""
        kind, (shortest_s, longest_s) = self._kinds[address]
        took = self._took.get(kind)
        first_s, last_s = (fmean(took), fmean(took)) if took else (float(shortest_s), float(longest_s))
        if now_s - since_s > last_s + 1.0:
            return "longer than usual"
        first, last = (f"{now + timedelta(seconds=since_s + ends_s - now_s):%H:%M:%S}" for ends_s in (first_s, last_s))
        return f"ends about {first}" if first == last else f"ends {first} to {last}"

    def _end(self, ended: int, now_s: float) -> str:
        """Return when the run is expected to end: from its own pace once a job has ended, before that from the plan."""
        elapsed_s = now_s - self._began_s
        if not ended:
            return f"expected {span(*self._summary.seconds)}"
        left = int(elapsed_s / ended * (self._total - ended))
        return f"about {span(left, left)} left"


def _kind_of(job: Job) -> Kind:
    return job.provider, job.model, job.quote.variant, job.clip.duration_s


def clock(seconds: float) -> str:
    """Return a time as a clock counts it.

    >>> clock(83.9), clock(3723)
    ('1:23', '1:02:03')
    """
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
