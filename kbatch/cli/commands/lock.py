"""`kbatch lock`: lockfiles in teams: merged by their receipts, checked, and merged by git itself."""

from pathlib import Path

import click

from kbatch.cli.documents import check_outputs, path_of
from kbatch.cli.options import format_choice
from kbatch.cli.protected_paths import ProtectedPaths
from kbatch.cli.ui import console
from kbatch.cli.ui.console import say
from kbatch.errors import ExitCode, Invalid, Problem, StateUnreadable
from kbatch.pipeline.merge_approvals import holds_approvals, merge_approval_files, write_merged_approvals
from kbatch.pipeline.merge_lockfiles import is_lockfile, merge_files, write_merged
from kbatch.providers.registry import full_catalog
from kbatch.receipts.lockfile.audit import UNREADABLE, Audit, audit
from kbatch.report.data.format import count, harmless
from kbatch.report.text import diagnostics
from kbatch.storage import is_replaced, names_in, read_if_there
from kbatch.storage.git.merge_driver import install

_EXAMPLES = """\b
Examples:
  kbatch lock check
  kbatch lock merge campaign.lock.json --out campaign.lock.json    # after a merge that stopped
  kbatch lock install-merge-driver
"""
_MERGE_EXAMPLES = """\b
Examples:
  kbatch lock merge ours.lock.json theirs.lock.json --out campaign.lock.json
  kbatch lock merge campaign.lock.json --out campaign.lock.json    # conflict markers and all
"""
_CHECK_EXAMPLES = """\b
Examples:
  kbatch lock check
  kbatch lock check campaigns/*.lock.json --format json
"""
_INSTALL_EXAMPLES = """\b
Examples:
  kbatch lock install-merge-driver
"""


@click.group("lock", epilog=_EXAMPLES)
def command() -> None:
    """Merge lockfiles by their receipts, check them, and let git merge them."""


@command.command("merge", epilog=_MERGE_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="FILE", help="Where the union is written.")
@click.option(
    "--base", type=click.Path(path_type=Path), help="From what all began: tells removed jobs from added ones."
)
@click.option("--path", "name", metavar="NAME", help="What messages call the files, as git's `%P` does.")
def merge(paths: tuple[Path, ...], out: str, base: Path | None, name: str | None) -> None:
    """Write the union of the receipts in all FILEs: in any order, as often as you like, nothing paid is lost.

    FILEs of approvals are joined likewise.

    A FILE in which a merge left its markers counts as its two sides.
    """
    check_outputs({"--out": out}, ProtectedPaths(lockfiles=True))
    place = path_of(out)
    if any(holds_approvals(path) for path in paths):
        _merge_approvals(paths, place, out, base, name)
        return
    if not (is_lockfile(place) or place.resolve() in [path.resolve() for path in paths]):
        message = f"`{out}` is something else than a lockfile"
        raise Invalid([Problem(code="would-overwrite", message=message, hint="give --out another name")])
    merged = merge_files(paths, base, name)
    write_merged(place, merged.lockfile)
    for note in merged.notes:
        say(note)
    receipts = count(len(merged.lockfile.renders), "receipt")
    say(f"{name or out}: {receipts} from {count(merged.parts, 'lockfile')}")


def _merge_approvals(paths: tuple[Path, ...], place: Path, out: str, base: Path | None, name: str | None) -> None:
    if is_replaced(place) and place.exists() and not holds_approvals(place):
        message = f"`{out}` is something else than a file of approvals"
        raise Invalid([Problem(code="would-overwrite", message=message, hint="give --out another name")])
    merged = merge_approval_files(paths, name, ask_git=base is None)
    write_merged_approvals(place, merged.approvals)
    say(f"{name or out}: {count(len(merged.approvals), 'approval')} from {count(merged.parts, 'file')}")


@command.command("check", epilog=_CHECK_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@format_choice("text", "json")
def check(paths: tuple[Path, ...], form: str) -> int:
    """Find what is wrong with lockfiles, by default all in this folder: shape, version, markers of a merge, digests.

    Exits with 2 when something is wrong.
    """
    found = [(path, _audit(path)) for path in paths or _lockfiles_here()]
    if not found:
        say("no lockfiles here")
    problems = [problem for _, one in found for problem in one.problems]
    if form == "json":
        shown = {"files": [_as_json(path, one) for path, one in found], **diagnostics.as_json(problems)}
        console.show_json(shown)
        return ExitCode.USAGE if problems else ExitCode.OK
    for path, one in found:
        for problem in one.problems:
            click.echo(diagnostics.as_text(problem))
        say(f"{path}: {_verdict(one)}")
    return ExitCode.USAGE if problems else ExitCode.OK


@command.command("install-merge-driver", epilog=_INSTALL_EXAMPLES)
def install_merge_driver() -> None:
    """Let git merge lockfiles by their receipts in the repository of this folder; once in every clone."""
    done = install(Path.cwd())
    for sentence in done:
        click.echo(harmless(sentence))
    if not done:
        click.echo("git merges lockfiles by their receipts here already")


def _lockfiles_here() -> list[Path]:
    """Return the lockfiles of this folder; other tools call theirs `*.lock.json` too, an emptied one may be ours."""
    named = [(path, read_if_there(path) or b"") for path in names_in(Path(), "*.lock.json")]
    return [path for path, data in named if b'"lockfile_version"' in data or not data.strip()]


def _audit(path: Path) -> Audit:
    try:
        data = read_if_there(path)
    except StateUnreadable as error:
        return Audit(lockfile=None, problems=(Problem(code=UNREADABLE, message=error.message),))
    if data is None:
        problem = Problem(code="file-not-found", message=f"there is no file `{path}`")
        return Audit(lockfile=None, problems=(problem,))
    return audit(data, str(path), full_catalog())


def _as_json(path: Path, one: Audit) -> dict[str, object]:
    receipts = None if one.lockfile is None else len(one.lockfile.renders)
    return {
        "file": str(path),
        "readable": one.lockfile is not None,
        "receipts": receipts,
        "problems": len(one.problems),
    }


def _verdict(one: Audit) -> str:
    if one.lockfile is None:
        return "unreadable"
    receipts = count(len(one.lockfile.renders), "receipt")
    return f"{count(len(one.problems), 'error')} in {receipts}" if one.problems else f"{receipts}, good"
