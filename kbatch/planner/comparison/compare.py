"""Compares two plans: which jobs were added, removed, changed or bought in between, and the difference in cost.

Jobs are matched by address, then by fingerprint, so that a renamed shot is not a new purchase. The difference is that
of each plan's purchases in the provider's own credits; credits of two providers are never added, and an unknown price
makes the difference unknown.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from kbatch.planner.actions import Action
from kbatch.planner.comparison.compared_jobs import ComparedJob
from kbatch.planner.comparison.request_diff import FieldChange, differences

_PAID = (Action.REUSE, Action.POLL, Action.DOWNLOAD)
Credits = Mapping[str, int | None]
"""By provider; None where a price is not known."""


class ChangeKind(StrEnum):
    """The change of a job between two plans; `bought`: a purchase of the first plan that is paid in the second."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    BOUGHT = "bought"
    SAME = "same"


class Change(Struct, frozen=True, kw_only=True):
    """One job in both plans; `words` describe the differences, `paid` says that the second plan need not buy it."""

    kind: ChangeKind
    before: ComparedJob | None
    after: ComparedJob | None
    fields: tuple[FieldChange, ...]
    words: tuple[str, ...]
    credits: Credits
    paid: bool

    @property
    def job(self) -> ComparedJob:
        """The job in the second plan, or in the first when it was removed."""
        found = self.after or self.before
        assert found is not None
        return found


class TotalChange(Struct, frozen=True, kw_only=True):
    """Total credits of one provider's purchases in both plans; None where a price is unknown."""

    unit: str
    before: int | None
    after: int | None
    difference: int | None


class ShotChange(Struct, frozen=True, kw_only=True):
    """Changes of one shot: number of jobs by kind of change, and the difference in credits."""

    shot: str
    counts: Mapping[str, int]
    credits: Credits


class Comparison(Struct, frozen=True, kw_only=True):
    """A plan compared with an earlier one, which the user called `name`; `detail` is its commit or digest."""

    name: str
    detail: str
    changes: tuple[Change, ...]
    shots: tuple[ShotChange, ...]
    totals: Mapping[str, TotalChange]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of jobs by kind of change, and of the second plan's jobs that are paid already."""
        found = Counter(change.kind.value for change in self.changes)
        paid = sum(change.paid for change in self.changes)
        return {**{kind.value: found[kind.value] for kind in ChangeKind}, "paid": paid}


def compare(before: Sequence[ComparedJob], after: Sequence[ComparedJob]) -> tuple[Change, ...]:
    """Return the change of each job: those of `after` in order, then the removed ones."""
    return tuple(_changes(before, after))


def make_comparison(
    name: str, detail: str, changes: Sequence[Change], units: Mapping[str, str], notes: Iterable[str] = ()
) -> Comparison:
    """Return the comparison of these changes; `units` are the providers' names for credits."""
    providers = dict.fromkeys(job.provider for change in changes for job in (change.before, change.after) if job)
    return Comparison(
        name=name,
        detail=detail,
        changes=tuple(changes),
        shots=tuple(_by_shot(changes)),
        totals={provider: _total(provider, changes, units) for provider in providers},
        notes=tuple(notes),
    )


def _changes(before: Sequence[ComparedJob], after: Sequence[ComparedJob]) -> Iterator[Change]:
    then = {job.address: job for job in before}
    now = {job.address: job for job in after}
    bought = {job.fingerprint for job in after if job.action is Action.RENDER}
    gone: dict[str, list[ComparedJob]] = defaultdict(list)
    for job in before:
        if job.address not in now:
            gone[job.fingerprint].append(job)
    for job in after:
        earlier = then.get(job.address)
        renamed = earlier is None and bool(gone[job.fingerprint])
        if renamed:
            earlier = gone[job.fingerprint].pop(0)
        paid = job.action in _PAID and job.fingerprint not in bought
        yield _change(earlier, job, renamed=renamed, paid=paid)
    for job in before:
        if job in gone[job.fingerprint]:
            yield _change(job, None, renamed=False, paid=False)


def _change(before: ComparedJob | None, after: ComparedJob | None, *, renamed: bool, paid: bool) -> Change:
    kind, words, fields = _judge(before, after, renamed=renamed, paid=paid)
    credits = _difference(before, after) if kind is not ChangeKind.SAME else {}
    return Change(kind=kind, before=before, after=after, fields=fields, words=words, credits=credits, paid=paid)


def _judge(
    before: ComparedJob | None, after: ComparedJob | None, *, renamed: bool, paid: bool
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


def _request_words(before: ComparedJob, after: ComparedJob, fields: Sequence[FieldChange]) -> Iterator[str]:
    """Yield the differences of the requests; where a plan holds no request, only those that it shows."""
    if before.provider != after.provider:
        yield f"provider {before.provider} → {after.provider}"
    if fields:
        yield from (field.words for field in fields)
    elif (before.model, before.variant) != (after.model, after.variant):
        yield f"{before.model} {before.variant} → {after.model} {after.variant}"
    elif before.provider == after.provider:
        yield "its request"


def _other_words(before: ComparedJob, after: ComparedJob, *, paid: bool) -> Iterator[str]:
    """Yield the differences between jobs with the same request."""
    buys = before.action is Action.RENDER, after.action is Action.RENDER
    if buys == (True, True) and before.credits != after.credits:
        yield f"price {_price(before.credits)} → {_price(after.credits)}"
    if buys == (False, True) or (buys == (True, False) and not paid):
        yield after.reason
    if before.output is not None and before.output != after.output:
        yield f"output {before.output} → {after.output}"


def _price(credits: int | None) -> str:
    return "unknown" if credits is None else f"{credits:,}"


def _difference(before: ComparedJob | None, after: ComparedJob | None) -> dict[str, int | None]:
    """Return a job's difference in credits by provider; a job that is not bought counts 0."""
    found: dict[str, int | None] = {}
    if before and after and before.fingerprint == after.fingerprint and before.credits == after.credits:
        return {after.provider: 0}
    for job, sign in ((before, -1), (after, 1)):
        if job is None:
            continue
        known = found.get(job.provider, 0)
        found[job.provider] = None if known is None or job.credits is None else known + sign * job.credits
    return found


def add(amounts: Iterable[Credits]) -> dict[str, int | None]:
    """Return the sum by provider; None where one amount is None."""
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
            groups[change.job.shot].append(change)
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


def _cost(provider: str, changes: Sequence[Change], pick: Callable[[Change], ComparedJob | None]) -> int | None:
    jobs = [job for job in map(pick, changes) if job is not None and job.provider == provider]
    return add({provider: job.credits} for job in jobs).get(provider, 0)
