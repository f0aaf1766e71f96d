"""`kbatch verify`: the files on this disk against the receipts: size, digest, and what each clip holds."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from kbatch.cli.options import format_choice, manifest, max_jobs, state
from kbatch.cli.session import chosen_lockfile, load_manifest, with_state
from kbatch.cli.ui import console
from kbatch.cli.ui.console import say
from kbatch.errors import ExitCode, StateUnreadable
from kbatch.media.mp4 import probe
from kbatch.pipeline.load import LoadedManifest
from kbatch.receipts.join import records_of
from kbatch.receipts.lockfile.audit import is_outside
from kbatch.receipts.lockfile.lockfile import parse
from kbatch.receipts.receipt import Output
from kbatch.report.data import verify
from kbatch.report.data.format import harmless
from kbatch.report.data.verify import Expected, Seen, Verdict
from kbatch.runner.collect.clip_files import archive_path
from kbatch.storage import examine, files_below, names_in, read_if_there, sha256_of, size_of

_EXAMPLES = """\b
Examples:
  kbatch verify campaign.yaml
  kbatch verify campaign.yaml --simulate
  kbatch verify campaign.yaml --format json
"""


@click.command("verify", epilog=_EXAMPLES)
@manifest
@state
@max_jobs
@format_choice("text", "json")
def command(manifest: Path, form: str, **flags: Any) -> int:
    """Hold the clips of MANIFEST (kbatch.yaml) against their receipts: size, digest, length and audio; no network.

    Exits with 1 on a difference. Clips that a fresh clone lacks are one: `kbatch pull` fetches them. Files that no
    receipt knows are named, and are no fault.
    """
    loaded = load_manifest(manifest, flags)
    path = chosen_lockfile(manifest, flags)
    loaded, found = with_state(loaded, path, anywhere=True)
    jobs = [(job.address, job.fingerprint) for job in loaded.jobs]
    expected = verify.expected_files(found.lockfile, jobs, loaded.catalog)
    verdicts = (*_judge_all(loaded.folder, expected, loaded.settings.output_root), *_strays(loaded, expected, path))
    waiting = verify.owed(found.lockfile)
    for note in found.notes:
        say(f"note: {note}")
    if form == "json":
        console.show_json(verify.as_json(verdicts, waiting))
    else:
        for line in verify.lines(verdicts, waiting):
            click.echo(harmless(line))
    return ExitCode.NOT_AS_ASKED if any(verdict.wrong for verdict in verdicts) else ExitCode.OK


def _judge_all(folder: Path, expected: tuple[Expected, ...], root: str) -> Iterator[Verdict]:
    for path, group in groupby(expected, key=lambda one: one.path):
        clips = tuple(group)
        seen = None if is_outside(path) else _look(folder / path, {one.output.bytes for one in clips})
        kept = frozenset(one.output.sha256 for one in clips if _is_kept(folder, root, one))
        yield from verify.judge(clips, seen, kept)


def _is_kept(folder: Path, root: str, one: Expected) -> bool:
    """Whether a clip lies aside, where a run finds it by its digest."""
    path = folder / archive_path(root, one.output.sha256)
    return one.path != archive_path(root, one.output.sha256) and size_of(path) == one.output.bytes


def _look(path: Path, sizes: set[int]) -> Seen | None:
    """Read a file in pieces, and only as far as it may be one of the clips that belong there."""
    try:
        size = size_of(path)
        if size is None or size not in sizes:
            return None if size is None else Seen(size=size)
        return Seen(size=size, sha256=sha256_of(path), media=examine(path, probe))
    except OSError as error:
        return Seen(size=0, trouble=f"cannot be read: {error.strerror}")


def _strays(loaded: LoadedManifest, expected: tuple[Expected, ...], lockfile: Path) -> tuple[Verdict, ...]:
    root = loaded.settings.output_root
    folder = loaded.folder / root
    paths = [f"{root}/{path.relative_to(folder).as_posix()}" for path in files_below(folder)]
    if loaded.folder.resolve().is_relative_to(folder.resolve()):
        paths = [path for path in paths if path.endswith((".mp4", ".mp4.part"))]
    known = {one.path for one in expected}
    known |= {archive_path(root, one.output.sha256) for one in expected}
    for clip in _known_elsewhere(loaded.folder, lockfile):
        known |= {clip.path, archive_path(root, clip.sha256)}
    return verify.strays(paths, known)


def _known_elsewhere(folder: Path, lockfile: Path) -> Iterator[Output]:
    """Yield the clips of the other lockfiles here: several manifests may write into one folder."""
    for path in names_in(folder, "*.lock.json"):
        if path == lockfile:
            continue
        try:
            found = parse(read_if_there(path) or b"", str(path))
        except StateUnreadable:
            continue
        for receipt in found.renders.values():
            yield from (record.output for record in records_of(receipt) if record.output is not None)
