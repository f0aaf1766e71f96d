"""Loads a manifest from the disk through the pure stages: document, form, drafts, jobs; every problem collected.

This is the pipeline's first half as a list of steps. It reads files and writes nothing.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from kbatch.errors import Complaint, Hit, Invalid, Mark, Problem, Severity
from kbatch.gc_pause import gc_paused
from kbatch.manifest.drafts import Frame
from kbatch.manifest.faulty import mapping_of
from kbatch.manifest.findings import Findings, place_of
from kbatch.manifest.images import ImageSource, read_image
from kbatch.manifest.layers import chosen_of
from kbatch.manifest.provider_names import providers_named
from kbatch.manifest.resolve import ShotTree, Wanted, resolve
from kbatch.manifest.schema.form import check_form
from kbatch.manifest.schema.manifest_schema import shape_schema
from kbatch.manifest.schema.validate import strict_validator
from kbatch.manifest.settings import Settings, read_settings
from kbatch.manifest.yaml.document import Document, read_document
from kbatch.manifest.yaml.lost_text import warn_lost_text
from kbatch.media.installed import NO_FRAMES, NO_FRAMES_HINT, can_take_frames
from kbatch.models.cards import Catalog
from kbatch.models.own.own_cards import CARD_REPLACED
from kbatch.models.pricing import OwnPrice, read_prices
from kbatch.models.published.price_list import Lists
from kbatch.pipeline.cards.own_cards import catalog_with
from kbatch.planner.cost_warnings import lint
from kbatch.planner.disputed import warn_disputed, warn_unconfirmed
from kbatch.planner.jobs import Job, complete_jobs
from kbatch.storage import Folder, LinkRefused, can_be_named, digest_of_input, is_link, read_bytes
from kbatch.storage import resolve as resolve_links

_log = logging.getLogger(__name__)

DEFAULT_MANIFEST = "kbatch.yaml"
MOST_JOBS = 10_000
"""More is an error unless `--max-jobs` allows it (§3 of .github/DESIGN.md)."""
MOST_BYTES = 11 * 1024 * 1024
"""More than the limit of a manifest, so that its reader can name that limit."""


class LoadOptions(Struct, frozen=True, kw_only=True):
    """Options of loading: a profile by name, simulated or real outputs, and the largest number of jobs.

    `models` is the user's folder of cards.
    """

    profile: str | None = None
    models: Path | None = None
    simulated: bool = False
    max_jobs: int = MOST_JOBS


class LoadedManifest(Struct, frozen=True, kw_only=True):
    """A valid manifest: its jobs in order, its settings, the tree it reads, its SHA-256, and warnings.

    `lists` are the public price lists that the quotes of its jobs were held against, None where none was asked.
    """

    path: Path
    document: Document
    tree: Folder
    settings: Settings
    jobs: tuple[Job, ...]
    catalog: Catalog
    digest: str
    warnings: tuple[Problem, ...]
    simulated: bool = False
    lists: Lists | None = None

    @property
    def inputs(self) -> dict[str, str]:
        """The digests of the manifest, of every file that it read, and of the user's cards that its jobs are made by.

        A file stands under its name relative to the manifest's folder, a card under its model with `//` before it.
        """
        cards = {f"models//{job.card.key}": job.card.sha256 for job in self.jobs if job.card.sha256}
        return {self.path.name: self.digest, **dict(sorted(self.tree.seen.items())), **dict(sorted(cards.items()))}

    @property
    def folder(self) -> Path:
        """The manifest's folder: paths in manifest and lockfile are relative to it."""
        return self.path.parent


@cache
def _validators(providers: tuple[str, ...]) -> tuple[Any, Any]:
    schema = shape_schema(providers)
    shot = {"$ref": "#/$defs/shot", "$defs": schema["$defs"]}
    return strict_validator(schema), strict_validator(shot)


@gc_paused()
def load(path: Path, options: LoadOptions | None = None) -> LoadedManifest:
    """Return a loaded manifest; Invalid carries all problems, warnings among them, when one of them is an error."""
    path = real_manifest(path)
    data = read_manifest_bytes(path)
    tree = Folder.of(path)
    read = parse_manifest(data, str(path), tree, options or LoadOptions())
    _check_names(read.jobs)
    _log.info("loaded %s: %d jobs", path, len(read.jobs))
    return LoadedManifest(
        path=path,
        document=read.document,
        tree=tree,
        settings=read.settings,
        jobs=read.jobs,
        catalog=read.catalog,
        digest=digest_of_input(data),
        warnings=tuple(sorted((*read.warnings, *_frames_missing(read)), key=place_of)),
        simulated=options is not None and options.simulated,
    )


def _frames_missing(read: "ParsedManifest") -> Iterator[Problem]:
    """Yield a warning when jobs need frames of clips that this installation cannot take."""
    chained = [job for job in read.jobs if job.upstream]
    if not chained or can_take_frames():
        return
    name = next(part.parameter for part in chained[0].inputs if isinstance(part.image, Frame))
    yield Problem(
        code="no-frames",
        message=NO_FRAMES,
        severity=Severity.WARNING,
        mark=read.document.mark(chained[0].draft.origins[f"params.{name}"].path),
        hint=NO_FRAMES_HINT,
        jobs=Hit(hit=len(chained), of=len(read.jobs), first=chained[0].address),
    )


def real_manifest(path: Path) -> Path:
    """Return the manifest that a symbolic link names, so that one manifest has one lockfile; other paths as they are.

    Invalid for a link that came with the repository and leads out of it, as for every file that a manifest names.
    """
    if not is_link(path):
        return path
    real = Path(os.path.realpath(path))
    try:
        resolve_links(path)
    except LinkRefused as error:
        if not real.is_relative_to(Folder.of(path).root):
            message = f"`{path}` is a link that git tracks and that leads out of its tree"
            raise Invalid([Problem(code="path-outside-tree", message=message)]) from error
    return as_typed(real)


def as_typed(path: Path) -> Path:
    """Return a path in the form in which it was most likely typed: relative to the working folder where it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


class ParsedManifest(Struct, frozen=True, kw_only=True):
    """A parsed manifest from the disk or from git: its settings, its jobs in order, and warnings."""

    document: Document
    settings: Settings
    jobs: tuple[Job, ...]
    catalog: Catalog
    warnings: tuple[Problem, ...]


def parse_manifest(data: bytes, name: str, tree: ShotTree, options: LoadOptions) -> ParsedManifest:
    """Return what a manifest's text says: marks call it `name`, further files come from `tree`; Invalid as `load`."""
    document = read_document(data, name)
    if isinstance(document, tuple):
        raise Invalid(document)
    findings = Findings(document)
    warn_lost_text(document, findings)
    catalog = catalog_with(providers_named(document.value), options.models)
    sound = check_form(document, *_validators((*catalog.providers, *catalog.unusable)), findings)
    if sound is None:
        raise Invalid(findings.problems())
    settings = read_settings(sound.value, options.profile, simulated=options.simulated)
    wanted = Wanted(profile=options.profile, output_dir=settings.output_dir, max_jobs=options.max_jobs)
    drafts = resolve(sound, tree, wanted, findings)
    prices = _read_prices(catalog, settings, sound, findings)
    jobs = complete_jobs(drafts, catalog, picture_reader(tree), prices, findings)
    problems = findings.problems()
    if findings.fatal:
        raise Invalid(problems)
    money = lint(jobs, document, limited=frozenset(settings.max_credits_per_job), reported=problems)
    doubts = (*warn_disputed(jobs, document), *warn_unconfirmed(jobs, document))
    warnings = tuple(sorted((*problems, *money, *doubts, *_replaced(jobs)), key=place_of))
    return ParsedManifest(document=document, settings=settings, jobs=jobs, catalog=catalog, warnings=warnings)


def _replaced(jobs: Sequence[Job]) -> Iterator[Problem]:
    """Yield a warning for each packaged card in whose place a card of the user stands for some job."""
    for card in dict.fromkeys(job.card for job in jobs if job.card.replaces is not None):
        mine = [job for job in jobs if job.card is card]
        yield Problem(
            code=CARD_REPLACED,
            message=f"this card stands in the place of the packaged card of `{card.key}`",
            severity=Severity.WARNING,
            mark=Mark(file=card.file or "", line=1, column=1),
            jobs=Hit(hit=len(mine), of=len(jobs), first=mine[0].address),
        )


def read_manifest_bytes(path: Path) -> bytes:
    """Return a manifest's bytes; Invalid when there is none, or when it cannot be read."""
    name = str(path)
    start = Mark(file=name, line=1, column=1)
    try:
        return read_bytes(path, limit=MOST_BYTES)
    except FileNotFoundError:
        hint = "`kbatch init` writes one" if path.name == DEFAULT_MANIFEST else None
        raise Invalid([Problem(code="file-not-found", message=f"there is no file `{name}`", hint=hint)]) from None
    except OSError as error:
        message = f"`{name}` cannot be read: {error.strerror}"
        raise Invalid([Problem(code="file-unreadable", message=message, mark=start)]) from error


def _check_names(jobs: Sequence[Job]) -> None:
    """Raise Invalid when no file on this machine can have a clip's name, before the clip is paid."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8":
        return
    for job in jobs:
        if not can_be_named(job.draft.output):
            message = f"`{job.draft.output}` cannot be a file's name here: names are written in {encoding}"
            hint = "set `PYTHONUTF8=1`, or a locale of UTF-8 such as `LC_ALL=C.UTF-8`"
            raise Invalid([Problem(code="name-encoding", message=message, hint=hint)])


def _read_prices(catalog: Catalog, settings: Settings, sound: Document, findings: Findings) -> dict[str, OwnPrice]:
    prices, complaints = read_prices(catalog, settings.prices)
    for complaint in complaints:
        at = complaint.field
        if str(at[1]) in mapping_of(chosen_of(sound.value, settings.profile).get("prices")):
            at = ("profiles", settings.profile or "", *at)
        findings.say(complaint.code, at, complaint.message, hint=complaint.hint, on_key=complaint.on_key)
    return dict(prices)


def picture_reader(tree: ShotTree) -> Callable[[str], ImageSource | Complaint]:
    """Return a reader of picture references that decodes each only once."""
    known: dict[str, ImageSource | Complaint] = {}

    def read(text: str) -> ImageSource | Complaint:
        if text not in known:
            known[text] = read_image(text, tree)
        return known[text]

    return read
