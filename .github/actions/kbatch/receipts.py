"""Keeps receipts where the next run finds them: `fetch` before a run, `push` after it. Needs git and kbatch.

`fetch` joins the lockfile here with those of the branch's newest commit and of its branch of receipts, so that an old
job that is started again knows what was bought since; `origin/<branch>` is that commit then, with its approvals. `push`
puts the lockfile, and nothing else, on top of the newest commit: it touches no file here and needs no history. Both
join lockfiles by `kbatch lock merge`, as git's merge driver does. A branch that takes no push (it is protected) leaves
the receipts to its branch of receipts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kbatch.errors import KbatchError
from kbatch.pipeline.load_state import lock_path
from kbatch.receipts import store
from kbatch.receipts.journal.journal import journal_path
from kbatch.storage import Lock

TRIES = 6
"""How often a push is tried while others push; each try joins what they brought."""
AUTHOR = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
    ("NAME", "kbatch"), ("EMAIL", "kbatch@users.noreply.github.com"),
)}  # fmt: skip


class Failed(Exception):
    """Something that is said in a sentence, and ends the step."""


def git(*words: str, data: bytes | None = None, more: Mapping[str, str] | None = None) -> bytes:
    """Return what a git command prints; Failed with its complaint."""
    done = _git(*words, data=data, more=more)
    if done.returncode != 0:
        raise Failed(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _git(
    *words: str, data: bytes | None = None, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", **(more or {})}
    return subprocess.run(["git", *words], input=data, env=env, capture_output=True, check=False)


def newest(branch: str) -> str | None:
    """Return the newest commit of a branch of `origin`, None where there is no such branch; Failed if unanswered."""
    ref = f"refs/heads/{branch}"
    if not git("ls-remote", "origin", ref).strip():
        return None
    known = f"refs/remotes/origin/{branch}"
    git("fetch", "--quiet", "--no-tags", "origin", f"+{ref}:{known}")
    return git("rev-parse", known).decode().strip()


def content(commit: str | None, path: str) -> bytes | None:
    """Return a file as a commit has it, None where it has none; Failed when it is no plain file."""
    found = git("ls-tree", "--full-tree", commit, "--", path).decode() if commit else ""
    if not found:
        return None
    mode, kind, rest = found.split(" ", 2)
    if kind != "blob" or not mode.startswith("100"):
        raise Failed(f"{path} is no plain file in {commit}")
    return git("cat-file", "blob", rest.split("\t")[0])


def joined(base: bytes | None, sides: Iterable[bytes | None]) -> bytes | None:
    """Return the union of all lockfiles, None where there is none."""
    given = list(dict.fromkeys(side for side in sides if side is not None))
    if len(given) < 2:
        return given[0] if given else None
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.lock.json") for number in range(len(given))]
        for file, side in zip(files, given, strict=True):
            file.write_bytes(side)
        began = Path(folder, "base.lock.json")
        began.write_bytes(base or b"")
        out = Path(folder, "joined.lock.json")
        words = ["lock", "merge", *map(str, files), "--base", str(began), "--out", str(out)]
        done = subprocess.run([sys.executable, "-P", "-m", "kbatch", *words], capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed(done.stderr.decode(errors="replace").strip())
        return out.read_bytes()


def fetch(branch: str, lockfile: Path, path: str) -> str:
    """Join the lockfile here with what is recorded; return what was done."""
    here = lockfile.read_bytes() if lockfile.exists() else None
    recorded = [content(newest(name), path) for name in (branch, receipts_of(branch))]
    together = joined(content("HEAD", path), (here, *recorded))
    if together is None:
        return f"{path}: no receipts yet"
    if together == here:
        return f"{path}: has every receipt of {branch}"
    lockfile.write_bytes(together)
    return f"{path}: joined with the receipts of {branch}"


def push(branch: str, lockfile: Path, path: str) -> str:
    """Record the lockfile in the branch, else in its branch of receipts; return what was done."""
    if not lockfile.exists():
        return f"{path}: there is no lockfile, so nothing was bought"
    try:
        if _record(branch, [branch], lockfile, path):
            return f"{path}: recorded in {branch}"
    except Failed as refused:
        side = receipts_of(branch)
        _record(side, [side, branch], lockfile, path)
        why = str(refused).splitlines()
        return f"{path}: {branch} takes no push, so its receipts are in the branch {side}: merge it ({_short(why)})"
    return f"{path}: {branch} has every receipt"


def fold_journal(lockfile: Path, manifest: str) -> None:
    """Bring into the lockfile what a run that was killed has in its journal only; kbatch's lock is held meanwhile."""
    if not journal_path(lockfile).exists() or not journal_path(lockfile).stat().st_size:
        return
    with Lock(lock_path(lockfile)):
        store.save(lockfile, store.load(lockfile, manifest_name=manifest).lockfile)


def receipts_of(branch: str) -> str:
    """Return the branch that holds receipts which a branch did not take."""
    return f"kbatch-receipts/{branch}"


def _record(target: str, parents: Sequence[str], lockfile: Path, path: str) -> bool:
    """Push a commit of the joined lockfile to `target`; False where the first parent has it all; Failed if refused."""
    base, ours = content("HEAD", path), lockfile.read_bytes()
    for _ in range(TRIES):
        tips = [newest(name) for name in parents]
        known = content(tips[0], path)
        together = joined(base, (ours, known))
        if together is None or together == known:
            return False
        commit = _commit(together, [tip for tip in tips if tip], path, quiet=len(parents) == 1)
        done = _git("push", "--quiet", "origin", f"{commit}:refs/heads/{target}")
        if done.returncode == 0:
            return True
        if newest(target) == tips[0]:  # no other push came first: the branch itself takes none
            raise Failed(done.stderr.decode(errors="replace").strip())
    raise Failed(f"{target} moved in each of {TRIES} tries")


def _commit(data: bytes, parents: Sequence[str], path: str, *, quiet: bool) -> str:
    """Return a new commit on these parents, in which the newest tree has this lockfile; nothing here is touched."""
    blob = git("hash-object", "-w", "--stdin", data=data).decode().strip()
    subject = f"Record what {Path(path).name.removesuffix('.lock.json')} has bought"
    message = f"{subject}\n\n[skip ci]" if quiet else subject  # a pull request of the branch of receipts is checked
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        if parents:
            git("read-tree", parents[-1], more=index)
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", more=index)
        tree = git("write-tree", more=index).decode().strip()
    words = [word for parent in dict.fromkeys(parents) for word in ("-p", parent)]
    return git("commit-tree", tree, *words, "-m", message, more=AUTHOR).decode().strip()


def _short(lines: Sequence[str]) -> str:
    said = [line.removeprefix("remote: ").strip() for line in lines if line.startswith("remote: ")]
    return next((line for line in said if line), lines[0] if lines else "no reason was given")[:200]


def main() -> int:
    """Do what the command line says; exit code 1 when receipts could not be fetched or recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fetch", "push"))
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--lockfile", default="", help="the one beside the manifest, if not named")
    parser.add_argument("--branch", required=True)
    options = parser.parse_args()
    lockfile = (
        Path(options.lockfile) if options.lockfile else options.manifest.with_name(f"{options.manifest.stem}.lock.json")
    )
    lockfile = Path(os.path.realpath(lockfile.parent), lockfile.name)
    try:
        os.chdir(lockfile.parent)
        top = Path(git("rev-parse", "--show-toplevel").decode().strip())
        path = lockfile.relative_to(os.path.realpath(top)).as_posix()
        if options.what == "push":
            fold_journal(lockfile, options.manifest.name)
        said = (fetch if options.what == "fetch" else push)(options.branch, lockfile, path)
    except (Failed, KbatchError, OSError, ValueError) as error:
        print(f"::error title=kbatch receipts::{_escaped(str(error))}", file=sys.stderr)
        return 1
    level = "warning" if "takes no push" in said else "notice"
    print(f"::{level} title=kbatch receipts::{_escaped(said)}" if level == "warning" else said)
    return 0


def _escaped(text: str) -> str:
    """Return text as a workflow command holds it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
