"""The jobs of a plan in words, grouped by action and reason: what costs money first, what is paid last and folded.

Of many jobs each group shows its first ones and a row that counts the rest, and of many groups the dearest are shown;
`--all` shows every job.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kbatch.planner.actions import Action, PlanEntry
from kbatch.planner.approval.plan_digest import SHOWN
from kbatch.report.data.format import count, short_model
from kbatch.report.data.prompts import prompt_of
from kbatch.report.data.reasons import ReasonGroup, by_reason
from kbatch.report.data.sums import credits_of
from kbatch.report.text.wrapping import Line, wrap_words

_MOST_ROWS = 40
"""Jobs that are all listed: with their prompts about two screens."""
_MOST_OF_GROUP = 6
_MOST_GROUPS = 12
_WIDE = 160
"""Columns from which a prompt stands in its job's row."""
_LEAST_PROMPT = 40
_EVERY = "`kbatch plan --all`"
_PAID = "paid already"


def lines(entries: Sequence[PlanEntry], width: int, *, every: bool = False) -> Iterator[Line]:
    """Yield each group's sentence with its jobs; with `every` all jobs of all groups."""
    if not entries:
        yield [("  no jobs are selected", "dim")]
        return
    groups = by_reason(entries)
    listed = [group for group in groups if every or group.entries[0].action is not Action.REUSE]
    number = sum(len(group.entries) for group in listed)
    shown = listed if every or number <= _MOST_ROWS else listed[:_MOST_GROUPS]
    most = number if every or number <= _MOST_ROWS else _MOST_OF_GROUP
    columns = _Columns.of([entry for group in shown for entry in group.entries[:most]], width)
    for group in shown:
        yield from _head(group.entries, group.why, width)
        yield from _rows(group.entries[:most], columns)
        hidden = group.entries[most:]
        if hidden:
            yield [(f"    … and {count(len(hidden), 'job')} more{_money(hidden)}; {_EVERY} shows them", "dim")]
    if listed[len(shown) :]:
        rest = [entry for group in listed[len(shown) :] for entry in group.entries]
        more = f"for {count(len(listed) - len(shown), 'more reason')}{_money(rest)}; {_EVERY} shows them"
        yield [(f"  … and {count(len(rest), 'job')} {more}", "dim")]
    if not every:
        yield from _paid([group for group in groups if group.entries[0].action is Action.REUSE], width)


def _money(entries: Sequence[PlanEntry]) -> str:
    return f", {credits_of(entries)}" if any(entry.buys for entry in entries) else ""


def _head(entries: Sequence[PlanEntry], why: str, width: int) -> Iterator[Line]:
    action = entries[0].action.value
    words = f"{count(len(entries), 'job')}{_money(entries)}: {why}"
    for index, row in enumerate(wrap_words(words.split(), width - 12)):
        yield [(f"  {action if index == 0 else '':<9}", action), (row, "")]


def _paid(groups: Sequence[ReasonGroup], width: int) -> Iterator[Line]:
    """Yield a line for each thing to know about paid jobs, and one for all of which there is nothing to say."""
    noted = [group for group in groups if not group.plain]
    for group in noted[:_MOST_GROUPS]:
        yield from _head(group.entries, f"{group.why}, first {group.entries[0].address}", width)
    if noted[_MOST_GROUPS:]:
        number = sum(len(group.entries) for group in noted[_MOST_GROUPS:])
        yield [
            (
                f"  … and {count(number, 'job')} for {len(noted) - _MOST_GROUPS:,} more reasons; {_EVERY} shows them",
                "dim",
            )
        ]
    plain = [entry for group in groups if group.plain for entry in group.entries]
    if plain:
        yield from _head(plain, f"{_PAID}; {_EVERY} shows {'it' if len(plain) == 1 else 'them'}", width)


class _Columns(NamedTuple):
    """Widths of the columns of the rows, and how much room a prompt has beside them, 0 where it stands below."""

    address: int
    model: int
    price: int
    prompt: int
    width: int

    @staticmethod
    def of(shown: Sequence[PlanEntry], width: int) -> "_Columns":
        model = min(max((len(_model(entry)) for entry in shown), default=0), 30)
        price = max((len(_price(entry)) for entry in shown), default=0)
        longest = max((len(entry.address) for entry in shown), default=0)
        address = min(longest, max(24, width - 8 - model - price))
        room = width - address - model - price - 10
        return _Columns(address, model, price, room if width >= _WIDE and room >= _LEAST_PROMPT else 0, width)


def _rows(shown: Sequence[PlanEntry], columns: _Columns) -> Iterator[Line]:
    """Yield a row for each job; the prompt stands in it or below it, once for jobs that ask for the same."""
    before = ""
    for entry in shown:
        row: Line = [
            (f"    {entry.address:<{columns.address}}  ", ""),
            (f"{_model(entry):<{columns.model}}  ", "dim"),
            (f"{_price(entry):>{columns.price}}", "money" if entry.buys else "dim"),
            (f"  = {entry.shared_with}" if entry.shared_with else "", "dim"),
        ]
        prompt = prompt_of(entry, columns.prompt or columns.width - 6) if entry.action in SHOWN else ""
        new, before = prompt if prompt != before else "", prompt
        if new and columns.prompt:
            yield [*row, (f"  {new}", "dim")]
        else:
            yield row
            if new:
                yield [(f"      {new}", "dim")]


def _model(entry: PlanEntry) -> str:
    return f"{short_model(entry.job.model)} {entry.job.quote.variant}"


def _price(entry: PlanEntry) -> str:
    if entry.action is Action.UNKNOWN:
        return "held ?" if entry.held is None else f"held {entry.held:,}"
    return "?" if entry.credits is None else f"{entry.credits:,}"
