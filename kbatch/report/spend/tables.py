"""Spending as text, as a Markdown page and as CSV: the same table in three forms."""

from collections.abc import Iterable, Iterator, Sequence

from kbatch.report.data.format import count, one_line
from kbatch.report.data.sums import dollars_at
from kbatch.report.machine.csv_table import cell, write_table
from kbatch.report.markdown.markdown import Block, Table, code, render
from kbatch.report.spend.spending import Amount, Spending, Sums
from kbatch.report.text.wrapping import Line

NONE = "–"
"""A key for which a purchase has no value."""
COLUMNS = ("jobs", "planned", "charged", "refunded", "unexplained", "held")
"""The figures of a row."""
_WIDEST = 40
_NARROWEST = 8


def title_of(spending: Spending) -> str:
    """Return what is shown: `spent by month; from 2026-11-01 to before 2026-12-01 (UTC), of 3 lockfiles`."""
    keys = ", ".join(spending.by) or "provider"
    since, until = spending.since, spending.until
    days = " ".join(part for part in (since and f"from {since}", until and f"to before {until}") if part)
    of = f"of {count(spending.files, 'lockfile')}"
    pretended = " (simulated)" if spending.simulated else ""
    return f"spent{pretended} by {keys}; {f'{days} (UTC), ' if days else ''}{of}"


def notes_of(spending: Spending) -> Iterator[str]:
    """Yield what the figures do not say by themselves."""
    if spending.undated:
        yield f"{count(spending.undated, 'purchase')} without a date left out"
    for provider, sums in spending.totals.items():
        unit = spending.units[provider]
        if sums.charged.unknown:
            yield f"{provider}: the charge of {count(sums.charged.unknown, 'purchase')} is unknown (`?`) and in no sum"
        if sums.held.unknown:
            yield f"{provider}: {count(sums.held.unknown, 'unknown outcome')} without a price (`?`), in no sum"
        if sums.unreported:
            yield f"{provider}: {count(sums.unreported, 'charge')} not reported yet, the quote is counted"
        usd = dollars_at(spending.usd.get(provider), net_of(sums))
        if usd:
            yield f"{provider}: {usd} after refunds ({net_of(sums):,} {unit})"


def net_of(sums: Sums) -> int | None:
    """Return what was charged after refunds, None when a charge is unknown."""
    return None if sums.charged.total is None else sums.charged.total - sums.refunded


def cells_of(sums: Sums) -> tuple[str, ...]:
    """Return the figures of a row in words."""
    return (
        f"{sums.jobs:,}",
        amount(sums.planned),
        amount(sums.charged),
        f"{sums.refunded:,}",
        f"{sums.unexplained:,}",
        amount(sums.held),
    )


def amount(found: Amount) -> str:
    """Return a sum, its unknown terms counted: `430`, `430 + 2 ?`."""
    return f"{found.known:,} + {found.unknown:,} ?" if found.unknown else f"{found.known:,}"


def lines(spending: Spending, width: int) -> Iterator[Line]:
    """Yield the table for a terminal of this width.

    Long values are cut to what leaves room for the figures; where that is not enough, columns without a credit go.
    """
    yield [(title_of(spending), "title")]
    if not spending.totals:
        yield [("nothing was bought", "")]
        return
    rows = [([*(value or NONE for value in row.values), row.provider], cells_of(row.sums)) for row in spending.rows]
    blank = [""] * (len(spending.by) - 1)
    totals = [
        ([*(["total", *blank] if spending.by else []), f"{provider}, {spending.units[provider]}"], cells_of(sums))
        for provider, sums in spending.totals.items()
    ]
    yield []
    body = _aligned(((*spending.by, "provider"), [*rows, *totals]), range(len(COLUMNS)), width)
    if len(body[0]) > width:
        some = [at for at in range(len(COLUMNS)) if any(figures[at] != "0" for _, figures in totals)]
        body = _aligned(((*spending.by, "provider"), [*rows, *totals]), some, width)
    yield [(body[0], "dim")]
    for number, row in enumerate(body[1:]):
        yield [(row, "" if number < len(rows) else "money")]
    for note in notes_of(spending):
        yield [(note, "dim")]


def _aligned(
    table: tuple[Sequence[str], Sequence[tuple[Sequence[str], Sequence[str]]]], columns: Iterable[int], width: int
) -> list[str]:
    """Return head and body of a table of texts and figures, of the latter these columns."""
    head, body = table
    figures = [(COLUMNS[at], *(line[1][at] for line in body)) for at in columns]
    sizes = [max(map(len, column)) for column in figures]
    texts = [[one_line(cell, _WIDEST) for cell in line[0]] for line in body]
    names = _fitted(texts, head, width - sum(size + 2 for size in sizes))
    return [
        "  ".join(
            [
                *(one_line(cell, size).ljust(size) for cell, size in zip(line, names, strict=True)),
                *(column[number].rjust(size) for column, size in zip(figures, sizes, strict=True)),
            ]
        ).rstrip()
        for number, line in enumerate((head, *texts))
    ]


def _fitted(texts: Sequence[Sequence[str]], head: Sequence[str], room: int) -> list[int]:
    """Return the widths of the named columns; the widest give way until all fit, or are as narrow as can be read."""
    sizes = [max(len(head[at]), *(len(line[at]) for line in texts)) for at in range(len(texts[0]))]
    while sum(sizes) + 2 * (len(sizes) - 1) > room and max(sizes) > _NARROWEST:
        sizes[sizes.index(max(sizes))] -= 1
    return sizes


def as_markdown(spending: Spending, limit: int) -> str:
    """Return the table as Markdown of at most `limit` bytes; the totals come first, since rows may be cut."""
    return render(list(_blocks(spending)), limit)


def _blocks(spending: Spending) -> Iterator[Block]:
    yield f"## {title_of(spending).capitalize()}"
    if not spending.totals:
        yield "Nothing was bought."
        return
    sums = [
        (code(provider), code(spending.units[provider]), *cells_of(each)) for provider, each in spending.totals.items()
    ]
    yield Table(head=("provider", "unit", *COLUMNS), align="ll" + "r" * len(COLUMNS), rows=tuple(sums))
    yield "\n".join(f"- {note}" for note in notes_of(spending))
    rows = [
        (*(code(value) if value is not None else NONE for value in row.values), code(row.provider), *cells_of(row.sums))
        for row in spending.rows
    ]
    head = (*(code(key) for key in spending.by), "provider", *COLUMNS)
    align = "l" * (len(spending.by) + 1) + "r" * len(COLUMNS)
    yield Table(head=head, align=align, rows=tuple(rows))


def as_csv(spending: Spending) -> str:
    """Return the rows as CSV without totals, so that a column adds up; an unknown sum is an empty cell."""
    head = (*spending.by, "provider", "unit", *COLUMNS, "unreported", *(("usd",) if spending.usd else ()))
    return write_table(head, (_csv_row(spending, row.values, row.provider, row.sums) for row in spending.rows))


def _csv_row(spending: Spending, values: Sequence[str | None], provider: str, sums: Sums) -> list[object]:
    rate, net = spending.usd.get(provider), net_of(sums)
    usd = [f"{rate * net:f}" if rate is not None and net is not None else None] if spending.usd else []
    figures = (
        sums.jobs, sums.planned.total, sums.charged.total, sums.refunded, sums.unexplained, sums.held.total,
        sums.unreported,
    )  # fmt: skip
    return [*(cell(value) for value in (*values, provider, spending.units[provider])), *figures, *usd]
