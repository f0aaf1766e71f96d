"""Spending as one HTML page: the totals, a chart for each key, and every row."""

from typing import Any

from kbatch.report.data.shares import Slice
from kbatch.report.data.sums import dollars
from kbatch.report.html.charts import bars
from kbatch.report.html.pages import Parts, render_page
from kbatch.report.spend.spending import Spending, Sums
from kbatch.report.spend.tables import COLUMNS, NONE, amount, cells_of, net_of, notes_of, title_of

_MOST_BARS = 24
"""Two years of months."""


def as_html(spending: Spending, made_at: str, parts: Parts) -> str:
    """Return the page; `made_at` is a time in UTC."""
    title = title_of(spending)
    page = {
        "title": f"{title[:1].upper()}{title[1:]}",
        "made_at": made_at,
        "simulated": spending.simulated,
        "accounts": [_account(spending, provider, sums) for provider, sums in spending.totals.items()],
        "notes": list(notes_of(spending)),
        "charts": _charts(spending),
        "by": spending.by,
        "columns": COLUMNS,
        "rows": [
            {"texts": [*(NONE if value is None else value for value in row.values), row.provider],
             "figures": cells_of(row.sums)}
            for row in spending.rows
        ],
        "things": "rows",
        "foot": "Made by kbatch from lockfiles. Credits are each provider's own; months are of submission, in UTC.",
    }  # fmt: skip
    return render_page("spend.html", page, parts)


def _account(spending: Spending, provider: str, sums: Sums) -> dict[str, Any]:
    more = [("jobs", f"{sums.jobs:,}"), ("planned", amount(sums.planned))]
    more += [("refunded", f"{sums.refunded:,}")] if sums.refunded else []
    more += [("unexplained", f"{sums.unexplained:,}")] if sums.unexplained else []
    more += [("held by unknowns", amount(sums.held))] if sums.held.known or sums.held.unknown else []
    return {
        "provider": provider,
        "unit": spending.units[provider],
        "charged": amount(sums.charged),
        "usd": dollars(spending.usd.get(provider), net_of(sums)),
        "more": more,
    }


def _charts(spending: Spending) -> list[dict[str, Any]]:
    """Return for each provider one chart a key: what was charged, before refunds."""
    return [
        {
            "provider": provider,
            "unit": spending.units[provider],
            "settlement": "charged, before refunds",
            "charts": [_chart(spending, provider, at) for at in range(len(spending.by))],
        }
        for provider in (spending.totals if spending.by else ())
    ]


def _chart(spending: Spending, provider: str, at: int) -> dict[str, Any]:
    """Return the chart of one key; months stand in their order, all else by credits."""
    key = spending.by[at]
    parts: dict[str | None, Slice] = {}
    for row in spending.rows:
        if row.provider == provider:
            value, sums = row.values[at], row.sums
            before = parts.get(value, Slice(provider=provider, name=value or NONE, jobs=0, credits=0))
            parts[value] = Slice(
                provider=provider,
                name=before.name,
                jobs=before.jobs + sums.jobs,
                credits=before.credits + sums.charged.known,
                unknown=before.unknown + sums.charged.unknown,
            )
    found = bars(list(parts.values()), _MOST_BARS)
    if key == "month" and len(parts) <= _MOST_BARS:
        found = tuple(sorted(found, key=lambda bar: bar.name))
    return {"title": f"by {key}", "bars": found}
