"""What a plan's purchases cost by shot, model, label and axis value, and what dropping each of them saves."""

from collections.abc import Iterator, Sequence

from kbatch.planner.costs.groups import CostGroup
from kbatch.planner.summary import Summary
from kbatch.report.data.format import count
from kbatch.report.data.sums import dearest, remainder, saving_of
from kbatch.report.text.wrapping import Line, wrap_words

_MOST_GROUPS = 12
_MOST_VALUES = 40


def lines(summary: Summary, width: int) -> Iterator[Line]:
    """Yield the costs from each side; credits of two providers are never added."""
    if len({group.name for group in summary.shots}) > 1:
        yield from _table("by shot", summary.shots)
    yield from _table("by model and variant", summary.variants)
    yield from _values("by label", summary.labels, width)
    yield from _values("by axis value", summary.axes, width)


def _table(title: str, groups: Sequence[CostGroup]) -> Iterator[Line]:
    """Yield a row for each of the dearest groups, and one for the others."""
    if not groups:
        return
    yield [(f"  {title}", "dim")]
    ordered = dearest(groups)
    rows = [*ordered[:_MOST_GROUPS], *remainder(ordered[_MOST_GROUPS:])]
    several = len({group.provider for group in groups}) > 1
    names = [f"{group.name} ({group.provider})" if several else group.name for group in rows]
    longest = max(map(len, names))
    for name, group in zip(names, rows, strict=True):
        money = f" {group.credits:>10,}" if group.jobs > group.unpriced or not group.jobs else f" {'?':>10}"
        unpriced = f"  and {count(group.unpriced, 'job')} without a price" if group.unpriced else ""
        yield [
            (f"    {name:<{longest}}  {count(group.jobs, 'job'):>9}", ""),
            (money, "money"),
            (unpriced, "warning"),
            (f"  dropping it saves {saving_of(group)}" if saving_of(group) else "", ""),
        ]


def _values(title: str, groups: Sequence[CostGroup], width: int) -> Iterator[Line]:
    """Yield one row a label or axis: its values with what they cost."""
    if not groups:
        return
    otherwise = any(group.saves_otherwise for group in groups)
    yield [(f"  {title}{'; in brackets what dropping it saves instead' if otherwise else ''}", "dim")]
    rows: dict[str, list[CostGroup]] = {}
    several = len({group.provider for group in groups}) > 1
    for group in groups:
        rows.setdefault(group.name.partition("=")[0], []).append(group)
    longest = max(map(len, rows))
    for name, mine in rows.items():
        *values, last = _costs(mine, several=several)
        for index, words in enumerate(wrap_words([*(f"{value} ·" for value in values), last], width - longest - 8)):
            yield [(f"    {name if index == 0 else '':<{longest}}  ", ""), (words, "")]


def _costs(groups: Sequence[CostGroup], *, several: bool) -> list[str]:
    """Return the values in words: of very many the dearest, or what each of them costs where that is the same."""
    alike = {(group.provider, group.credits, group.unpriced, group.saves) for group in groups}
    if len(groups) > _MOST_VALUES and len(alike) == 1:
        return [f"{len(groups):,} values, each{_cost(groups[0], several=several)}"]
    shown = list(groups) if len(groups) <= _MOST_VALUES else dearest(groups)[:_MOST_VALUES]
    words = [f"{group.name.partition('=')[2]}{_cost(group, several=several)}" for group in shown]
    if len(groups) > _MOST_VALUES:
        rest = remainder(dearest(groups)[_MOST_VALUES:])
        words += [f"{group.name}, together{_cost(group, several=several)}" for group in rest]
    return words


def _cost(group: CostGroup, *, several: bool) -> str:
    unpriced = f" + {group.unpriced} ?" if group.unpriced else ""
    whose = f" {group.provider}" if several else ""
    saves = f" ({saving_of(group)})" if saving_of(group) else ""
    return f" {group.credits:,}{whose}{unpriced}{saves}"
