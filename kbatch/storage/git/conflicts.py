"""The sides of a merge that stopped, as git still has them: whole files, where the file with markers has only lines.

Git merges text, and where both branches added the same receipts among others, its hunks may begin in one receipt and
end in another. So a file with markers is the last source, not the first: the index has both sides until someone adds
the file, the merge's heads until it is committed, and a merge commit has them as its parents.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kbatch.errors import Invalid, Unreadable
from kbatch.storage.git import git_program

INDEX = "git's index"
_HEADS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """The bytes of each side, what both began from where that is known, and where this was found, in words."""

    sides: tuple[bytes, ...]
    base: bytes | None
    where: str


def find_conflict(path: Path, *, marked: bytes | None, limit: int) -> Conflict | None:
    """Return both sides of a file's conflict, None where git does not have them, or there is no git.

    `marked` is the file's text when it holds markers; without them only a conflict counts that git itself holds open.
    """
    place = path.resolve()
    try:
        with git_program.Objects(place.parent) as objects:
            index = dict(_stages(place))
            if 2 in index and 3 in index:
                read = {stage: objects.read(name, limit=limit) for stage, name in index.items()}
                return Conflict(sides=(read[2], read[3]), base=read.get(1), where=INDEX)
            commits = _going_on(place) if marked is not None else ()
            where = " and ".join(commits)
            if marked is not None and not commits and objects.read(f"HEAD:./{place.name}", limit=limit) == marked:
                commits = _merged(place)
                where = "the parents of a merge"
            sides = tuple(objects.read(f"{commit}:./{place.name}", limit=limit) for commit in commits)
            return Conflict(sides=sides, base=None, where=where) if len(sides) > 1 else None
    except (Invalid, Unreadable):
        return None


def _stages(place: Path) -> Iterator[tuple[int, str]]:
    """Yield stage and object of a file in conflict: 1 is the base, 2 ours, 3 theirs."""
    said = git_program.ask(place.parent, "--literal-pathspecs", "ls-files", "-u", "-z", "--", place.name)
    for line in said.out.split(b"\0") if said.code == 0 else ():
        if line:
            _mode, name, stage = line.split(b"\t", 1)[0].split()
            yield int(stage), name.decode("ascii")


def _going_on(place: Path) -> tuple[str, ...]:
    """Return the commits that are being joined at present; none when nothing is."""
    for head in _HEADS:
        if git_program.ask(place.parent, "rev-parse", "--verify", "--quiet", head).code == 0:
            return "HEAD", head
    return ()


def _merged(place: Path) -> tuple[str, ...]:
    """Return the parents of the commit that left the file as it is, when that was a merge."""
    said = git_program.ask(place.parent, "--literal-pathspecs", "rev-list", "--max-count=1", "HEAD", "--", place.name)
    commit = said.out.decode("ascii").strip()
    if said.code != 0 or not commit:
        return ()
    return tuple(git_program.ask(place.parent, "rev-parse", f"{commit}^@").out.decode("ascii").split())
