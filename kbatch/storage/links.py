"""Which symbolic links a write may follow: those of the user, never those of a repository.

A repository is untrusted and may contain symbolic links, so nothing is written through a link that git tracks. A link
that git does not track belongs to this machine, such as one to a larger disk, and is followed. When there is a
repository and git cannot be run, a link counts as tracked.
"""

import errno
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kbatch.errors import Invalid

MOST_LINKS = 40
"""Links on one path before it counts as a circle, as Linux has it."""

_LINK_MODE = b"120000"
_HINT = "put a folder or a file in its place, or name another place"


class Followed(NamedTuple):
    """A link that was followed, and its target."""

    link: Path
    target: Path


class Way(NamedTuple):
    """The real path of a path, and the links on it in order."""

    real: Path
    links: tuple[Followed, ...]

    @property
    def away(self) -> tuple[Followed, ...]:
        """The links that lead out of the tree in which they lie: its git root, or their own folder without one."""
        return tuple(one for one in self.links if not one.target.is_relative_to(repository_of(one.link.parent)))


class LinkRefused(OSError):
    """A link that writes may not follow; `filename` is the link."""

    def __init__(self, link: Path, why: str) -> None:
        super().__init__(errno.ELOOP, why, str(link))


def resolve(path: Path, *, last: bool = True) -> Way:
    """Return where a write to `path` really goes; LinkRefused at a link that may not be passed.

    With `last` false the path's own name is not looked at, only the folders that lead there. What is missing on the
    way counts as it is written.
    """
    rest = list(reversed(path.absolute().parts))
    here = Path(rest.pop())
    links: list[Followed] = []
    end = rest.pop(0) if not last and rest else None
    while rest:
        part = rest.pop()
        if part == os.pardir:
            here = here.parent
            continue
        at = here / part
        leads = target_of(at)
        if leads is None:
            here = at
            continue
        judge(at)
        if len(links) == MOST_LINKS:
            raise LinkRefused(path, "too many symbolic links")
        links.append(Followed(at, Path(os.path.realpath(here / leads))))
        if leads.is_absolute():
            here = Path(leads.anchor)
        rest.extend(reversed(leads.parts[1:] if leads.is_absolute() else leads.parts))
    return Way(here if end is None else here / end, tuple(links))


def target_of(path: Path) -> Path | None:
    """Return what a symbolic link (on Windows a junction too) names, None for everything else."""
    try:
        return path.readlink()
    except (OSError, ValueError):
        return None


def is_link(path: Path) -> bool:
    """Whether a symbolic link stands at a path, wherever it leads."""
    return target_of(path) is not None


def judge(link: Path) -> None:
    """Raise LinkRefused for a link that git tracks, or may track."""
    try:
        status = link.lstat()
    except OSError:
        return
    tracked = _tracked(link, status.st_ino, status.st_ctime_ns)
    if tracked is None:
        raise LinkRefused(link, f"is a symbolic link, and git does not tell whether it tracks it; {_HINT}")
    if tracked:
        raise LinkRefused(link, f"is a symbolic link that git tracks, nothing is written through it; {_HINT}")


def repository_of(folder: Path) -> Path:
    """Return the nearest folder at or above this one that holds `.git`, else the folder itself."""
    return next((one for one in (folder, *folder.parents) if _stands(one / ".git")), folder)


def _stands(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


@lru_cache(maxsize=4096)
def _tracked(link: Path, _inode: int, _changed_ns: int) -> bool | None:
    """Ask git about a link, once for each link that was ever there; None where it does not tell."""
    if not _stands(repository_of(link.parent) / ".git"):
        return False
    from kbatch.storage.git import git_program  # noqa: PLC0415 - there is hardly ever a link to ask about

    pattern = "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in link.name)
    try:
        said = git_program.ask(link.parent, "--icase-pathspecs", "ls-files", "-s", "-z", "--", f":(glob){pattern}")
    except Invalid:
        return None
    if said.code != 0:
        return None
    return any(entry.startswith(_LINK_MODE) for entry in said.out.split(b"\0"))
