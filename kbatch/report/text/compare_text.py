"""A comparison of two plans in words for a terminal: what is different and why, job by job, by shot and in total.

Jobs that share what became of them stand under one sentence; of many the first are shown and the rest is counted.
"""

import textwrap
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from kbatch.planner.comparison.compare import Change, ChangeKind, Comparison, Credits, ShotChange, TotalChange, add
from kbatch.planner.comparison.compared_jobs import ComparedJob
from kbatch.report.data.format import count, listed
from kbatch.report.data.reasons import shared
from kbatch.report.text.wrapping import Line

_MOST_ROWS = 40
_MOST_OF_GROUP = 6
_MOST_SHOTS = 12
_MOST_WAYS = 3
"""How many different changes of one kind in a shot are listed before they become one sentence."""
_STYLES = {
    ChangeKind.CHANGED: "poll",
    ChangeKind.ADDED: "render",
    ChangeKind.REMOVED: "blocked",
    ChangeKind.RENAMED: "reuse",
    ChangeKind.BOUGHT: "reuse",
}
_ALONE = {
    ChangeKind.ADDED: "not there before",
    ChangeKind.REMOVED: "not there any more",
    ChangeKind.BOUGHT: "paid since, so it is not bought again",
}


def lines(comparison: Comparison, width: int) -> Iterator[Line]:
    """Yield the comparison's lines: a head, what is different, by shot, the totals, and what stayed."""
    detail = comparison.detail.removeprefix("sha256:")[:12]
    yield [(f"Compared with {comparison.name}", "title"), (f" ({detail})" if detail else "", "dim")]
    for note in comparison.notes:
        yield [(f"  note: {note}", "warning")]
    yield []
    changes = [change for change in comparison.changes if change.kind is not ChangeKind.SAME]
    if changes:
        yield from _groups(changes, width)
        yield []
    if len(comparison.shots) > 1:
        yield from _shots(comparison.shots)
    for provider, total in comparison.totals.items():
        yield _total(provider, total)
    yield [(f"  {counts_of(comparison)}", "")]


def _groups(changes: Sequence[Change], width: int) -> Iterator[Line]:
    longest = min(max(len(change.job.address) for change in changes), max(24, width - 20))
    most = len(changes) if len(changes) <= _MOST_ROWS else _MOST_OF_GROUP
    for kind, said, group in grouped(changes):
        head = f"{count(len(group), 'job')}, {money(add(change.credits for change in group))}: {'; '.join(said)}"
        for index, words in enumerate(textwrap.wrap(head, width - 12, break_long_words=False, break_on_hyphens=False)):
            yield [(f"  {kind.value if index == 0 else '':<9}", _STYLES[kind]), (words, "")]
        for change in group[:most]:
            yield [(f"    {change.job.address:<{longest}}  ", ""), (_prices(change), "dim")]
        hidden = group[most:]
        if hidden:
            rest = money(add(change.credits for change in hidden))
            yield [(f"    … and {len(hidden):,} more, {rest}; --format json shows them", "dim")]


def grouped(changes: Sequence[Change]) -> list[tuple[ChangeKind, tuple[str, ...], list[Change]]]:
    """Return the changes grouped by their sentence, by kind, those about the most credits first.

    Where the jobs of a shot differ in more ways than a few, as a prompt does that names each one's city, they are
    one change too.
    """
    ways: dict[tuple[ChangeKind, str], set[tuple[str, ...]]] = {}
    for change in changes:
        ways.setdefault((change.kind, change.job.shot), set()).add(said_of(change))
    groups: dict[tuple[ChangeKind, tuple[str, ...]], list[Change]] = {}
    for change in changes:
        each = len(ways[change.kind, change.job.shot]) > _MOST_WAYS
        said = said_of(_in_each(change)) if each else said_of(change)
        groups.setdefault((change.kind, said), []).append(change)
    found = [(kind, said, group) for (kind, said), group in groups.items()]
    return sorted(found, key=lambda item: (list(ChangeKind).index(item[0]), -_weight(item[2])))


def _in_each(change: Change) -> Change:
    """Return the change without what it is in this job: which fields differ, but not how."""
    names = {field.words: f"{field.name} changed in each job in its own way" for field in change.fields}
    words = (names.get(words, "another output" if words.startswith("output ") else words) for words in change.words)
    return replace(change, words=tuple(words))


def _weight(group: Sequence[Change]) -> int:
    return sum(abs(amount or 0) for change in group for amount in change.credits.values())


def said_of(change: Change) -> tuple[str, ...]:
    """Return the words of a change without what only this job has, so that equal changes are grouped."""
    if change.kind is ChangeKind.RENAMED:
        return ("another address, the same request", *(shared(said, change.job.address) for said in change.words[1:]))
    words = change.words or ((_ALONE[change.kind],) if change.kind in _ALONE else ())
    words = tuple(shared(said, change.job.address) for said in words)
    return (*words, "paid already") if change.paid and change.kind in (ChangeKind.ADDED, ChangeKind.CHANGED) else words


def _prices(change: Change) -> str:
    before, after = change.before, change.after
    if change.kind is ChangeKind.RENAMED and before is not None:
        return f"was {before.address}"
    if before is None or after is None:
        return _price(change.job)
    return f"{_price(before)} → {_price(after)}"


def _price(job: ComparedJob) -> str:
    return "?" if job.credits is None else f"{job.credits:,}"


def money(credits: Credits) -> str:
    """Return a difference in credits with its sign, of each provider where there are several.

    >>> money({"apiframe": 25}), money({"apiframe": 0}), money({"apiframe": -5, "aimlapi": None})
    ('+25 credits', 'no difference in credits', '-5 credits of apiframe, unknown credits of aimlapi')
    """
    shown = {provider: amount for provider, amount in credits.items() if amount != 0}
    if not shown:
        return "no difference in credits"
    parts = []
    for provider, amount in shown.items():
        words = "unknown" if amount is None else f"{amount:+,}"
        parts.append(f"{words} credits of {provider}" if len(shown) > 1 else f"{words} credits")
    return ", ".join(parts)


def _shots(shots: Sequence[ShotChange]) -> Iterator[Line]:
    yield [("  by shot", "dim")]
    longest = max(len(one.shot) for one in shots)
    for one in shots[:_MOST_SHOTS]:
        counted = listed([f"{number:,} {kind}" for kind, number in one.counts.items() if number])
        yield [(f"    {one.shot:<{longest}}  {counted}, ", ""), (money(one.credits), "money")]
    if len(shots) > _MOST_SHOTS:
        rest = money(add(one.credits for one in shots[_MOST_SHOTS:]))
        yield [(f"    … and {len(shots) - _MOST_SHOTS:,} more, {rest}", "dim")]


def _total(provider: str, total: TotalChange) -> Line:
    row: Line = [(f"  {provider:<10}", "title")]
    row.append((f"{_known(total.before)} → {_known(total.after)} {total.unit}", ""))
    difference = "unknown" if total.difference is None else f"{total.difference:+,}" if total.difference else "the same"
    row.append((f", {difference}", "money" if total.difference is not None else "warning"))
    return row


def _known(amount: int | None) -> str:
    return "?" if amount is None else f"{amount:,}"


def counts_of(comparison: Comparison) -> str:
    """Return how many jobs became what, and how many are paid already."""
    counts = comparison.counts
    parts = [
        f"{counts[kind.value]:,} {kind.value}"
        for kind in ChangeKind
        if counts[kind.value] and kind is not ChangeKind.SAME
    ]
    same = f"{counts['same']:,} unchanged" if parts else f"nothing differs in {count(counts['same'], 'job')}"
    paid = f"{counts['paid']:,} paid already" if counts["paid"] else ""
    return ", ".join(filter(None, (*parts, same, paid)))
