"""Sums of credits over jobs by model, shot, label or axis, per provider, the largest first."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kbatch.report.data.rows import ReportRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of one provider's credits; `unknown` counts jobs whose amount is unknown."""

    provider: str
    name: str
    jobs: int
    credits: int
    unknown: int = 0


SIDES: Mapping[str, Callable[[ReportRow], Iterable[str]]] = {
    "model": lambda row: (row.name,),
    "shot": lambda row: (row.shot,),
    "label": lambda row: (f"{name}={value}" for name, value in row.labels.items()),
    "axis": lambda row: (f"{name}={value}" for name, value in row.axes),
}
"""The groupings of spending, by name."""


def slices(rows: Iterable[ReportRow], side: str) -> tuple[Slice, ...]:
    """Return the spending grouped by one of SIDES, without jobs that cost nothing."""
    found: dict[tuple[str, str], list[int | None]] = {}
    for row in rows:
        if row.spent != 0:
            for name in SIDES[side](row):
                found.setdefault((row.provider, name), []).append(row.spent)
    made = (
        Slice(provider=key[0], name=key[1], jobs=len(each), credits=sum(filter(None, each)), unknown=each.count(None))
        for key, each in found.items()
    )
    return tuple(sorted(made, key=lambda part: (part.provider, -part.credits, part.name)))
