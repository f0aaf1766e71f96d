"""`kbatch simulate`: a simulation of the providers on a port of this machine."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kbatch.cli.documents import check_outputs, path_of
from kbatch.cli.options import models
from kbatch.cli.protected_paths import named
from kbatch.cli.ui import console
from kbatch.errors import Invalid, Problem, Refused
from kbatch.gc_pause import gc_running
from kbatch.pipeline.cards.own_cards import full_catalog_with
from kbatch.pipeline.simulation import simulated_providers, sold_by_card
from kbatch.providers.registry import NAMES
from kbatch.simulator.exchange import PROVIDERS
from kbatch.simulator.faults.selection import CATALOGUE, read_rules
from kbatch.simulator.providers.own_offers import offers_of_cards
from kbatch.simulator.state import KeyScope, SignatureKey
from kbatch.storage import read_bytes

EXAMPLES = """\b
Examples:
  kbatch simulate
  kbatch simulate --port 8085 --latency 20 --bill bill.json
  kbatch simulate --models models          # sells the models of your own cards too
  kbatch simulate --no-clips --latency 0 --faults faults.yaml --seed 7
  kbatch simulate --rate 500 --key afk_of_ann=red/ann/laptop --credits apiframe/red=200
  KBATCH_APIFRAME_URL=http://127.0.0.1:8085 APIFRAME_API_KEY=any kbatch run --yes

\b
A faults file is a list, of which only `fault` is needed:
  - {fault: lost-answer, times: 1}
  - {fault: 503, at: poll, probability: 0.1}
  - {fault: moderation, match: '(?i)weapon', provider: apiframe}

\b
Faults:
"""


def fault_list() -> str:
    """Return the catalogue as aligned lines."""
    wide = max(map(len, CATALOGUE))
    return "\n".join(f"  {name:<{wide}}  {text}" for name, text in CATALOGUE.items())


@click.command(
    "simulate",
    short_help="Serve a simulation of both providers on this machine.",
    epilog=EXAMPLES + fault_list(),
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="On 127.0.0.1; 0 is any.")
@click.option("--latency", "latency_s", type=click.FloatRange(min=0), default=5.0, show_default=True, metavar="SECONDS",
              help="How long a render takes.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of ids and of faults by probability.")
@click.option("--faults", "faults_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="What shall go wrong, and when.")  # fmt: skip
@models
@click.option("--allow-extra", is_flag=True, help="Let parameters pass that no document has (`extra` in a manifest).")
@click.option("--bill", "bill_file", metavar="FILE",
              help="Write the bill here after every change.")  # fmt: skip
@click.option("--no-clips", is_flag=True, help="Tiny files that only declare the right duration and audio.")
@click.option("--credits", "credit_words", multiple=True, metavar="[PROVIDER[/TEAM]=]N",
              help="Credits that an account starts with, in its provider's unit.")  # fmt: skip
@click.option("--key-scope", type=click.Choice([scope.value for scope in KeyScope]), default="user", show_default=True,
              help="Whose idempotency keys are one: all keys of a team, of a user, or one key alone.")  # fmt: skip
@click.option("--key", "people", multiple=True, metavar="KEY=TEAM/USER[/NAME]", help="Whose an API key of Apiframe is.")
@click.option("--rate", "rate_per_minute", type=click.IntRange(min=1), metavar="N",
              help="Calls a minute; one more is 429. Apiframe's is about 500.")  # fmt: skip
@click.option("--rate-scope", type=click.Choice([scope.value for scope in KeyScope]), default="team", show_default=True,
              help="Whose calls the rate counts together.")  # fmt: skip
@click.option("--webhook-key", type=click.Choice([form.value for form in SignatureKey]), default="raw",
              show_default=True, help="What signs webhooks: the API key's SHA-256 as bytes or as hex.")  # fmt: skip
def command(**options: Any) -> None:
    """Serve a simulation of both providers on 127.0.0.1, until Ctrl-C or SIGTERM.

    Nothing here costs anything. Any key that is not empty works, except `invalid` and those that begin with `bad`. The
    first line on stdout is {"url": …}; GET /__bill shows who was charged.

    Apiframe's jobs belong to a user: a key TEAM/USER or TEAM/USER/NAME says whose it is, so `red/ann` and `red/ben` are
    colleagues, `red/ann/ci` is another key of the first. --key gives such a name to any other key; a key without one is
    a user of its own in one team for all. A user `admin…` or `owner…` may list the team's jobs; --credits
    apiframe/red=N gives a team credits of its own. Webhooks are sent to addresses of this machine only.

    A provider that an installed package brings is served below its name: KBATCH_ACME_URL={url}/acme.
    """
    try:
        from kbatch.simulator.listen import serve  # noqa: PLC0415 - a server is not needed for --help
        from kbatch.simulator.server import SimulatorSettings  # noqa: PLC0415
    except ImportError as error:
        raise _missing(error) from error
    check_outputs({"--bill": options["bill_file"]}, named((options["faults_file"], "the file of faults")))
    others = tuple(_others())
    names = (*PROVIDERS, *(one.name for one in others))
    settings = SimulatorSettings(
        seed=options["seed"],
        latency_s=options["latency_s"],
        credits=_credits(options["credit_words"], names),
        faults=_rules(options["faults_file"], names),
        others=others,
        lenient=options["allow_extra"],
        offers=offers_of_cards(sold_by_card(full_catalog_with(options["models"]))),
        clips=not options["no_clips"],
        key_scope=KeyScope(options["key_scope"]),
        people=_people(options["people"]),
        rate_per_minute=options["rate_per_minute"],
        rate_scope=KeyScope(options["rate_scope"]),
        webhook_key=SignatureKey(options["webhook_key"]),
        bill=None if options["bill_file"] is None else path_of(options["bill_file"]),
        clock=time.time,
    )
    try:
        with gc_running():
            serve(settings, port=options["port"], on_ready=_say_where)
    except ImportError as error:
        raise _missing(error) from error
    except OSError as error:
        raise click.UsageError(f"cannot serve: {error}") from error


def _others() -> Iterator[Any]:
    """Yield the simulations that installed packages bring; one that cannot be used does not keep the rest away."""
    for name in NAMES:
        try:
            yield from simulated_providers([name])
        except Refused as error:
            console.say(f"warning: {error.message}")


def _missing(error: ImportError) -> Refused:
    also = ", or use --no-clips" if error.name == "av" else ""
    hint = f"install the extra `sim`: pip install 'kbatch-render[sim]'{also}"
    return Refused("no-simulator", f"the simulator needs {error.name}, which is not installed", hint=hint)


def _say_where(url: str) -> None:
    click.echo(json.dumps({"url": url}))
    sys.stdout.flush()


def _rules(path: Path | None, names: tuple[str, ...]) -> Any:
    if path is None:
        return ()
    try:
        return read_rules(read_bytes(path).decode("utf-8"), file=str(path), providers=names)
    except UnicodeDecodeError as error:
        raise Invalid([Problem(code="faults-file", message=f"{path} is not UTF-8: {error}")]) from error


def _people(words: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, equals, name = word.partition("=")
        pieces = name.split("/")
        if not (key and equals and len(pieces) in (2, 3) and all(pieces)):
            raise click.BadParameter(f"{word!r} is not KEY=TEAM/USER or KEY=TEAM/USER/NAME", param_hint="--key")
        found[key] = name
    return found


def _credits(words: tuple[str, ...], names: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        name, equals, amount = word.rpartition("=")
        if not amount.isascii() or not amount.isdigit() or (equals and name.partition("/")[0] not in names):
            raise click.BadParameter(
                f"{word!r} is not N, {'=N, '.join(names[:-1])}=N, {names[-1]}=N or {names[0]}/TEAM=N",
                param_hint="--credits",
            )
        found |= {name: int(amount)} if equals else dict.fromkeys(names, int(amount))
    return found
