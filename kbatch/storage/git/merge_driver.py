"""Sets a repository up so that git merges two branches' lockfiles by their receipts, without a person.

Two things are needed: a line in `.gitattributes`, which is committed and shared, and the driver in this clone's own
configuration, since git runs no command that a repository brings along.
"""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from kbatch import storage
from kbatch.errors import Invalid, Problem
from kbatch.storage.git import git_program

NAME = "kbatch-lock"
PATTERNS = ("*.lock.json", "*.approvals.json")
_TITLE = "kbatch: union of receipts"


def install(folder: Path, *, python: str = sys.executable) -> tuple[str, ...]:
    """Set up the repository that holds `folder`; return a sentence for each thing that was not so yet."""
    root = git_program.top_of(folder)
    return (*_attributes(root), *_configuration(root, driver(python)))


def driver(python: str) -> str:
    """Return the command that git runs through a shell: `%A` is ours and the result, `%B` theirs, `%O` the base.

    Files of other tools with such a name are merged as text. Where kbatch fails or is gone, the text is merged too, but
    never without a stop: lines of two receipts may have come together, and git keeps both sides until someone looks.
    `-P` keeps the repository's own folders out of Python's path: a merge must not run code that it brings.
    """
    program = shlex.quote(Path(python).as_posix()).replace("%", "%%")
    ours = f"{program} -P -m kbatch lock merge %A %B --base %O --path %P --out %A"
    text = "git merge-file -L ours -L base -L theirs --marker-size=%L %A %O %B"
    is_ours = "grep -q -e lockfile_version -e approvals_version %A %B"
    return f"if {is_ours}; then {ours} || {{ {text}; exit 1; }}; else {text}; fi"


def _attributes(root: Path) -> Iterator[str]:
    path = root / ".gitattributes"
    text = (storage.read_if_there(path) or b"").decode("utf-8", "surrogateescape")
    given = [line.split() for line in text.splitlines()]
    known = {words[0] for words in given if f"merge={NAME}" in words[1:]}
    lines = [f"{pattern} merge={NAME}" for pattern in PATTERNS if pattern not in known]
    if not lines:
        return
    joined = text if not text or text.endswith("\n") else f"{text}\n"
    storage.write_atomic(path, "".join((joined, *(f"{line}\n" for line in lines))).encode("utf-8", "surrogateescape"))
    for line in lines:
        yield f"wrote `{line}` into {path}: commit it"


def _configuration(root: Path, command: str) -> Iterator[str]:
    for key, value in ((f"merge.{NAME}.name", _TITLE), (f"merge.{NAME}.driver", command)):
        before = git_program.ask(root, "config", "--local", "--get-all", key).out.decode("utf-8", "replace")
        if before == f"{value}\n":
            continue
        said = git_program.ask(root, "config", "--local", "--replace-all", key, value)
        if said.code != 0:
            raise Invalid([Problem(code="git-config", message=f"git does not take `{key}`: {said.complaint}")])
        yield f"set `{key}` in the configuration of {root}"
