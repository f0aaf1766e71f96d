"""Reads the base of a plan comparison: a plan's file, the manifest at a git revision, or the last approval.

At a revision all inputs are those of the revision: manifest, prompts, data, images and lockfile. The work tree is
neither read nor changed, and nothing is fetched. The selection of the command line applies to the base too; a GLOB that
matches nothing there is no error.

An approval lists purchases only, so that it is compared with what the plan would buy and with what became of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kbatch.errors import Invalid, Problem, Unreadable
from kbatch.pipeline.approvals.record import approvals_path, read_approvals
from kbatch.pipeline.load import MOST_BYTES, LoadOptions, ParsedManifest, parse_manifest
from kbatch.planner.actions import Action, ActionOptions, PlanEntry, RecordedState
from kbatch.planner.approval.saved_plan import read_document
from kbatch.planner.comparison.compare import Comparison, compare, make_comparison
from kbatch.planner.comparison.compared_jobs import ComparedJob, compared_jobs, compared_jobs_of_saved
from kbatch.planner.crlf_purchases import as_bought
from kbatch.planner.decisions import decide
from kbatch.planner.plan import Plan
from kbatch.planner.selection import Selection, select
from kbatch.providers.registry import way_out
from kbatch.receipts.approvals.approval import ApprovedJob
from kbatch.receipts.lockfile.lockfile import Lockfile, parse
from kbatch.receipts.receipt import Receipt, ReceiptState, without_queries
from kbatch.receipts.simulated_origin import check_not_mixed
from kbatch.storage import MEBIBYTE, read_if_there
from kbatch.storage.git.revision_tree import GitTree, Revision, open_revision

GIT = "git:"
APPROVED = "approved"
_LARGEST_LOCKFILE = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSelection:
    """The scope of the current plan, which the earlier one must share; `addresses` are all of the manifest.

    `renders` are the receipts, which hold the requests of what was bought.
    """

    manifest: Path
    lockfile: Path
    options: LoadOptions
    selection: Selection
    addresses: frozenset[str]
    renders: Mapping[str, Receipt] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonBase:
    """An earlier plan: its jobs, its name as the user wrote it, its commit or digest, and notes about it.

    `purchases_only` says that it lists no other jobs, so that what the plan has beside them is no difference.
    """

    name: str
    detail: str
    sides: tuple[ComparedJob, ...]
    notes: tuple[str, ...] = ()
    purchases_only: bool = False


def compare_to(word: str, selected: ComparedSelection, plan: Plan) -> Comparison:
    """Return a plan compared with that of `--compare-to WORD`; raises what `read_earlier` does.

    A job that the manifest still has and the plan leaves out is in neither.
    """
    base = read_earlier(word, selected)
    left_out = selected.addresses - {entry.address for entry in plan.entries}
    before = [side for side in base.sides if side.address not in left_out]
    changes = compare(before, compared_jobs(_comparable(plan.entries, base)))
    units = {provider: total.unit for provider, total in plan.totals.items()}
    return make_comparison(base.name, base.detail, changes, units, base.notes)


def read_earlier(word: str, selected: ComparedSelection) -> ComparisonBase:
    """Return what `--compare-to WORD` means; Invalid, Unreadable or StateUnreadable when it cannot be read."""
    if word == APPROVED:
        return _last_approved(selected)
    return _at_revision(word, selected) if word.startswith(GIT) else _in_file(Path(word), selected)


def _comparable(entries: Sequence[PlanEntry], base: ComparisonBase) -> Sequence[PlanEntry]:
    """Return the entries that a base can be compared with: of an approval what is bought, and what it approved."""
    if not base.purchases_only:
        return entries
    known = {side.address for side in base.sides} | {side.fingerprint for side in base.sides}
    return [
        entry
        for entry in entries
        if entry.buys or entry.resend or entry.address in known or entry.job.fingerprint in known
    ]


def _last_approved(selected: ComparedSelection) -> ComparisonBase:
    """Return the purchases of the newest approval that is recorded for this manifest and profile."""
    path = approvals_path(selected.lockfile)
    mine = [
        approval
        for approval in read_approvals(path).values()
        if (approval.plan.manifest, approval.plan.profile) == (selected.manifest.name, selected.options.profile)
    ]
    if not mine:
        of = f"`{selected.manifest.name}` with {_profile(selected.options.profile)}"
        hint = f"`kbatch approve PLAN` records one; a file of the name is `./{APPROVED}`"
        raise Invalid([Problem(code="no-approval", message=f"{path} has no approval of {of}", hint=hint)])
    last = max(mine, key=lambda approval: (approval.at, approval.id))
    most = ", ".join(f"{credits:,} of {provider}" for provider, credits in last.maximum.items())
    note = f"recorded as approved by {last.by.label} at {last.at}, up to {most or 'nothing'}, until {last.expires_at}"
    return ComparisonBase(
        name=APPROVED,
        detail=last.digest,
        sides=tuple(_approved_job(address, job, selected.renders) for address, job in last.plan.jobs.items()),
        notes=(note, f"it says: {last.note}") if last.note else (note,),
        purchases_only=True,
    )


def _approved_job(address: str, job: ApprovedJob, renders: Mapping[str, Receipt]) -> ComparedJob:
    receipt = renders.get(job.fingerprint)
    return ComparedJob(
        address=address,
        fingerprint=job.fingerprint,
        action=Action.RENDER,
        provider=job.provider,
        model=job.model,
        variant=job.variant or "",
        credits=job.credits,
        reason="approved",
        output=None,
        request=None if receipt is None else without_queries(receipt.request),
    )


def _in_file(path: Path, selected: ComparedSelection) -> ComparisonBase:
    data = read_if_there(path)
    if data is None:
        hint = "a plan's file, `git:REF`, such as `git:main`, or `approved`"
        raise Invalid([Problem(code="file-not-found", message=f"there is no plan `{path}`", hint=hint)])
    document = read_document(data, str(path))
    notes = []
    if document.get("manifest") != selected.manifest.name:
        notes.append(f"{path} is a plan of `{document.get('manifest')}`")
    if document.get("profile") != selected.options.profile:
        notes.append(
            f"{path} is of {_profile(document.get('profile'))}, this is of {_profile(selected.options.profile)}"
        )
    digest = str(document.get("digest", ""))
    return ComparisonBase(name=str(path), detail=digest, sides=compared_jobs_of_saved(document), notes=tuple(notes))


def _profile(name: object) -> str:
    return f"profile {name}" if name else "no profile"


def _at_revision(word: str, selected: ComparedSelection) -> ComparisonBase:
    manifest = selected.manifest
    with open_revision(manifest.parent, word.removeprefix(GIT)) as revision:
        there = _manifest(revision, manifest)
        if there is None:
            note = f"there is no `{manifest.name}` at {word}: every job is added"
            return ComparisonBase(name=word, detail=revision.commit, sides=(), notes=(note,))
        tree, data = there
        read = parse_manifest(data, f"{word}:{manifest.name}", tree, selected.options)
        lockfile = _lockfile(revision, selected.lockfile, word, simulated=selected.options.simulated)
    notes = () if lockfile else (f"there is no {selected.lockfile.name} at {word}: nothing was paid there",)
    entries = _plan(read, lockfile or Lockfile(manifest=manifest.name), selected)
    return ComparisonBase(name=word, detail=revision.commit, sides=compared_jobs(entries), notes=notes)


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


def _plan(read: ParsedManifest, lockfile: Lockfile, selected: ComparedSelection) -> tuple[PlanEntry, ...]:
    renders, profile = lockfile.renders, selected.options.profile
    known = as_bought(read.jobs, renders)
    index = lockfile.of(profile)
    failed = frozenset(
        job.address
        for job in known
        if job.fingerprint in renders and renders[job.fingerprint].state is ReceiptState.FAILED
    )
    jobs, _ = select(known, selected.selection, failed)
    outputs = [receipt.output for receipt in renders.values() if receipt.output is not None]
    recorded = RecordedState(
        renders=renders,
        addresses={address: entry.fingerprint for address, entry in index.items()},
        sizes={output.path: output.bytes for output in outputs},
        way_out=way_out,
    )
    return decide(jobs, recorded, ActionOptions(retry_failed=selected.selection.failed))
