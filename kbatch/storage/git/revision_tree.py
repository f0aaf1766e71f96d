"""The tree that a manifest may read, as it was at a revision in git: the work tree is neither read nor touched.

The rules are those of `files.Folder`: relative paths within the repository, links followed inside it only, no component
that begins with a dot. A file kept by Git LFS is read from this clone's store, under its own digest.
"""

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kbatch.errors import Unreadable
from kbatch.storage import MEBIBYTE, check_reference, digest_of_input, is_hidden, read_bytes
from kbatch.storage.git import git_program

_FOLDER, _LINK, _SUBMODULE = "40000", "120000", "160000"
_MOST_LINKS = 40
_LARGEST_TREE = 64 * MEBIBYTE
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:\S+ .*\n)*?oid sha256:([0-9a-f]{64})\n")
_OUTSIDE = "paths are relative to the manifest and stay within its git root"

Folders = tuple[tuple[str, str], ...]
"""Name and tree id of each folder on the way from the repository's root."""


@dataclass(slots=True)
class Revision:
    """A commit of the repository at `root`, whose files can be read while it is open."""

    root: Path
    commit: str
    objects: git_program.Objects
    trees: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)

    def tree(self, folder: Path) -> "GitTree":
        """Return what a manifest in this folder may read; `file-not-found` when there was no such folder."""
        place = folder.resolve()
        if not place.is_relative_to(self.root):
            raise Unreadable("path-outside-tree", f"`{folder}` is not in the repository {self.root}", hint=_OUTSIDE)
        base = self._walk((), place.relative_to(self.root).as_posix(), wants_folder=True)[0]
        return GitTree(revision=self, base=base)

    def content(self, base: Folders, reference: str, limit: int) -> tuple[tuple[str, ...], bytes]:
        """Return where a file lies, links resolved, and its bytes."""
        folders, blob = self._walk(base, reference)
        parts = tuple(name for name, _ in folders)
        data = self.objects.read(blob, limit=limit)
        pointer = _POINTER.match(data) if len(data) < 1024 else None
        return parts, self._stored(pointer[1].decode("ascii"), limit) if pointer else data

    def _walk(self, base: Folders, reference: str, *, wants_folder: bool = False) -> tuple[Folders, str]:
        """Return the folders down to a file, its own name the last, and the file's id; links are followed."""
        here = list(base)
        steps = deque(reference.split("/"))
        links = 0
        while steps:
            step = steps.popleft()
            if step in ("", "."):
                continue
            if step == "..":
                if not here:
                    raise Unreadable("path-outside-tree", "leads out of the manifest's tree", hint=_OUTSIDE)
                here.pop()
                continue
            mode, found = self._entry(here, step)
            if mode == _LINK:
                links += 1
                target = os.fsdecode(self.objects.read(found, limit=4096))
                if links > _MOST_LINKS:
                    raise Unreadable("file-unreadable", "is a link that leads to itself")
                if target.startswith("/") or ":" in target.split("/", 1)[0]:
                    raise Unreadable("path-outside-tree", "leads out of the manifest's tree", hint=_OUTSIDE)
                steps.extendleft(reversed(target.split("/")))
            elif mode == _FOLDER:
                here.append((step, found))
            elif mode == _SUBMODULE:
                raise Unreadable("file-unreadable", "is in a submodule, which has a history of its own")
            elif wants_folder or any(rest not in ("", ".") for rest in steps):
                raise Unreadable("file-not-found", "is not there")
            else:
                return (*here, (step, found)), found
        if not wants_folder:
            raise Unreadable("file-unreadable", "is not a regular file")
        return tuple(here), ""

    def _entry(self, here: list[tuple[str, str]], name: str) -> tuple[str, str]:
        tree = here[-1][1] if here else f"{self.commit}^{{tree}}"
        if tree not in self.trees:
            data = self.objects.read(tree, limit=_LARGEST_TREE)
            self.trees[tree] = dict(_entries(data, len(self.commit) // 2))
        found = self.trees[tree].get(name)
        if found is None:
            raise Unreadable("file-not-found", "is not there")
        return found

    def _stored(self, digest: str, limit: int) -> bytes:
        common = self.root / os.fsdecode(
            git_program.ask(self.root, "rev-parse", "--git-common-dir").out.removesuffix(b"\n")
        )
        try:
            data = read_bytes(common / "lfs" / "objects" / digest[:2] / digest[2:4] / digest, limit=limit)
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != digest:
            hint = f"`git lfs fetch origin {self.commit[:12]}` brings it"
            raise Unreadable("file-unreadable", "is kept by Git LFS and is not in this clone", hint=hint)
        return data


@dataclass(slots=True)
class GitTree:
    """The files that a manifest could name at a revision; `seen` is as in `files.Folder`."""

    revision: Revision
    base: Folders
    seen: dict[str, str] = field(default_factory=dict)

    def read(self, reference: str, *, limit: int = 64 * MEBIBYTE) -> bytes:
        """Return the bytes of a file named in the manifest; Unreadable says which rule it breaks."""
        check_reference(reference)
        parts, data = self._content(reference, limit)
        base = tuple(name for name, _ in self.base)
        within = len(base) if parts[: len(base)] == base else 0
        if any(is_hidden(part) for part in parts[within:]):
            message = f"`{reference}` leads to a component that begins with a dot"
            raise Unreadable("path-hidden", message, hint=_OUTSIDE)
        self.seen[PurePosixPath(reference).as_posix()] = digest_of_input(data)
        return data

    def read_own(self, name: str, *, limit: int) -> bytes:
        """Return the bytes of the manifest or its lockfile, which may have any name."""
        return self._content(name, limit)[1]

    def _content(self, reference: str, limit: int) -> tuple[tuple[str, ...], bytes]:
        try:
            words = reference.replace("\\", "/") if os.name == "nt" else reference
            return self.revision.content(self.base, words, limit)
        except Unreadable as error:
            at = self.revision.commit[:12]
            if error.code == "file-not-found":
                raise Unreadable(error.code, f"there is no file `{reference}` at {at}", hint=error.hint) from None
            raise Unreadable(error.code, f"`{reference}` at {at}: {error.message}", hint=error.hint) from None


@contextmanager
def open_revision(folder: Path, name: str) -> Iterator[Revision]:
    """Open a revision of the repository that holds `folder`; Invalid when there is no such thing."""
    root = git_program.top_of(folder)
    commit = git_program.commit_of(root, name)
    with git_program.Objects(root) as objects:
        yield Revision(root=root, commit=commit, objects=objects)


def _entries(data: bytes, width: int) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield name, mode and id of a tree object: `<mode> <name>\\0` and `width` bytes of the id, again and again."""
    place = 0
    while place < len(data):
        space = data.index(b" ", place)
        end = data.index(b"\0", space)
        name = os.fsdecode(data[space + 1 : end])
        yield name, (data[place:space].decode("ascii"), data[end + 1 : end + 1 + width].hex())
        place = end + 1 + width
