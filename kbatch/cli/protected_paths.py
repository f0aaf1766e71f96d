"""Files that no output may overwrite: inputs of a command, paid clips, and kbatch's own files.

Some are known by name alone, the others from the manifest and its state. Names are compared as the least strict file
systems do: Unicode-composed, without case, links resolved.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct, field

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
_MERGED = (".lock.json", ".approvals.json")
_CLIP = ".mp4"


class ProtectedPaths(Struct, frozen=True, kw_only=True):
    """Protected files by name, each with its description; `lockfiles`: whether `lock merge` may replace its own."""

    files: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    lockfiles: bool = False

    def what(self, path: Path) -> str | None:
        """Return the description of a protected path, None for other paths."""
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
            if path.name.endswith(ending) and not (self.lockfiles and ending in _MERGED):
                return what
        clip = path.name.removesuffix(ENDING)
        if clip.endswith(_CLIP) and path.with_name(clip).exists() and path.with_name(clip + ENDING).exists():
            return "a clip's place" if clip == path.name else "a clip's sidecar"
        return None


def places_of(path: Path, folder: Path | None = None) -> Iterator[str]:
    """Yield the names of a file: with links resolved, then as it was typed.

    Files below a linked folder are also known by their names below the link.
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


def named(*what: tuple[str | Path | None, str]) -> ProtectedPaths:
    """Return the protected paths that the command line names, from pairs of path and description."""
    return ProtectedPaths(files={place: words for path, words in what if path is not None for place in _folded(path)})


def protected_by(
    loaded: LoadedManifest, lockfile: Path, found: store.LoadedState, more: ProtectedPaths | None = None
) -> ProtectedPaths:
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
    return ProtectedPaths(files=files, folder=loaded.folder)


def _clips(loaded: LoadedManifest, found: store.LoadedState) -> Iterable[str]:
    yield from (job.draft.output for job in loaded.jobs)
    indexes = (found.lockfile.jobs, *found.lockfile.profiles.values())
    yield from (entry.path for index in indexes for entry in index.values())
    for receipt in found.lockfile.renders.values():
        yield from (record.output.path for record in records_of(receipt) if record.output is not None)
