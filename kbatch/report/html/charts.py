"""Numbers of charts, in percent: bars relative to the longest, and timelines in lanes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kbatch.report.data.rows import ReportRow
from kbatch.report.data.shares import Slice

_PAUSE = timedelta(minutes=15)
_NARROWEST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its length in percent of the longest one of its chart; `unknown` counts jobs without an amount."""

    name: str
    jobs: int
    credits: int
    percent: float
    unknown: int = 0


def bars(slices: Sequence[Slice], most: int = 10) -> tuple[Bar, ...]:
    """Return the bars of one provider's slices, the largest first; those after `most` become one bar."""
    ordered = sorted(slices, key=lambda part: (-part.credits, part.name))
    shown, rest = ordered[:most], ordered[most:]
    if rest:
        together = Slice(
            provider=rest[0].provider,
            name=f"{len(rest):,} more",
            jobs=sum(part.jobs for part in rest),
            credits=sum(part.credits for part in rest),
            unknown=sum(part.unknown for part in rest),
        )
        shown = [*shown, together]
    longest = max((part.credits for part in shown), default=0) or 1
    return tuple(
        Bar(
            name=part.name,
            jobs=part.jobs,
            credits=part.credits,
            unknown=part.unknown,
            percent=round(100 * part.credits / longest, 2),
        )
        for part in shown
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One render on a timeline: where it begins and how long it is, in percent of the session; `lane` from 0."""

    row: ReportRow
    lane: int
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A stretch of time in which something was always rendering, or paused for a quarter of an hour at most."""

    began: datetime
    ended: datetime
    lanes: int
    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.ended - self.began).total_seconds()


def sessions(rows: Iterable[ReportRow]) -> tuple[Session, ...]:
    """Return the timeline of all renders from submission to end, the latest session first.

    A render that has not ended reaches to the end of its session. As many lanes as renders ran at once.
    """
    found = sorted(_times(rows), key=lambda time: (time[0], time[2].address))
    groups: list[list[tuple[datetime, datetime | None, ReportRow]]] = []
    reach = datetime.min
    for began, ended, row in found:
        if not groups or began - reach > _PAUSE:
            groups.append([])
            reach = began
        groups[-1].append((began, ended, row))
        reach = max(reach, ended or began)
    return tuple(_session(group) for group in reversed(groups))


def _times(rows: Iterable[ReportRow]) -> Iterator[tuple[datetime, datetime | None, ReportRow]]:
    for row in rows:
        if row.submitted_at is not None and row.shares is None:
            began = _moment(row.submitted_at)
            ended = None if row.finished_at is None else max(began, _moment(row.finished_at))
            yield began, ended, row


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _session(group: Sequence[tuple[datetime, datetime | None, ReportRow]]) -> Session:
    began = group[0][0]
    last = max(ended or start for start, ended, _ in group)
    whole = max((last - began).total_seconds(), 0.001)
    free: list[datetime] = []
    spans = []
    for start, ended, row in group:
        end = ended or last
        lane = next((index for index, until in enumerate(free) if until <= start), len(free))
        free[lane : lane + 1] = [end]
        width = max(_NARROWEST, 100 * (end - start).total_seconds() / whole)
        left = min(100 * (start - began).total_seconds() / whole, 100 - _NARROWEST)
        spans.append(Span(row=row, lane=lane, start=round(left, 3), width=round(min(width, 100 - left), 3)))
    return Session(began=began, ended=last, lanes=len(free), spans=tuple(spans))
