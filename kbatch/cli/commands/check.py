"""`kbatch check`: everything that can be wrong with manifests, at once and offline."""

from pathlib import Path

import click

from kbatch._version import version
from kbatch.cli.options import format_choice, max_jobs, models, profile
from kbatch.cli.ui import console
from kbatch.cli.ui.github_actions import active, from_root
from kbatch.errors import ExitCode, Invalid, Problem
from kbatch.pipeline.cards.own_cards import full_catalog_with
from kbatch.pipeline.load import DEFAULT_MANIFEST, LoadOptions, load
from kbatch.report.machine import github_annotations, rules, sarif
from kbatch.report.text import diagnostics

_EXAMPLES = """\b
Examples:
  kbatch check
  kbatch check campaigns/*.yaml
  kbatch check campaign.yaml --profile draft --format json
  kbatch check campaigns/*.yaml --format github     # annotations in a workflow
  kbatch check campaigns/*.yaml --format sarif > kbatch.sarif
"""


@click.command("check", epilog=_EXAMPLES)
@click.argument("manifests", nargs=-1, metavar="[MANIFEST]...", type=click.Path(path_type=Path))
@profile
@models
@max_jobs
@format_choice("text", "json", "github", "sarif")
def command(manifests: tuple[Path, ...], profile: str | None, models: Path | None, max_jobs: int, form: str) -> int:
    """Find everything that can be wrong with manifests, offline and without a key.

    Each manifest is reported for itself. Exits with 2 when something is wrong; warnings alone are 0.
    """
    problems: list[Problem] = []
    placed: list[Problem] = []
    for path in manifests or (Path(DEFAULT_MANIFEST),):
        found, jobs = _check(path, LoadOptions(profile=profile, max_jobs=max_jobs, models=models))
        problems.extend(found)
        placed.extend(from_root(found, path))
        if form == "text":
            for problem in found:
                click.echo(diagnostics.as_text(problem))
        console.say(_verdict(path, found, jobs))
    if form == "json":
        console.show_json(diagnostics.as_json(problems))
    elif form == "sarif":
        meanings = rules.meanings(full_catalog_with(models).cards)
        console.show_json(sarif.as_json(placed, meanings, version()))
    if form == "github" or active():
        for line in github_annotations.lines(placed):
            click.echo(line, err=form != "github")
    return ExitCode.USAGE if any(problem.fatal for problem in problems) else ExitCode.OK


def _check(path: Path, options: LoadOptions) -> tuple[tuple[Problem, ...], int]:
    try:
        loaded = load(path, options)
    except Invalid as error:
        return error.problems, 0
    return loaded.warnings, len(loaded.jobs)


def _verdict(path: Path, problems: tuple[Problem, ...], jobs: int) -> str:
    errors = sum(problem.fatal for problem in problems)
    warnings = len(problems) - errors
    said = [f"{errors} error{'s' * (errors != 1)}"] if errors else [f"{jobs:,} job{'s' * (jobs != 1)}, good"]
    if warnings:
        said.append(f"{warnings} warning{'s' * (warnings != 1)}")
    return f"{path}: {', '.join(said)}"
