"""Two plans side by side: what was added, removed, changed or bought in between, and what it does to the cost.

Jobs are matched by address, then by fingerprint: a shot that was only renamed buys nothing. A difference is that of
what each plan would buy, in the provider's own credits; credits of two providers are never added, and where a price is
not known the difference is not known either.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from kbatch.planner.actions import Action
from kbatch.planner.comparison.compared_jobs import Side
from kbatch.planner.comparison.request_diff import FieldChange, differences

_PAID = (Action.REUSE, Action.POLL, Action.DOWNLOAD)
Credits = Mapping[str, int | None]
"""By provider; None where a price is not known."""


class ChangeKind(StrEnum):
    """What became of a job between two plans; `bought` was to be bought in the first and is paid in the second."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    BOUGHT = "bought"
    SAME = "same"


class Change(Struct, frozen=True, kw_only=True):
    """One job in both plans: `words` say what is different, `paid` that the second one need not buy it."""

    kind: ChangeKind
    before: Side | None
    after: Side | None
    fields: tuple[FieldChange, ...]
    words: tuple[str, ...]
    credits: Credits
    paid: bool

    @property
    def side(self) -> Side:
        """The job as it is, or as it was."""
        found = self.after or self.before
        assert found is not None
        return found


class TotalChange(Struct, frozen=True, kw_only=True):
    """What one provider's purchases come to in both plans; None where a price in them is not known."""

    unit: str
    before: int | None
    after: int | None
    difference: int | None


class ShotChange(Struct, frozen=True, kw_only=True):
    """The changes of one shot: how many jobs of each kind, and the difference in credits."""

    shot: str
    counts: Mapping[str, int]
    credits: Credits


class Comparison(Struct, frozen=True, kw_only=True):
    """A plan held against an earlier one: `name` is what the user called it, `detail` its commit or its digest."""

    name: str
    detail: str
    changes: tuple[Change, ...]
    shots: tuple[ShotChange, ...]
    totals: Mapping[str, TotalChange]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Jobs by what became of them, and how many of the second plan's are paid already."""
        found = Counter(change.kind.value for change in self.changes)
        paid = sum(change.paid for change in self.changes)
        return {**{kind.value: found[kind.value] for kind in ChangeKind}, "paid": paid}


def compare(before: Sequence[Side], after: Sequence[Side]) -> tuple[Change, ...]:
    """Return what became of each job: those of `after` in their order, then what was removed."""
    return tuple(_changes(before, after))


def make_comparison(
    name: str, detail: str, changes: Sequence[Change], units: Mapping[str, str], notes: Iterable[str] = ()
) -> Comparison:
    """Return the comparison that these changes make; `units` are what each provider counts in."""
    providers = dict.fromkeys(side.provider for change in changes for side in (change.before, change.after) if side)
    return Comparison(
        name=name,
        detail=detail,
        changes=tuple(changes),
        shots=tuple(_by_shot(changes)),
        totals={provider: _total(provider, changes, units) for provider in providers},
        notes=tuple(notes),
    )


def _changes(before: Sequence[Side], after: Sequence[Side]) -> Iterator[Change]:
    then = {side.address: side for side in before}
    now = {side.address: side for side in after}
    bought = {side.fingerprint for side in after if side.action is Action.RENDER}
    gone: dict[str, list[Side]] = defaultdict(list)
    for side in before:
        if side.address not in now:
            gone[side.fingerprint].append(side)
    for side in after:
        earlier = then.get(side.address)
        renamed = earlier is None and bool(gone[side.fingerprint])
        if renamed:
            earlier = gone[side.fingerprint].pop(0)
        paid = side.action in _PAID and side.fingerprint not in bought
        yield _change(earlier, side, renamed=renamed, paid=paid)
    for side in before:
        if side in gone[side.fingerprint]:
            yield _change(side, None, renamed=False, paid=False)


def _change(before: Side | None, after: Side | None, *, renamed: bool, paid: bool) -> Change:
    kind, words, fields = _judge(before, after, renamed=renamed, paid=paid)
    credits = _difference(before, after) if kind is not ChangeKind.SAME else {}
    return Change(kind=kind, before=before, after=after, fields=fields, words=words, credits=credits, paid=paid)


def _judge(
    before: Side | None, after: Side | None, *, renamed: bool, paid: bool
) -> tuple[ChangeKind, tuple[str, ...], tuple[FieldChange, ...]]:
    if after is None:
        return ChangeKind.REMOVED, (), ()
    why_not = () if after.action is Action.RENDER or paid else (after.reason,)
    if before is None:
        return ChangeKind.ADDED, why_not, ()
    if renamed:
        return ChangeKind.RENAMED, (f"was `{before.address}`", *why_not), ()
    if before.fingerprint != after.fingerprint:
        fields = differences(before.request, after.request) if before.request and after.request else ()
        return ChangeKind.CHANGED, (*_request_words(before, after, fields), *why_not), fields
    words = tuple(_other_words(before, after, paid=paid))
    if words:
        return ChangeKind.CHANGED, words, ()
    return (ChangeKind.BOUGHT if before.action is Action.RENDER and paid else ChangeKind.SAME), (), ()


def _request_words(before: Side, after: Side, fields: Sequence[FieldChange]) -> Iterator[str]:
    """Yield what is different in what is asked for; without both requests only what the plans say of it."""
    if before.provider != after.provider:
        yield f"provider {before.provider} → {after.provider}"
    if fields:
        yield from (field.words for field in fields)
    elif (before.model, before.variant) != (after.model, after.variant):
        yield f"{before.model} {before.variant} → {after.model} {after.variant}"
    elif before.provider == after.provider:
        yield "its request"


def _other_words(before: Side, after: Side, *, paid: bool) -> Iterator[str]:
    """Yield what is different although the same is asked for."""
    buys = before.action is Action.RENDER, after.action is Action.RENDER
    if buys == (True, True) and before.credits != after.credits:
        yield f"price {_price(before.credits)} → {_price(after.credits)}"
    if buys == (False, True) or (buys == (True, False) and not paid):
        yield after.reason
    if before.output is not None and before.output != after.output:
        yield f"output {before.output} → {after.output}"


def _price(credits: int | None) -> str:
    return "unknown" if credits is None else f"{credits:,}"


def _difference(before: Side | None, after: Side | None) -> dict[str, int | None]:
    """Return what a job adds to the cost, by provider; what it would not be bought for is 0 in either plan."""
    found: dict[str, int | None] = {}
    if before and after and before.fingerprint == after.fingerprint and before.credits == after.credits:
        return {after.provider: 0}
    for side, sign in ((before, -1), (after, 1)):
        if side is None:
            continue
        known = found.get(side.provider, 0)
        found[side.provider] = None if known is None or side.credits is None else known + sign * side.credits
    return found


def add(amounts: Iterable[Credits]) -> dict[str, int | None]:
    """Return the sum by provider; unknown where one part is."""
    total: dict[str, int | None] = {}
    for credits in amounts:
        for provider, amount in credits.items():
            known = total.get(provider, 0)
            total[provider] = None if known is None or amount is None else known + amount
    return total


def _by_shot(changes: Sequence[Change]) -> Iterator[ShotChange]:
    groups: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        if change.kind is not ChangeKind.SAME:
            groups[change.side.shot].append(change)
    for shot, group in groups.items():
        counts = Counter(change.kind.value for change in group)
        shown = {kind.value: counts[kind.value] for kind in ChangeKind if kind is not ChangeKind.SAME}
        yield ShotChange(shot=shot, counts=shown, credits=add(change.credits for change in group))


def _total(provider: str, changes: Sequence[Change], units: Mapping[str, str]) -> TotalChange:
    return TotalChange(
        unit=units.get(provider, "credits"),
        before=_cost(provider, changes, lambda change: change.before),
        after=_cost(provider, changes, lambda change: change.after),
        difference=add(change.credits for change in changes).get(provider, 0),
    )


def _cost(provider: str, changes: Sequence[Change], pick: Callable[[Change], Side | None]) -> int | None:
    sides = [side for side in map(pick, changes) if side is not None and side.provider == provider]
    return add({provider: side.credits} for side in sides).get(provider, 0)
