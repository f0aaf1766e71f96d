"""`kbatch preview`: a campaign as one film, or as one sheet of posters, from what exists and what is simulated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kbatch.cli.documents import check_outputs, is_whole, path_of
from kbatch.cli.options import choice, manifest, max_jobs, read_selection, refuse_given, state
from kbatch.cli.protected_paths import protected_by
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console
from kbatch.cli.ui.progress import Steps
from kbatch.errors import Invalid, Problem, Refused
from kbatch.gc_pause import gc_running
from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.selection import Selection, choose
from kbatch.receipts.receipt import Receipt
from kbatch.report.data.format import count
from kbatch.report.preview.cuts import FilmCut, cut_list
from kbatch.runner.preflight.clip_paths import check_links
from kbatch.storage import is_link, size_of

_EXAMPLES = """\b
Examples:
  kbatch preview campaign.yaml                       # campaign.preview.mp4, before anything is bought
  kbatch preview campaign.yaml --only hero --out hero.mp4 --silent
  kbatch preview campaign.yaml --contact-sheet campaign.png
  kbatch preview campaign.yaml --simulate            # from the clips of a rehearsal
"""
_FILM, _SHEETS = ".mp4", (".png", ".webp")


@click.command("preview", epilog=_EXAMPLES)
@manifest
@choice
@click.option("--out", metavar="FILE.mp4",
              help="Where the film goes; beside the manifest unless named.")  # fmt: skip
@click.option("--contact-sheet", metavar="FILE",
              help="Write a grid of posters (.png or .webp); with --out the film too.")  # fmt: skip
@click.option("--silent", is_flag=True, help="Leave the clips' sound out.")
@state
@max_jobs
def command(manifest: Path, out: str | None, contact_sheet: str | None, silent: bool, **flags: Any) -> None:
    """Assemble MANIFEST (kbatch.yaml), or the chosen jobs, into one film in manifest order; nothing is sent.

    Clips that are here are shown as they are, all others as the simulator draws them, chains included. Below each
    stand address, prompt, seconds, credits and their running total. The film is <MANIFEST without .yaml>.preview.mp4.
    """
    loaded = load_manifest(manifest, flags)
    path = chosen_lockfile(manifest, flags)
    loaded, found = with_state(loaded, path)
    cuts = _cuts(loaded, found.lockfile.renders, read_selection(flags))
    targets = _targets(loaded, out, contact_sheet, simulated=flags["simulate"])
    if "film" not in targets:
        refuse_given(("silent",), "is for the film: `--out FILE.mp4` makes one beside the sheet")
    outputs = {"--out": targets.get("film"), "--contact-sheet": targets.get("sheet")}
    check_outputs(outputs, protected_by(loaded, path, found))
    _make(loaded, found.lockfile.renders, cuts, targets, silent=silent)


def _cuts(loaded: LoadedManifest, renders: Mapping[str, Receipt], selection: Selection) -> tuple[FilmCut, ...]:
    chosen, problems = choose(loaded.jobs, selection)
    if problems:
        raise Invalid(problems)
    jobs = [job for job in loaded.jobs if job.address in chosen]
    if not jobs:
        raise Invalid([Problem(code="no-such-job", message="there is no job to show")])
    return cut_list(jobs, renders, _sizes(loaded, renders))


def _sizes(loaded: LoadedManifest, renders: Mapping[str, Receipt]) -> dict[str, int]:
    paths = {receipt.output.path for receipt in renders.values() if receipt.output is not None}
    check_links(loaded.folder, paths)
    sizes = {path: size_of(loaded.folder / path) for path in paths if not is_link(loaded.folder / path)}
    return {path: size for path, size in sizes.items() if size is not None}


def _targets(loaded: LoadedManifest, out: str | None, sheet: str | None, *, simulated: bool) -> dict[str, str]:
    """Return what is to be written: a film, a sheet, or both, each checked by its ending, where it is a file's."""
    targets = {}
    if out is not None or sheet is None:
        profile = f".{loaded.settings.profile}" if loaded.settings.profile else ""
        name = f"{loaded.path.stem}{profile}{'.sim' if simulated else ''}.preview{_FILM}"
        targets["film"] = str(loaded.folder / name) if out is None else out
        if out and not out.lower().endswith(_FILM) and is_whole(out):
            raise click.BadParameter("the film is an .mp4", param_hint="--out")
    if sheet is not None:
        targets["sheet"] = sheet
        if sheet and not sheet.lower().endswith(_SHEETS) and is_whole(sheet):
            raise click.BadParameter("a contact sheet is a .png or a .webp", param_hint="--contact-sheet")
    return targets


def _make(
    loaded: LoadedManifest,
    renders: Mapping[str, Receipt],
    cuts: tuple[FilmCut, ...],
    targets: Mapping[str, str],
    *,
    silent: bool,
) -> None:
    try:
        from kbatch.report.preview.assembly import make_film, make_sheet  # noqa: PLC0415 - PyAV is needed from here on
        from kbatch.report.preview.job_images import JobImages  # noqa: PLC0415
    except ImportError as error:
        hint = "install the extra `media`: pip install 'kbatch-render[media]'"
        raise Refused("no-media", f"previews need {error.name}, which is not installed", hint=hint) from error
    every = cut_list(loaded.jobs, renders, _sizes(loaded, renders))
    clips = {cut.job.address: cut.clip for cut in every if cut.clip is not None}
    jobs = {job.address: job for job in loaded.jobs}
    pictures = JobImages(folder=loaded.folder, tree=loaded.tree, jobs=jobs, clips=clips)
    for kind, name in targets.items():
        target = path_of(name)
        with gc_running(), Steps(len(cuts), target.name) as steps:
            if kind == "film":
                made = make_film(target, cuts, pictures, lambda cut: steps.done(cut.address), silent=silent)
            else:
                made = make_sheet(target, _title(loaded), cuts, pictures, lambda cut: steps.done(cut.address))
        for note in made.notes:
            console.say(f"note: {note}")
        length = f", {made.seconds:g} s" if made.seconds else ""
        here = sum(cut.clip is not None for cut in cuts)
        said = f"{count(len(cuts), 'job')}, {here:,} with a clip here{length}, {cuts[-1].total} credits"
        console.say(f"wrote {name}: {said}")


def _title(loaded: LoadedManifest) -> str:
    profile = f" ({loaded.settings.profile})" if loaded.settings.profile else ""
    return f"{loaded.settings.name}{profile}"
