"""`kbatch spend`: what many lockfiles say was spent, by month, label, person and more; needs no network."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from kbatch.cli.options import format_choice
from kbatch.cli.report_pages import page_parts
from kbatch.cli.ui import console
from kbatch.errors import Invalid, did_you_mean
from kbatch.planner.budgets.purchases import purchases_of
from kbatch.providers.registry import NAMES, provider_of
from kbatch.report.markdown.markdown import COMMENT_LIMIT
from kbatch.report.spend import spend_html, tables
from kbatch.report.spend.spending import KEYS, Spending, as_json, between, group, read_keys
from kbatch.runner.preflight.lockfiles import FoundLockfile, read_lockfiles

_EXAMPLES = """\b
Examples:
  kbatch spend
  kbatch spend campaigns --by month,label:market --since 2026-11-01 --until 2026-12-01
  kbatch spend a.lock.json b.lock.json --by actor --rate apiframe=0.01 --format csv
  kbatch spend campaigns --by campaign,model --format html > spend.html
"""


@click.command("spend", epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "--by", multiple=True, metavar="KEY,...", default=("month",), show_default="month",
    help=f"Group by {', '.join(KEYS)}; months are those of submission in UTC.",
)  # fmt: skip
@click.option("--since", metavar="DATE", help="Only what was sent on this day (UTC) or later: 2026-11-01.")
@click.option("--until", metavar="DATE", help="Only what was sent before this day (UTC).")
@click.option(
    "--rate", "rates", multiple=True, metavar="PROVIDER=USD", help="Show USD too, at so many a credit: apiframe=0.01."
)
@click.option("--simulate", is_flag=True, help="Count what was simulated (`.sim.lock.json`), and nothing else.")
@format_choice("text", "json", "csv", "markdown", "html")
def command(paths: tuple[Path, ...], form: str, simulate: bool, **flags: Any) -> None:
    """Sum up what the lockfiles at PATHs (here) say was spent; folders are searched, and each purchase counts once.

    Charged is before refunds. Each provider's credits are its own, and never added to another's.
    """
    by = read_keys(flags["by"])
    since, until = _day("--since", flags["since"]), _day("--until", flags["until"])
    if since and until and until <= since:
        raise click.BadParameter(f"{until} is not after --since {since}", param_hint="--until")
    rates = _rates(flags["rates"])
    found = read_lockfiles(paths or (Path(),), simulated=simulate)
    if not found:
        console.say(f"no lockfiles in {', '.join(map(str, paths)) or 'this folder'}")
    spending = _spending(found, by, (since, until), rates, simulate)
    for provider in rates.keys() - spending.totals.keys():
        console.say(f"--rate {provider}: nothing was bought there")
    match form:
        case "json":
            console.show_json(as_json(spending))
        case "csv":
            click.echo(tables.as_csv(spending), nl=False)
        case "markdown":
            click.echo(tables.as_markdown(spending, COMMENT_LIMIT), nl=False)
        case "html":
            made_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
            click.echo(spend_html.as_html(spending, made_at, page_parts()), nl=False)
        case _:
            console.show_lines(lambda width: tables.lines(spending, width), stderr=False)


def _spending(
    found: tuple[FoundLockfile, ...],
    by: tuple[str, ...],
    days: tuple[str | None, str | None],
    rates: dict[str, Decimal],
    simulated: bool,
) -> Spending:
    purchases, undated = between(purchases_of(one.renders for one in found), *days)
    rows, totals = group(purchases, by)
    return Spending(
        by=by,
        rows=rows,
        totals=totals,
        units={provider: _unit(provider) for provider in totals},
        usd={provider: rate for provider, rate in rates.items() if provider in totals},
        files=len(found),
        since=days[0],
        until=days[1],
        undated=undated,
        simulated=simulated,
    )


def _unit(provider: str) -> str:
    """Return what a provider counts; one whose package is gone has its receipts still."""
    try:
        return provider_of(provider).unit
    except Invalid:
        return "credits"


def _day(flag: str, word: str | None) -> str | None:
    try:
        if word is None or date.fromisoformat(word).isoformat() == word:
            return word
    except ValueError:
        pass
    raise click.BadParameter(f"`{word}` is no day: 2026-11-01", param_hint=flag)


def _rates(words: Iterable[str]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for word in words:
        provider, equals, amount = word.partition("=")
        try:
            rate = Decimal(amount) if equals and amount.isascii() else Decimal(-1)
        except InvalidOperation:
            rate = Decimal(-1)
        if not (rate.is_finite() and rate > 0):
            raise click.BadParameter(f"`{word}` is no rate: apiframe=0.01", param_hint="--rate")
        if provider not in NAMES:
            hint = did_you_mean(provider, NAMES) or ""
            raise click.BadParameter(f"`{word}` names no provider: {hint}", param_hint="--rate")
        found[provider] = rate
    return found
