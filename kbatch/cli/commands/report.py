"""`kbatch report`: what was rendered and paid, as HTML, Markdown, CSV or JUnit; needs no network."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kbatch.cli.documents import STDOUT, check_outputs, is_stdout, write_output
from kbatch.cli.options import format_choice, manifest, max_jobs, state
from kbatch.cli.protected_paths import protected_by
from kbatch.cli.report_pages import page_parts, url_from
from kbatch.cli.session import chosen_lockfile, load_manifest
from kbatch.cli.ui import console
from kbatch.media.posters import can_make_posters, make_poster
from kbatch.pipeline.load import LoadedManifest
from kbatch.pipeline.load_state import as_bought, load_state
from kbatch.pipeline.make_plan import make_plan
from kbatch.planner.selection import Selection
from kbatch.receipts import store as state_on_disk
from kbatch.report.data.accounts import Report, make_report
from kbatch.report.data.rows import as_json, paths_of
from kbatch.report.html import report_html
from kbatch.report.html.report_html import ShownClip
from kbatch.report.machine import csv_table, junit
from kbatch.report.markdown import run_markdown
from kbatch.report.markdown.markdown import COMMENT_LIMIT
from kbatch.runner.preflight.clip_paths import check_links
from kbatch.storage import is_link, read_bytes, size_of

_POSTERS = 16 * 1024 * 1024
"""Bytes of posters that a page holds; what comes after them gets a drawing, so that a page of 5,000 clips opens."""
_EXAMPLES = """\b
Examples:
  kbatch report campaign.yaml --html report.html
  kbatch report campaign.yaml --csv clips.csv --junit junit.xml
  kbatch report campaign.yaml --simulate --markdown -
"""


@click.command("report", epilog=_EXAMPLES)
@manifest
@click.option("--html", metavar="FILE", help="A contact sheet: one self-contained page beside the clips.")
@click.option("--markdown", metavar="FILE", help="Markdown that fits a pull request comment.")
@click.option("--junit", metavar="FILE", help="JUnit XML: one testcase a job, its credits as properties.")
@click.option("--csv", metavar="FILE", help="One line a job, for spreadsheets.")
@state
@max_jobs
@format_choice("text", "json")
def command(manifest: Path, form: str, **flags: Any) -> None:
    """Report what MANIFEST (kbatch.yaml) rendered and what was paid for it, without a network.

    Several files may be asked for at once; `-` is stdout. With --format json the rows go to stdout.
    """
    wanted = {name: flags[name] for name in ("html", "markdown", "junit", "csv") if flags[name] is not None}
    if not wanted and form == "text":
        raise click.UsageError("say what to write: --html, --markdown, --junit or --csv FILE, or --format json")
    if sum(map(is_stdout, wanted.values())) + (form == "json") > 1:
        raise click.UsageError("only one report can go to stdout")
    loaded = load_manifest(manifest, flags)
    path = chosen_lockfile(manifest, flags)
    found = load_state(loaded, path)
    check_outputs(
        {f"--{name}": target for name, target in wanted.items()},
        protected_by(loaded, path, found),
    )
    report = read_report(loaded, found)
    for name, target in wanted.items():
        write_output(target, _render(name, target, report, loaded.folder))
        if target != STDOUT:
            console.say(f"wrote {target}")
    if form == "json":
        console.show_json({"jobs": [as_json(row) for row in (*report.rows, *report.others)]})


def read_report(loaded: LoadedManifest, found: state_on_disk.LoadedState) -> Report:
    """Return the report of all jobs of a manifest as the state on disk has them."""
    loaded = as_bought(loaded, found)
    plan = make_plan(loaded, found, Selection()).plan
    paths = paths_of(plan.entries, found.lockfile.renders)
    here = frozenset(path for path in paths if size_of(loaded.folder / path) is not None)
    made_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return make_report(plan, found.lockfile, here, name=loaded.path.as_posix(), made_at=made_at)


def _render(name: str, target: str, report: Report, folder: Path) -> str:
    match name:
        case "html":
            return report_html.as_html(report, _clips(report, target, folder), page_parts())
        case "markdown":
            return run_markdown.as_markdown(report, COMMENT_LIMIT)
        case "junit":
            return junit.render(report)
        case _:
            return csv_table.render((*report.rows, *report.others))


def _clips(report: Report, target: str, folder: Path) -> Mapping[str, ShownClip]:
    check_links(folder, (row.output for row in report.rows if row.here))
    room = _POSTERS if can_make_posters() else 0
    clips: dict[str, ShownClip] = {}
    for row in report.rows:
        if row.here and row.output not in clips:
            poster = _poster(folder / row.output) if room > 0 and not is_link(folder / row.output) else None
            room -= len(poster or b"")
            clips[row.output] = ShownClip(href=url_from(target, folder / row.output), poster=poster)
    return clips


def _poster(path: Path) -> bytes | None:
    try:
        return make_poster(read_bytes(path))
    except OSError:
        return None
