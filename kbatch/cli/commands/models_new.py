"""`kbatch models new`: writes a card from a vendor's page, by questions on a terminal and by flags elsewhere."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from kbatch.cli.ui import card_questions as questions
from kbatch.cli.ui import console
from kbatch.models.own.new_card import FLAT, NewCard, delivered, read_parameter, read_price, variant_names
from kbatch.pipeline.cards.new_card_file import ProviderFacts, check_free, facts_of, write_card
from kbatch.report.data.format import harmless
from kbatch.storage import MEBIBYTE, read_bytes

_EXAMPLES = """\b
Examples:
  kbatch models new                                        # asks, on a terminal
  kbatch models new --provider apiframe --model acme-1 --body acmeParams
      --source-title "Acme 1" --param duration:integer:5=5,10 --param start_image:picture
      --priced-by duration --price 5s=12 --price 10s=unknown
  kbatch models acme-1 --models models                     # what was written
"""
_LARGEST_PAGE = 32 * MEBIBYTE
"""More than a saved page has."""


@click.command("new", epilog=_EXAMPLES, short_help="Write the card of a model that is not here.")
@click.option("--provider", metavar="NAME", help="Whose API sells the model.")
@click.option("--model", metavar="NAME", help="The model's name as the API takes it.")
@click.option("--out", "folder", default="models", show_default=True, metavar="DIR",
              type=click.Path(path_type=Path), help="The folder of cards that the card is written to.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="The model's name for people; by default the model's name.")
@click.option("--source-title", metavar="TEXT", help="The title of the page that the card is read from.")
@click.option("--source-file", metavar="FILE", type=click.Path(path_type=Path),
              help="The saved page: its SHA-256 goes into the card.")  # fmt: skip
@click.option("--read", "day", metavar="DAY", help="The day on which it was read (YYYY-MM-DD); by default today.")
@click.option("--body", metavar="KEY", help="The key that the parameters stand under in the request; `-` for none.")
@click.option("--endpoint", metavar="NAME", help="Which of the provider's endpoints takes it, where it has several.")
@click.option("--param", "params", multiple=True, metavar="PARAM",
              help="A parameter, as NAME:TYPE[:DEFAULT][=VALUES]; TYPE is integer, number, text, boolean, picture or "
              "pictures, VALUES a list (5,10) or a range (0..1).")  # fmt: skip
@click.option("--required", "required", multiple=True, metavar="NAME", help="A parameter that a request needs.")
@click.option("--prompt-optional", is_flag=True, help="A request may go without a prompt.")
@click.option("--delivers", "delivers", multiple=True, metavar="PART=NAME",
              help="Which parameter is the clip's duration (or its seconds), audio, ratio, start or end; by default "
              "the parameter with the usual name.")  # fmt: skip
@click.option("--per", type=click.Choice(("clip", "second", "output")), help="What one price buys; by default a clip.")
@click.option("--outputs", metavar="NAME", help="With --per output: the parameter that says how many are made.")
@click.option("--priced-by", "priced_by", multiple=True, metavar="NAME", help="A parameter that changes the price.")
@click.option("--price", "prices", multiple=True, metavar="[VARIANT=]AMOUNT",
              help="A price in the provider's units, or `unknown`; VARIANT is a name such as 10s-audio.")  # fmt: skip
@click.option("--usd", is_flag=True, help="The prices are US dollars.")
@click.option("--units-per-usd", type=click.IntRange(min=1), metavar="N", help="How many units a dollar is.")
@click.option("--render-time", "render_time", metavar="MIN..MAX",
              help="How long a render takes, in seconds; by default as the provider's other models.")  # fmt: skip
@click.option("--note", "notes", multiple=True, metavar="TEXT", help="What a buyer should know.")
@click.option("--unconfirmed", "unconfirmed", multiple=True, metavar="TEXT",
              help="What the card says and no page does; check and plan warn of it.")  # fmt: skip
def command(folder: Path, **given: Any) -> None:
    """Write DIR/PROVIDER/MODEL.json, the card of a model that kbatch does not know, from a vendor's page.

    On a terminal it asks for what the flags leave out; elsewhere nothing is asked, and what is missing is an error. A
    card that is there already is left alone.
    """
    flags, asking = dict(given), console.is_terminal()
    if asking:
        questions.ask_names(flags)
    _check_needed(flags, ("provider", "model", "source_title"))
    facts = facts_of(flags["provider"])
    check_free(folder / f"{flags['provider']}/{flags['model']}.json")
    if asking:
        questions.ask_parameters(flags, facts)
    _check_needed(flags, ("params", *(["body"] if len(facts.body_keys) > 1 else [])))
    if _unpriced(flags, facts).delivers["duration"] is None:
        _check_needed({"length": asking}, ("length",))
        questions.ask_length(flags)
    if asking and not flags["prices"]:
        questions.ask_pricing(flags, facts.unit)
        questions.ask_prices(flags, variant_names(_unpriced(flags, facts)), facts.unit)
    _check_needed(flags, ("prices",))
    card = _priced(_unpriced(flags, facts), flags)
    if asking:
        console.say("the same without questions:")
        console.write_line(harmless(_as_words(folder, flags)), stderr=True)
    click.echo(write_card(folder, card))
    _say_next(folder, card, facts)


def _check_needed(flags: Mapping[str, Any], names: Iterable[str]) -> None:
    missing = [_FLAGS.get(name, f"--{name}") for name in names if not flags[name]]
    if missing:
        raise click.UsageError(f"{', '.join(missing)} must be given: without a terminal nothing is asked")


_FLAGS = {
    "length": "--delivers duration=NAME (or its seconds)",
    "source_title": "--source-title",
    "params": "--param",
    "prices": "--price (`--price unknown` where no page has it)",
}


def _unpriced(flags: Mapping[str, Any], facts: ProviderFacts) -> NewCard:
    """Return the card without its prices; UsageError with all that is wrong with the flags."""
    faults: list[str] = []
    if not {"", ".", ".."}.isdisjoint(flags["model"].split("/")):
        faults.append(f"--model {flags['model']}: no part of the name may be empty, `.` or `..`")
    parameters = []
    for text in flags["params"]:
        found = read_parameter(text)
        if isinstance(found, str):
            faults.append(found)
        else:
            parameters.append(found)
    names = {one.name for one in parameters}
    for flag in ("required", "priced_by"):
        faults += [
            f"--{flag.replace('_', '-')} {name}: no --param has this name" for name in flags[flag] if name not in names
        ]
    delivers = delivered(parameters)
    for word in flags["delivers"]:
        part, _, name = word.partition("=")
        if part not in delivers:
            faults.append(f"--delivers {word}: PART is one of {', '.join(delivers)}")
        delivers[part] = int(name) if name.isascii() and name.isdigit() else name or None
    try:
        render_s = _render_time(flags["render_time"]) or facts.render_s
        day = (date.fromisoformat(flags["day"]) if flags["day"] else datetime.now(UTC).date()).isoformat()
    except ValueError as error:
        faults.append(str(error))
    if faults:
        raise click.UsageError("; ".join(faults))
    body = flags["body"] if flags["body"] is not None else facts.body_keys[0]
    borrowed = () if flags["render_time"] else ("Render times are those of the provider's other models",)
    return NewCard(
        provider=flags["provider"],
        model=flags["model"],
        title=flags["title"] or flags["model"],
        source={
            "title": flags["source_title"],
            "publisher": facts.publisher,
            "read": day,
            **_digest(flags["source_file"]),
        },
        parameters=tuple(parameters),
        required=(*(() if flags["prompt_optional"] else ("prompt",)), *flags["required"]),
        body_key=None if body == "-" else body,
        endpoint=flags["endpoint"],
        unit=facts.unit,
        per_usd=flags["units_per_usd"] or facts.per_usd,
        per=flags["per"] or "clip",
        outputs=flags["outputs"],
        priced_by=flags["priced_by"],
        prices=None,
        delivers=delivers,
        render_s=render_s,
        notes=(*flags["notes"], *borrowed),
        unconfirmed=flags["unconfirmed"],
    )


def _priced(card: NewCard, flags: Mapping[str, Any]) -> NewCard:
    rows, faults = {}, []
    for text in flags["prices"]:
        try:
            variant, amount = read_price(text, usd=flags["usd"])
        except ValueError as error:
            faults.append(str(error))
        else:
            if variant in rows:
                faults.append(f"--price gives `{variant}` twice")
            rows[variant] = amount
    if faults:
        raise click.UsageError("; ".join(faults))
    if set(rows.values()) == {None} and (set(rows) == {FLAT} or set(rows) == set(variant_names(card))):
        return card
    return replace(card, prices=rows)


def _render_time(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    low, dots, high = text.partition("..")
    if not (dots and low.isdigit() and high.isdigit() and 0 < int(low) <= int(high)):
        raise ValueError(f"--render-time {text}: write MIN..MAX in seconds, such as 60..300")
    return int(low), int(high)


def _digest(page: Path | None) -> dict[str, str]:
    return {} if page is None else {"sha256": sha256(read_bytes(page, limit=_LARGEST_PAGE)).hexdigest()}


def _as_words(folder: Path, flags: Mapping[str, Any]) -> str:
    """Return the command line that writes this card again without a question."""
    words = ["kbatch", "models", "new"]
    for option in command.params:
        value = folder if option.name == "folder" else flags.get(option.name or "")
        if not isinstance(option, click.Option) or not value or option.name == "verbose":
            continue
        name = max(option.opts, key=len)
        if value is True:
            words.append(name)
        else:
            words += [word for one in (value if isinstance(value, tuple) else (value,)) for word in (name, str(one))]
    return shlex.join(words)


def _say_next(folder: Path, card: NewCard, facts: ProviderFacts) -> None:
    for part, name in card.delivers.items():
        if name is not None:
            console.say(f"the clip's {part}: {f'`{name}`' if isinstance(name, str) else f'{name} s'}")
    if facts.packaged(card.model):
        console.say(f"it stands in the place of the packaged card of `{card.provider}/{card.model}`")
    where = shlex.quote(str(folder))
    console.say(f"look at it: kbatch models {card.provider}/{card.model} --models {where}")
    console.say(f"use it: kbatch plan MANIFEST --models {where}, or KBATCH_MODELS={where}")
    if card.prices is None or None in card.prices.values():
        console.say("a job without a price needs `--allow-unpriced N`, or its price under `prices`")
    console.say("try it with one job first: kbatch run MANIFEST --first 1, with the same --models")
