"""Git as a program: the only module that starts it, and only to ask, or to set what the user asked to be set.

Nothing in the surroundings may lead elsewhere or run something: the variables that choose another repository are left
out, nothing is fetched for a partial clone, no file system monitor is started, no filter and no replacement of objects
applies. The user's own configuration is read as ever, since it decides which repositories are trusted.

A repository is what has a `.git`. Files of a tree that are named like a bare repository's (`HEAD`, `objects`, `refs`)
are files: git alone would take the folder that holds them for the repository, with the configuration in it.
"""

import logging
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from kbatch.errors import Invalid, Problem, Unreadable
from kbatch.storage.programs import find_program

_log = logging.getLogger(__name__)
_ELSEWHERE = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE",
)  # fmt: skip
_QUIET = {
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a git command ended with: its exit code, its output, and its complaint in one line."""

    code: int
    out: bytes
    complaint: str


def ask(folder: Path, *words: str) -> Said:
    """Run a git command in a folder to its end; Invalid when there is no git."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and no word of a stranger but behind --end-of-options
            _command(folder, words), env=_environment(), capture_output=True, check=False
        )
    except OSError as error:
        raise _no_git(error) from error
    _log.debug("git %s in %s → %d", words[0] if words else "", folder, done.returncode)
    complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return Said(code=done.returncode, out=done.stdout, complaint=complaint[-1] if complaint else "")


def top_of(folder: Path) -> Path:
    """Return the folder that holds the repository's work tree; Invalid when `folder` is in none."""
    said = ask(folder, "rev-parse", "--show-toplevel")
    if said.code != 0 or not said.out.strip():
        why = said.complaint.removeprefix("fatal: ") or "it has no work tree"
        message = f"`{folder}` is not in a git repository: {why}"
        raise Invalid([Problem(code="no-repository", message=message)])
    return Path(os.fsdecode(said.out.removesuffix(b"\n"))).resolve()


def commit_of(folder: Path, revision: str) -> str:
    """Return the id of the commit that a branch, tag or other revision names; Invalid when it names none."""
    said = ask(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    found = said.out.decode("ascii", "replace").split()
    if said.code != 0 or not found:
        hint = "a branch, a tag or a commit; in CI fetch it first (`fetch-depth: 0`)"
        message = f"`{revision}` is no revision of the repository {top_of(folder)}"
        raise Invalid([Problem(code="no-such-revision", message=message, hint=hint)])
    return found[-1]


def tracks(path: Path) -> bool:
    """Whether git tracks a file or a link that leads to it, in whatever case its name stands there; yes where unclear.

    A folder that is in no repository tracks nothing, and no git is needed to know it.
    """
    return any(_tracks(place) for place in {path.parent.resolve() / path.name, path.resolve()})


def _tracks(place: Path) -> bool:
    top = next((above for above in place.parents if os.path.lexists(above / ".git")), None)
    if top is None:
        return False
    name = place.relative_to(top).as_posix()
    try:
        said = ask(top, "ls-files", "-z", "--", f":(icase,literal){name}")
    except Invalid:
        return True
    return said.code != 0 or bool(said.out)


class Objects:
    """A repository's objects, read one after another by name; close it when done.

    A name is an object's id, or a revision with `^{tree}` or `:./PATH`, relative to the folder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._git = subprocess.Popen(  # noqa: S603 - as above; names go through its stdin
                _command(folder, ("cat-file", "--batch")),
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise _no_git(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pipe in (self._git.stdin, self._git.stdout):
            if pipe is not None:
                with suppress(OSError):  # git may have ended without reading what it was asked last
                    pipe.close()
        self._git.wait()

    def read(self, name: str, *, limit: int) -> bytes:
        """Return an object's bytes; Unreadable when it is not on this disk or larger than `limit`."""
        size = self._ask(name)
        answer = self._answer
        if size > limit:
            while size > 0:
                piece = answer.read(min(size, _CHUNK))
                size = size - len(piece) if piece else 0
            answer.read(1)
            raise Unreadable("file-too-large", f"larger than {limit} bytes")
        data = answer.read(size)
        answer.read(1)
        if len(data) != size:
            raise Unreadable("file-unreadable", "git ended in the middle of it")
        return data

    @property
    def _answer(self) -> BinaryIO:
        assert self._git.stdout is not None
        return self._git.stdout  # type: ignore[return-value]

    def _ask(self, name: str) -> int:
        """Ask for an object and return its size; its bytes and a line feed follow."""
        assert self._git.stdin is not None
        if "\n" in name:
            raise Unreadable("file-unreadable", "git has no way to ask for a name with a line feed")
        try:
            self._git.stdin.write(os.fsencode(name) + b"\n")
            self._git.stdin.flush()
            head = self._answer.readline().decode("ascii", "replace").split()
        except BrokenPipeError:
            head = []
        if len(head) != 3 or not head[2].isdigit():
            hint = "a shallow or partial clone has not everything: `git fetch --unshallow`, or `git fetch`"
            raise Unreadable("file-unreadable", f"the object {name} is not in this clone", hint=hint)
        return int(head[2])


_SETTINGS = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "safe.bareRepository=explicit")


def _command(folder: Path, words: tuple[str, ...]) -> list[str]:
    return [*_git(), *_place(folder), *words]


def _git() -> list[str]:
    return [find_program("git"), *(word for setting in _SETTINGS for word in ("-c", setting))]


def _place(folder: Path) -> list[str]:
    """Return the options that lead to the repository whose `.git` is nearest, past all that looks like a bare one.

    Where nothing looks like one git finds the repository by itself. Otherwise git first runs in the folder of the
    `.git`, so that it checks the owner, and the options name what it found.
    """
    here = folder.resolve()
    passed: list[Path] = []
    for place in (here, *here.parents):
        if os.path.lexists(place / ".git"):
            if not any(os.path.lexists(other / "HEAD") for other in passed):
                break
            command = [*_git(), "-C", str(place), "rev-parse", "--absolute-git-dir"]
            said = subprocess.run(command, env=_environment(), capture_output=True, check=False)  # noqa: S603 - as above
            if said.returncode == 0:
                found = os.fsdecode(said.stdout.removesuffix(b"\n"))
                return ["-C", str(folder), f"--git-dir={found}", f"--work-tree={place}"]
            return ["-C", str(place)]
        passed.append(place)
    return ["-C", str(folder)]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _ELSEWHERE} | _QUIET


def _no_git(error: OSError) -> Invalid:
    return Invalid([Problem(code="no-git", message=f"git cannot be started: {error.strerror}")])
