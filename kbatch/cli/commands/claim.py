"""`kbatch claim`: evidence for credits that are owed back, and the record of it until a refund settles it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kbatch.cli.options import format_choice, max_jobs, state
from kbatch.cli.protected_paths import protected_by
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console
from kbatch.cli.ui.console import say
from kbatch.errors import Refused
from kbatch.pipeline.load import DEFAULT_MANIFEST, LoadedManifest
from kbatch.pipeline.load_state import lock_path
from kbatch.pipeline.record_facts import record
from kbatch.pipeline.refunds.claiming import Settling, chosen, claims_of, openings, owed_now, settlements
from kbatch.pipeline.refunds.evidence_folder import check_folder, write_evidence
from kbatch.receipts.journal.history import stem_of
from kbatch.receipts.store import LoadedState
from kbatch.report.claims import claim_text
from kbatch.storage import Lock

_EXAMPLES = """\b
Examples:
  kbatch claim campaign.yaml --list
  kbatch claim campaign.yaml                          # all that is owed back, into campaign.claims/
  kbatch claim campaign.yaml 'hero[city=oslo]' --out evidence
  kbatch claim campaign.yaml --settle 'hero[city=oslo]=70' --reference 'ticket 4711'
"""


@click.command("claim", epilog=_EXAMPLES)
@click.argument("words", nargs=-1, metavar="[MANIFEST] [ADDRESS]...")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The folder of evidence.")
@click.option("--list", "only_list", is_flag=True, help="Show what is owed back, open and settled; changes nothing.")
@click.option(
    "--settle",
    multiple=True,
    metavar="ADDRESS=N",
    help="End a claim: N credits came back for this job (0: none will).",
)
@click.option("--reference", metavar="TEXT", help="With --settle: where that is written, such as a ticket.")
@click.option("--break-lock", is_flag=True, help="Take over from a run on another host that no longer lives.")
@state
@max_jobs
@format_choice("text", "json")
def command(words: tuple[str, ...], only_list: bool, form: str, **flags: Any) -> None:
    """Gather evidence for the credits of MANIFEST (kbatch.yaml) that are owed back, and open claims for them.

    Owed back is what was charged above the quote, twice, for a clip that is not as bought or never came, or for a
    failure. The folder holds ids, times, requests, answers and frames, and no key. A claim stays open until
    `kbatch pull` sees the refund, or --settle says it. Buys nothing, and asks no provider. ADDRESS may be a job's id.
    """
    manifest, addresses = _split(words)
    settling = _settling(flags["settle"], flags["reference"])
    if only_list and (addresses or settling or flags["out"]):
        raise click.UsageError("--list shows everything and changes nothing: leave out the rest")
    if settling and (addresses or flags["out"]):
        raise click.UsageError("--settle ends claims: open others in a command of their own")
    loaded = load_manifest(manifest, flags)
    path = chosen_lockfile(manifest, flags)
    if only_list:
        loaded, found = with_state(loaded, path)
        _show(found, form)
        return
    with Lock(lock_path(path), break_foreign=flags["break_lock"]):
        loaded, found = with_state(loaded, path)
        if settling:
            found = record(settlements(settling, flags["reference"], found), found, path)
            _show(found, form)
            return
        _claim(loaded, found, addresses, (path, flags["out"], form))


def _claim(
    loaded: LoadedManifest, found: LoadedState, addresses: Sequence[str], where: tuple[Path, Path | None, str]
) -> None:
    path, out, form = where
    owed = chosen(addresses, found)
    if not owed:
        raise Refused("nothing-owed", "nothing is owed back by the receipts here")
    folder = out or loaded.folder / f"{stem_of(path)}.claims"
    protected = protected_by(loaded, path, found).what(folder)
    if protected is not None:
        raise Refused("protected-path", f"{folder} is {protected}")
    check_folder(folder)
    found = record(openings(owed), found, path)
    document = write_evidence(loaded, path, claims_of(owed, found), folder)
    if form == "json":
        console.show_json({"folder": str(folder), "claims": len(document.claims), "lockfile": str(path)})
        return
    _show(found, form)
    say(f"evidence in {folder}: README.md is for the provider's support")


def _show(found: LoadedState, form: str) -> None:
    owed = owed_now(found)
    if form == "json":
        console.show_json(claim_text.as_json(owed, found.lockfile.renders))
        return
    for line in claim_text.lines(owed):
        click.echo(line)
    if not owed:
        click.echo("nothing is owed back by the receipts here")


def _split(words: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """Return manifest and addresses: the first word is a manifest when it is the name of a YAML file."""
    if words and words[0].lower().endswith((".yaml", ".yml")):
        return Path(words[0]), words[1:]
    return Path(DEFAULT_MANIFEST), words


def _settling(words: Sequence[str], reference: str | None) -> list[Settling]:
    if bool(words) != bool(reference and reference.strip()):
        raise click.UsageError("--settle and --reference belong together: what came back, and where that is written")
    found = []
    for word in words:
        address, equals, number = word.rpartition("=")
        if not (equals and address and number.isascii() and number.isdigit() and len(number) < 19):
            message = f"`{word}` is not ADDRESS=N, N being the credits that came back"
            raise click.BadParameter(message, param_hint="--settle")
        found.append(Settling(word=address, credits=int(number)))
    return found
