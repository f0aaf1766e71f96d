"""`kbatch models [MODEL]`: what each model accepts, costs and delivers, from its card; no network, no key.

`new` is a command of its own below it.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import click

from kbatch.cli import completion
from kbatch.cli.commands import models_new
from kbatch.cli.options import models as own_models
from kbatch.cli.ui import console
from kbatch.errors import ExitCode, did_you_mean
from kbatch.models.cards import Card, Catalog
from kbatch.models.describe import PACKAGED, ModelPage, ModelRow, ParameterRow, as_json, describe, list_models
from kbatch.pipeline.cards.own_cards import full_catalog_with
from kbatch.pipeline.published_prices import ask_lists
from kbatch.report.data.format import harmless
from kbatch.report.text import published

_WIDTH = 110
_EXAMPLES = """\b
Examples:
  kbatch models
  kbatch models kling-3.0
  kbatch models apiframe/kling-2.6 --format json
  kbatch models --live            # published prices beside the cards'
  kbatch models --diff            # exit 1 when a card differs from its provider's list
  kbatch models new               # a card for a model that is not here
"""


class _WithNew(click.Group):
    """A command with one of its own: `new` as the first word; any other word is a MODEL."""

    allow_extra_args = False
    allow_interspersed_args = True
    parse_args = click.Command.parse_args
    invoke = click.Command.invoke
    collect_usage_pieces = click.Command.collect_usage_pieces

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == [models_new.command.name]:
            return models_new.command.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("models", epilog=_EXAMPLES, cls=_WithNew, commands=[models_new.command], invoke_without_command=True)
@click.argument("model", required=False, shell_complete=completion.models)
@own_models
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", help="How to print; text by default."
)
@click.option("--live", is_flag=True, help="Show what the providers' public price lists say of the cards' prices.")
@click.option("--diff", is_flag=True, help="Show only what differs from these lists; exit with 1 when anything does.")
def command(model: str | None, models: Path | None, form: str, *, live: bool, diff: bool) -> int:
    """List the models, or show one: parameters with defaults and ranges, prices, rules and notes.

    MODEL is a model's name, such as kling-2.6, or provider and name, such as apiframe/kling-2.6. --live and --diff ask
    the public price lists, without a key, and exit with 5 when one cannot be read: that is no agreement.
    """
    catalog = full_catalog_with(models)
    for problem in catalog.unusable.values():
        console.say(f"warning: {problem.message}")
    cards = catalog.cards if model is None else (_find(catalog, model),)
    if live or diff:
        return _show_published(cards, form, diff=diff)
    if form == "json":
        click.echo(json.dumps(as_json(cards), ensure_ascii=False, indent=2))
    elif model is None:
        _print_list(list_models(cards))
    else:
        _print_page(describe(cards[0]))
    return ExitCode.OK


def _show_published(cards: Sequence[Card], form: str, *, diff: bool) -> int:
    """Ask the public lists for these cards, and show what they say."""
    models: dict[str, list[str]] = {}
    for card in cards:
        models.setdefault(card.provider, []).append(card.model)
    found = published.rows(cards, ask_lists(models))
    if form == "json":
        console.show_json(published.as_json(found))
    else:
        for line in published.lines(found, diff=diff):
            click.echo(harmless(line))
    return published.exit_code(found, diff=diff)


def _find(catalog: Catalog, name: str) -> Card:
    found = catalog.named(name)
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"`{card.key}`" for card in found)
        raise click.UsageError(f"`{name}` is a model of several providers: write {choices}")
    known = [card.key if "/" in name else card.model for card in catalog.cards]
    hint = did_you_mean(name, known)
    raise click.UsageError(f"there is no model `{name}`" + (f"; {hint}" if hint else ""))


def _print_list(rows: tuple[ModelRow, ...]) -> None:
    shown = len(fields(ModelRow)) - all(row.card == PACKAGED for row in rows)
    table = [tuple(field.name for field in fields(ModelRow))[:shown], *(astuple(row)[:shown] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    console.show_lines(lambda _width: ([(line, "")] for line in lines), stderr=False)


def _width() -> int:
    return min(_WIDTH, console.width_of(stderr=False)) if console.is_narrow(stderr=False) else _WIDTH


def _print_page(page: ModelPage) -> None:
    paper = click.HelpFormatter(width=_width())
    paper.write_text(f"{page.key}: {page.title}")
    paper.write_text(page.summary)
    sections = {
        "Parameters": [(f"{row.name} ({row.type})", _words(row)) for row in page.parameters],
        "Prices": [(row.variant, row.price) for row in page.prices],
    }
    for title, rows in sections.items():
        with paper.section(title):
            paper.write_dl(rows, col_max=34)
    lists = {
        "Price": (page.price_note,) if page.price_note else (),
        "Rules": page.rules,
        "Render time": (page.render_time,),
        "Notes": page.notes,
        "Sources": page.sources,
    }
    for title, lines in lists.items():
        if lines:
            with paper.section(title):
                paper.write_dl([("-", line) for line in lines])
    click.echo(paper.getvalue(), nl=False)


def _words(row: ParameterRow) -> str:
    return f"{row.facts}. {row.description}" if row.facts else row.description
