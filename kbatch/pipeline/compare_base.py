"""Reads what a plan is to be compared with: a plan's file, or the manifest as it was at a revision in git.

At a revision everything is of that revision: manifest, prompts, data, pictures and lockfile. The work tree is neither
read nor touched, and nothing is fetched. What the command line selects is selected there too; what it matches nowhere
is no mistake there.
"""

from dataclasses import dataclass
from pathlib import Path

from kbatch.errors import Invalid, Problem, Unreadable
from kbatch.pipeline.load import MOST_BYTES, LoadOptions, Understood, understand
from kbatch.planner.actions import ActionOptions, PlanEntry, RecordedState, decide
from kbatch.planner.approval.saved_plan import read_document
from kbatch.planner.comparison.compare import Comparison, compare, make_comparison
from kbatch.planner.comparison.compared_jobs import ComparedJob, compared_jobs, compared_jobs_of_saved
from kbatch.planner.crlf_purchases import as_bought
from kbatch.planner.plan import Plan
from kbatch.planner.selection import Selection, select
from kbatch.providers.registry import way_out
from kbatch.receipts.lockfile.lockfile import Lockfile, parse
from kbatch.receipts.receipt import ReceiptState
from kbatch.receipts.simulated_origin import check_not_mixed
from kbatch.storage import MEBIBYTE, read_if_there
from kbatch.storage.git.revision_tree import GitTree, Revision, open_revision

GIT = "git:"
_LARGEST_LOCKFILE = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the present plan is of, which the earlier one is to be of too; `addresses` are all that the manifest has."""

    manifest: Path
    lockfile: Path
    options: LoadOptions
    selection: Selection
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier plan: its jobs, what the user called it, its commit or digest, and what to say about it."""

    name: str
    detail: str
    sides: tuple[ComparedJob, ...]
    notes: tuple[str, ...] = ()


def compare_to(word: str, asked: Asked, plan: Plan) -> Comparison:
    """Return a plan held against what `--compare-to WORD` means; raises what `read_earlier` does.

    A job that the manifest still has and the plan leaves out is in neither.
    """
    earlier = read_earlier(word, asked)
    left_out = asked.addresses - {entry.address for entry in plan.entries}
    before = [side for side in earlier.sides if side.address not in left_out]
    changes = compare(before, compared_jobs(plan.entries))
    units = {provider: total.unit for provider, total in plan.totals.items()}
    return make_comparison(earlier.name, earlier.detail, changes, units, earlier.notes)


def read_earlier(word: str, asked: Asked) -> Earlier:
    """Return what `--compare-to WORD` means; Invalid, Unreadable or StateUnreadable when it cannot be read."""
    return _at_revision(word, asked) if word.startswith(GIT) else _in_file(Path(word), asked)


def _in_file(path: Path, asked: Asked) -> Earlier:
    data = read_if_there(path)
    if data is None:
        hint = "a plan's file, or `git:REF`, such as `git:main`"
        raise Invalid([Problem(code="file-not-found", message=f"there is no plan `{path}`", hint=hint)])
    document = read_document(data, str(path))
    notes = []
    if document.get("manifest") != asked.manifest.name:
        notes.append(f"{path} is a plan of `{document.get('manifest')}`")
    if document.get("profile") != asked.options.profile:
        notes.append(f"{path} is of {_profile(document.get('profile'))}, this is of {_profile(asked.options.profile)}")
    digest = str(document.get("digest", ""))
    return Earlier(name=str(path), detail=digest, sides=compared_jobs_of_saved(document), notes=tuple(notes))


def _profile(name: object) -> str:
    return f"profile {name}" if name else "no profile"


def _at_revision(word: str, asked: Asked) -> Earlier:
    manifest = asked.manifest
    with open_revision(manifest.parent, word.removeprefix(GIT)) as revision:
        there = _manifest(revision, manifest)
        if there is None:
            note = f"there is no `{manifest.name}` at {word}: every job is added"
            return Earlier(name=word, detail=revision.commit, sides=(), notes=(note,))
        tree, data = there
        read = understand(data, f"{word}:{manifest.name}", tree, asked.options)
        lockfile = _lockfile(revision, asked.lockfile, word, simulated=asked.options.simulated)
    notes = () if lockfile else (f"there is no {asked.lockfile.name} at {word}: nothing was paid there",)
    entries = _plan(read, lockfile or Lockfile(manifest=manifest.name), asked)
    return Earlier(name=word, detail=revision.commit, sides=compared_jobs(entries), notes=notes)


def _manifest(revision: Revision, manifest: Path) -> tuple[GitTree, bytes] | None:
    """Return the manifest at a revision with what it may read there; None where it, or its folder, did not exist."""
    try:
        tree = revision.tree(manifest.parent)
        return tree, tree.read_own(manifest.name, limit=MOST_BYTES)
    except Unreadable as error:
        if error.code == "file-not-found":
            return None
        raise


def _lockfile(revision: Revision, path: Path, word: str, *, simulated: bool) -> Lockfile | None:
    try:
        data = revision.tree(path.parent).read_own(path.name, limit=_LARGEST_LOCKFILE)
    except Unreadable as error:
        if error.code in ("file-not-found", "path-outside-tree"):
            return None
        raise
    lockfile = parse(data, f"{word}:{path.name}")
    check_not_mixed(lockfile.renders, f"{word}:{path.name}", simulated=simulated)
    return lockfile


def _plan(read: Understood, lockfile: Lockfile, asked: Asked) -> tuple[PlanEntry, ...]:
    renders, profile = lockfile.renders, asked.options.profile
    known = as_bought(read.jobs, renders)
    index = lockfile.of(profile)
    failed = frozenset(
        job.address
        for job in known
        if job.fingerprint in renders and renders[job.fingerprint].state is ReceiptState.FAILED
    )
    jobs, _ = select(known, asked.selection, failed)
    outputs = [receipt.output for receipt in renders.values() if receipt.output is not None]
    recorded = RecordedState(
        renders=renders,
        addresses={address: entry.fingerprint for address, entry in index.items()},
        sizes={output.path: output.bytes for output in outputs},
        way_out=way_out,
    )
    return decide(jobs, recorded, ActionOptions(retry_failed=asked.selection.failed))
