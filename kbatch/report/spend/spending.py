"""Spending as one value: purchases grouped by keys such as `month` and `label:market`, each provider's credits apart.

Each purchase has exactly one value for a key, None where it has none, so that the rows of a provider sum to its total.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from kbatch.errors import Invalid, Problem, did_you_mean
from kbatch.planner.budgets.purchases import PaidPurchase

_KEYS: Mapping[str, Callable[[PaidPurchase], str | None]] = {
    "month": lambda one: one.at[:7] if one.at else None,
    "actor": lambda one: one.about.actor,
    "model": lambda one: one.model or None,
    "campaign": lambda one: one.about.campaign or None,
    "shot": lambda one: one.about.address.partition("[")[0].partition("@")[0] or None,
    "approval": lambda one: one.about.approval,
    "profile": lambda one: one.about.profile,
}
_NAMED: Mapping[str, Callable[[PaidPurchase], Mapping[str, str]]] = {
    "label": lambda one: one.about.labels,
    "axis": lambda one: one.about.axes,
}
KEYS = (*_KEYS, *(f"{name}:NAME" for name in _NAMED))
"""The keys of `--by`; month is that of submission in UTC."""


class Amount(Struct, frozen=True, kw_only=True):
    """A sum of credits of which `unknown` terms are not known."""

    known: int = 0
    unknown: int = 0

    @property
    def total(self) -> int | None:
        """The sum, None when a term is unknown."""
        return None if self.unknown else self.known


class Sums(Struct, frozen=True, kw_only=True):
    """What some purchases of one provider cost; `unreported` counts charges for which the quote stands."""

    jobs: int
    planned: Amount
    charged: Amount
    refunded: int
    unexplained: int
    held: Amount
    unreported: int


class SpendRow(Struct, frozen=True, kw_only=True):
    """The purchases of one provider that have these values, in the order of the keys."""

    values: tuple[str | None, ...]
    provider: str
    sums: Sums


class Spending(Struct, frozen=True, kw_only=True):
    """What was spent: rows and totals; `since` and `until` bound the day of submission, the latter is outside.

    `undated` counts purchases that a bound leaves out because they have no date; `usd` are USD a credit by provider.
    """

    by: tuple[str, ...]
    rows: tuple[SpendRow, ...]
    totals: Mapping[str, Sums]
    units: Mapping[str, str]
    usd: Mapping[str, Decimal]
    files: int
    since: str | None = None
    until: str | None = None
    undated: int = 0
    simulated: bool = False


def read_keys(words: Iterable[str]) -> tuple[str, ...]:
    """Return the keys in words such as `month,label:market`, each once; Invalid names those that are none."""
    found: dict[str, None] = {}
    problems: list[Problem] = []
    for key in (part.strip() for word in words for part in word.split(",")):
        kind, _, name = key.partition(":")
        if key in _KEYS or (kind in _NAMED and name):
            found[key] = None
        else:
            hint = did_you_mean(key, KEYS) if kind not in _NAMED else f"say which: `{kind}:NAME`"
            problems.append(Problem(code="bad-key", message=f"`--by {key}` is no key", hint=hint))
    if problems:
        raise Invalid(problems)
    return tuple(found)


def value_of(purchase: PaidPurchase, key: str) -> str | None:
    """Return the value of a purchase for a key, None where it has none."""
    if key in _KEYS:
        return _KEYS[key](purchase)
    kind, _, name = key.partition(":")
    return _NAMED[kind](purchase).get(name)


def between(
    purchases: Iterable[PaidPurchase], since: str | None, until: str | None
) -> tuple[tuple[PaidPurchase, ...], int]:
    """Return the purchases sent on a day in [since, until), and how many were left out for want of a date."""
    purchases = tuple(purchases)
    if since is None and until is None:
        return purchases, 0
    dated = [(one.at[:10], one) for one in purchases if one.at]
    within = tuple(one for day, one in dated if (since or "") <= day and (until is None or day < until))
    return within, len(purchases) - len(dated)


def group(purchases: Iterable[PaidPurchase], by: Sequence[str]) -> tuple[tuple[SpendRow, ...], dict[str, Sums]]:
    """Return one row a provider and combination of values that occurs, and the totals by provider."""
    groups: dict[tuple[str, tuple[str | None, ...]], list[PaidPurchase]] = {}
    whole: dict[str, list[PaidPurchase]] = {}
    for one in purchases:
        values = tuple(value_of(one, key) for key in by)
        groups.setdefault((one.provider, values), []).append(one)
        whole.setdefault(one.provider, []).append(one)
    rows = [
        SpendRow(values=values, provider=provider, sums=_sum(found)) for (provider, values), found in groups.items()
    ]
    rows.sort(key=lambda row: ([(value is None, value or "") for value in row.values], row.provider))
    return tuple(rows), {provider: _sum(whole[provider]) for provider in sorted(whole)}


def _sum(purchases: Sequence[PaidPurchase]) -> Sums:
    return Sums(
        jobs=len(purchases),
        planned=_amount(one.planned for one in purchases),
        charged=_amount(one.charged for one in purchases),
        refunded=sum(one.refunded for one in purchases),
        unexplained=sum(one.unexplained for one in purchases),
        held=_amount(one.held for one in purchases),
        unreported=sum(not one.reported and one.charged is not None for one in purchases),
    )


def _amount(terms: Iterable[int | None]) -> Amount:
    found = list(terms)
    return Amount(known=sum(filter(None, found)), unknown=found.count(None))


def as_json(spending: Spending) -> dict[str, Any]:
    """Return the JSON of `spend --format json`; a sum with an unknown term is null, its known part is in `known`."""
    return {
        "totals": {
            provider: {"unit": spending.units[provider], **_sums_json(spending, provider, sums)}
            for provider, sums in spending.totals.items()
        },
        "rows": [
            {
                "by": dict(zip(spending.by, row.values, strict=True)),
                "provider": row.provider,
                **_sums_json(spending, row.provider, row.sums),
            }
            for row in spending.rows
        ],
        "since": spending.since,
        "until": spending.until,
        "lockfiles": spending.files,
        "undated": spending.undated,
    }


def _sums_json(spending: Spending, provider: str, sums: Sums) -> dict[str, Any]:
    amounts = {"planned": sums.planned, "charged": sums.charged, "held": sums.held}
    unknown = {name: amount.unknown for name, amount in amounts.items() if amount.unknown}
    rate = spending.usd.get(provider)
    net = None if sums.charged.total is None else sums.charged.total - sums.refunded
    return {
        "charged": sums.charged.total,
        "refunded": sums.refunded,
        "held": sums.held.total,
        "jobs": sums.jobs,
        "planned": sums.planned.total,
        "unexplained": sums.unexplained,
        "unreported": sums.unreported,
        **({"unknown": unknown, "known": {name: amounts[name].known for name in unknown}} if unknown else {}),
        **({"usd": None if net is None else f"{rate * net:f}"} if rate is not None else {}),
    }
