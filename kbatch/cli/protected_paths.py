"""What no output may be written over: what a command reads, what was paid, and what kbatch itself keeps.

Some of it is known by its name alone, the rest from the manifest and its state. Names are compared as file systems may
take them for one: composed, without case, links resolved.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kbatch.manifest.outputs import same_file
from kbatch.pipeline.load import LoadedManifest
from kbatch.receipts import store
from kbatch.receipts.join import records_of
from kbatch.receipts.sidecar import ENDING

_FOLDERS = {".kbatch": "state of kbatch's own", ".git": "git's own", ".kept": "a clip's place"}
_ENDINGS = {
    ".lock.json": "a lockfile",
    ".approvals.json": "a file of approvals",
    ".yaml": "a YAML file, such as a manifest",
    ".yml": "a YAML file, such as a manifest",
}
_CLIP = ".mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Files by name, and what each is in words; `folder` is the manifest's, `lockfiles` may be written over or not."""

    files: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    lockfiles: bool = False

    def what(self, path: Path) -> str | None:
        """Return what a path is that nothing may be written over, None for all others."""
        places = list(places_of(path, self.folder))
        known = next((self.files[same_file(place)] for place in places if same_file(place) in self.files), None)
        if known is not None:
            return known
        return next((what for place in places if (what := self._by_name(Path(place))) is not None), None)

    def _by_name(self, path: Path) -> str | None:
        for part in path.parts[:-1]:
            if part in _FOLDERS:
                return _FOLDERS[part]
        if not path.exists():
            return None
        for ending, what in _ENDINGS.items():
            if path.name.endswith(ending) and not (self.lockfiles and ending == ".lock.json"):
                return what
        clip = path.name.removesuffix(ENDING)
        if clip.endswith(_CLIP) and path.with_name(clip).exists() and path.with_name(clip + ENDING).exists():
            return "a clip's place" if clip == path.name else "a clip's sidecar"
        return None


def places_of(path: Path, folder: Path | None = None) -> Iterator[str]:
    """Yield the names under which a file may be known: where links lead, then as it was typed.

    Where a folder below the manifest's is a link, its files are known by their names below the link.
    """
    real = Path(os.path.realpath(path))
    yield str(real)
    yield str(_real(path.parent) / path.name)
    yield os.path.normpath(path.absolute())
    for link in folder.iterdir() if folder is not None and folder.is_dir() else ():
        if link.is_symlink() and real.is_relative_to(inside := _real(link)):
            yield str(_real(link.parent) / link.name / real.relative_to(inside))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _folded(path: str | Path) -> Iterator[str]:
    return map(same_file, places_of(Path(path)))


def named(*what: tuple[str | Path | None, str]) -> Taken:
    """Return what the command line itself names, before anything is read: files and what they are."""
    return Taken(files={place: words for path, words in what if path is not None for place in _folded(path)})


def taken_by(loaded: LoadedManifest, lockfile: Path, found: store.LoadedState, more: Taken | None = None) -> Taken:
    """Return what a manifest reads, and what its lockfile and those beside it have paid for."""
    base = _real(loaded.folder)
    files = dict(more.files) if more else {}

    def add(path: str | Path, what: str) -> None:
        files.setdefault(same_file(os.path.normpath(base / path)), what)

    for path in _clips(loaded, found):
        add(path, "a clip's place")
        add(path + ENDING, "a clip's sidecar")
    for name in loaded.tree.seen:
        for place in _folded(loaded.folder / name):
            files.setdefault(place, f"a file that {loaded.path.name} reads")
    for place in _folded(loaded.path):
        files[place] = "the manifest"
    for place in _folded(lockfile):
        files[place] = "a lockfile"
    return Taken(files=files, folder=loaded.folder)


def _clips(loaded: LoadedManifest, found: store.LoadedState) -> Iterable[str]:
    yield from (job.draft.output for job in loaded.jobs)
    indexes = (found.lockfile.jobs, *found.lockfile.profiles.values())
    yield from (entry.path for index in indexes for entry in index.values())
    for receipt in found.lockfile.renders.values():
        yield from (record.output.path for record in records_of(receipt) if record.output is not None)
