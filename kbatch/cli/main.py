"""The `kbatch` command: finds a subcommand by name, and turns errors into words and an exit code.

Nothing heavy is imported here: a subcommand's module comes in when it is called.
"""

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from io import StringIO
from typing import Any

import click

from kbatch.cli.ui.streams import end, let_go, open_closed, speak_utf8, unheard
from kbatch.errors import Bug, ExitCode, Invalid, KbatchError, Problem, Refused, Unwritable, did_you_mean
from kbatch.gc_pause import gc_paused

COMMANDS = {
    "init": "Write a small manifest that checks, plans and simulates",
    "check": "Find everything that is wrong with manifests, offline",
    "plan": "Show what a manifest would buy, reuse and fetch, with prices",
    "fit": "Find the edits that make a manifest fit a number of credits, each priced",
    "approve": "Record that a person agrees to a saved plan, up to a maximum and a time",
    "run": "Plan, confirm, render and collect; the same command resumes",
    "explain": "Show one job's request, where each value came from, its price and reason",
    "status": "Show what is bought, running, owed and unknown, offline",
    "pull": "Collect what is already paid; never buys",
    "accept": "Keep clips that were delivered wrong or are stale",
    "claim": "Gather evidence for credits that are owed back, and track it",
    "adopt-file": "Take a paid clip from a file that a colleague fetched",
    "reconcile": "Resolve submissions whose outcome is unknown",
    "verify": "Compare the files with the receipts",
    "lock": "Merge lockfiles by their receipts, and check them",
    "report": "Write a contact sheet, Markdown, CSV or JUnit of what was rendered",
    "spend": "Sum up what many lockfiles say was spent, by month, label, person",
    "preview": "Assemble what exists, and simulations of the rest, into one film",
    "models": "List the models, or show one model's parameters and prices",
    "mcp": "Serve tools for agents: check, plan, explain, fit",
    "schema": "Print a JSON Schema",
    "simulate": "Serve a simulation of both providers on this machine",
    "doctor": "Check keys, providers, balances and this machine",
    "help": "Show the help of a command",
}
_EXAMPLES = """\b
Examples:
  kbatch init my-campaign
  kbatch plan my-campaign/kbatch.yaml
  kbatch run my-campaign/kbatch.yaml --simulate --yes
"""


class _Commands(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = import_module(f"kbatch.cli.commands.{name.replace('-', '_')}").command
        return _talkative(command) if isinstance(command, click.Command) else None

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"{error.message}{f' {hint}' if hint else ''}", context) from None

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from kbatch._version import DISTRIBUTION, version  # noqa: PLC0415 - reading it takes a fifth of the start

        click.echo(f"kbatch {version()} ({DISTRIBUTION})")
        context.exit()


def _show_records(_context: click.Context, _option: click.Parameter, count: int) -> None:
    if count:
        from kbatch.cli.ui import logs  # noqa: PLC0415 - only when someone wants to see them

        logs.begin("info" if count == 1 else "debug", source="-v")


_VERBOSE = click.Option(
    ["-v", "--verbose"],
    count=True,
    expose_value=False,
    is_eager=True,
    callback=_show_records,
    help="Say each call, retry and written file on stderr; -vv says more, KBATCH_LOG=debug too.",
)


def _talkative(command: click.Command) -> click.Command:
    """Return a command that takes `-v`, its own commands too."""
    if _VERBOSE not in command.params:
        command.params.append(_VERBOSE)
        for below in command.commands.values() if isinstance(command, click.Group) else ():
            _talkative(below)
    return command


@click.group(
    cls=_Commands,
    params=[_VERBOSE],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EXAMPLES,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def commands() -> None:
    """Render video campaigns from a YAML manifest: one priced plan, one consent, and no clip paid twice."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code; the only place where every error ends in words.

    Without arguments those of the process are meant, and it ends with them.
    """
    open_closed()
    speak_utf8()
    with gc_paused():  # whatever works for long lets the collector work too
        code = int(_run(arguments))
        if "kbatch.cli.ui.logs" in sys.modules:
            sys.modules["kbatch.cli.ui.logs"].end(code)
        if arguments is None:
            end(code)
    let_go()
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        if os.environ.get("KBATCH_LOG", "").strip():
            from kbatch.cli.ui import logs  # noqa: PLC0415 - only when someone wants to see them

            logs.begin(os.environ["KBATCH_LOG"])
        result = commands.main(args=arguments, prog_name="kbatch", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _show_usage(error)
        return int(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        with unheard():
            click.echo("interrupted", err=True)
        return int(ExitCode.INTERRUPTED)
    except Invalid as error:
        _show_problems(error)
        return int(error.exit_code)
    except KbatchError as error:
        _show_error(error)
        return int(error.exit_code)
    except OSError as error:
        said = _of_disk(error)
        _show_error(said)
        return int(said.exit_code)
    except Exception as error:  # the top: anything that arrives here is a bug, said with all that helps to find it
        return _show_bug(error)
    return int(result) if isinstance(result, int) else int(ExitCode.OK)


def _show_usage(error: click.ClickException) -> None:
    from kbatch.report.data.format import harmless_lines  # noqa: PLC0415 - only when something is wrong

    said = StringIO()
    error.show(file=said)
    with unheard():  # it repeats words of the command line, such as a file's name
        click.echo(harmless_lines(said.getvalue()), err=True, nl=False)


def _show_problems(error: Invalid) -> None:
    from kbatch.report.text.diagnostics import as_text  # noqa: PLC0415 - only when something is wrong

    with unheard():
        for problem in error.problems:
            click.echo(as_text(problem), err=True)
        _annotate(error.problems)


def _show_error(error: KbatchError) -> None:
    from kbatch.report.data.format import harmless  # noqa: PLC0415 - only when something is wrong

    code = getattr(error, "code", None)
    label = "bug" if isinstance(error, Bug) else "refused" if error.exit_code == ExitCode.REFUSED else "error"
    with unheard():
        click.echo(f"{label}{f'[{code}]' if code else ''}: {harmless(error.message)}", err=True)
        if error.hint:
            click.echo(f"   hint: {harmless(error.hint)}", err=True)
        _annotate((Problem(code=code or label, message=error.message, hint=error.hint),))


def _of_disk(error: OSError) -> KbatchError:
    from kbatch.storage import LinkRefused  # noqa: PLC0415 - only when something is wrong

    if isinstance(error, LinkRefused):
        return Refused("link-refused", f"`{error.filename}` {error.strerror}")
    return Unwritable.of(error)


def _annotate(problems: Iterable[Problem]) -> None:
    from kbatch.cli.ui.github_actions import annotations  # noqa: PLC0415 - only when something is wrong

    for line in annotations(problems):
        click.echo(line, err=True)


def _show_bug(error: Exception) -> int:
    import traceback  # noqa: PLC0415 - only for a bug

    from kbatch.report.data.format import harmless_lines  # noqa: PLC0415 - only for a bug

    with unheard():
        click.echo(harmless_lines("".join(traceback.format_exception(error))), err=True, nl=False)
        click.echo(
            "bug: kbatch met a state that must not occur; the lines above say where. Nothing paid is lost:", err=True
        )
        click.echo("   hint: the same command resumes; please report the lines above", err=True)
    return int(ExitCode.BUG)
