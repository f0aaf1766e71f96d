"""Consent on the command line: `--yes`, `--approve DIGEST`, or the prompt on a terminal, for `run` and `reconcile`."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import click

from kbatch.cli.approval_options import wants_record
from kbatch.cli.ui import console
from kbatch.errors import Refused
from kbatch.pipeline.load import MOST_JOBS
from kbatch.planner.approval.consent import ConsentMethod, ConsentTerms, needs_ceiling
from kbatch.planner.plan import Plan
from kbatch.report.data.format import amount, count
from kbatch.report.data.prompts import asked_for

Command = Callable[..., Any]
_FLAGS = {
    "profile": "--profile",
    "only": "--only",
    "exclude": "--exclude",
    "labels": "--label",
    "failed": "--failed",
    "first": "--first",
    "replace": "--replace",
    "cascade": "--cascade",
    "simulate": "--simulate",
    "live": "--live",
    "accounts": "--account",
    "lockfile": "--lockfile",
    "models": "--models",
    "max_jobs": "--max-jobs",
}
"""The flags that choose what a plan is about; a run needs them too, or its digest is another."""


def consent(command: Command) -> Command:
    """Add the flags by which a purchase is agreed to and bounded."""
    for option in (
        click.option(
            "--max-credits", multiple=True, metavar="[PROVIDER=]N", help="Refuse a maximum above; held during the run."
        ),
        click.option("--approve", metavar="DIGEST", help="Agree to exactly the plan with this digest."),
        click.option("--yes", is_flag=True, help="Agree to the plan that is printed."),
    ):
        command = option(command)
    return command


def check_consent(flags: Mapping[str, Any]) -> None:
    """Raise UsageError for flags that agree in two ways."""
    given = [flag for flag, name in (("--yes", "yes"), ("--approve", "approve")) if flags[name]]
    given += ["--approved"] if wants_record(flags) else []
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other")


def agree(plan: Plan, terms: ConsentTerms, flags: Mapping[str, Any], digests: Collection[str]) -> ConsentMethod | None:
    """Return how the user consented to a plan, None without consent; Refused when the consent is for another plan.

    `digests` are the accepted digests of the plan; messages name the first one. A plan that buys nothing needs none.
    """
    if wants_record(flags):
        return ConsentMethod.APPROVAL if plan.spends else None
    if flags["approve"]:
        if flags["approve"] not in digests:
            if not plan.spends:
                return None
            message = f"the plan now has the digest {next(iter(digests))}, not the approved {flags['approve']}"
            raise Refused("digest-differs", message, hint="review the plan above and approve its digest")
        return ConsentMethod.DIGEST
    if flags["yes"]:
        if not console.is_terminal() and needs_ceiling(plan, terms):
            hint = "--max-credits N, or `budget: {max_credits: …}` in the manifest"
            raise Refused("no-ceiling", "--yes without a terminal needs a ceiling for a real run", hint=hint)
        return ConsentMethod.YES
    if plan.spends and console.is_terminal():
        for line in asked_for(plan.spends, console.width_of(stderr=True)):
            console.say(line)
        return ConsentMethod.PROMPT if console.ask(_question(plan)) else None
    return None


def _question(plan: Plan) -> str:
    again: dict[str, int] = {}
    for entry in plan.resends:
        again[entry.job.provider] = again.get(entry.job.provider, 0) + (entry.held or 0)
    costs = []
    for provider, total in plan.totals.items():
        credits = total.known + again.get(provider, 0)
        if credits or total.unpriced:
            unpriced = f" and {count(total.unpriced, 'job')} without a price" if total.unpriced else ""
            costs.append(f"{amount(credits, total.unit)} of {provider}{unpriced}")
    things = [count(len(plan.purchases), "render")] if plan.purchases else []
    things += [f"{count(len(plan.resends), 'job')} that {_is(plan)} sent again"] if plan.resends else []
    return f"Spend up to {', '.join(costs)} on {' and '.join(things)}?"


def _is(plan: Plan) -> str:
    return "is" if len(plan.resends) == 1 else "are"


def chosen_words(flags: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words of a command line that choose what a plan is about; `flags` are by parameter."""
    return tuple(_words(flags))


def _words(flags: Mapping[str, Any]) -> Iterable[str]:
    for name, flag in _FLAGS.items():
        value = flags.get(name)
        if name == "max_jobs" and value == MOST_JOBS:
            continue
        if value is True:
            yield flag
        elif isinstance(value, tuple):
            for each in value:
                yield from (flag, str(each))
        elif value is not None and value is not False:
            yield from (flag, str(value))
