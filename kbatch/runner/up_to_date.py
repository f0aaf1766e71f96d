"""Finds the jobs that are up to date, and whether a run has nothing to do at all.

A job is up to date when its paid clip and sidecar are at their paths, unchanged since the lockfile was written. Files
are compared by size and time here, by digest in `verify`. A file that is newer than the lockfile, or of a purchase in
the journal, is not up to date and is compared by digest later; so is a path that another lockfile names too.

A run has nothing to do when every job is up to date, nothing is owed, and the lockfile would not change: no claim, no
decision, no event in the journal, no clip to archive. This is decided before a session is opened, a key is read or an
event loop starts.
"""

from kbatch.manifest.outputs import same_file
from kbatch.planner.actions import Action
from kbatch.planner.approval.consent import ConfirmedPlan
from kbatch.planner.plan import Plan
from kbatch.receipts.receipt import Output
from kbatch.receipts.sidecar import ENDING
from kbatch.runner.collect.job_index import clips_to_archive, lockfile_of, referenced_by
from kbatch.runner.outcome import JobEnd, Outcome, count_ends
from kbatch.runner.pending import orphaned_renders_of
from kbatch.runner.preflight.other_lockfiles import owned_elsewhere
from kbatch.runner.run_inputs import RunInputs
from kbatch.storage import FolderSnapshot, sha256_of, size_of


def up_to_date(plan: Plan, inputs: RunInputs, look: FolderSnapshot | None = None) -> frozenset[str]:
    """Return the addresses of the jobs that are up to date; blocking.

    `look` holds file facts of the manifest's folder that were read already; None reads them anew.
    """
    lockfile, path = inputs.loaded.lockfile, inputs.lockfile_path
    written = FolderSnapshot(path.parent).at(path.name)
    if written is None:
        return frozenset()
    look = look or FolderSnapshot(inputs.folder)
    journaled = {event.fingerprint for event in inputs.loaded.events}
    owned = owned_elsewhere(inputs)
    index = lockfile.of(plan.settings.profile)
    found = set()
    for entry in plan.entries:
        if entry.action is not Action.REUSE or entry.shared_with is not None:
            continue
        job, known = entry.job, index.get(entry.job.address)
        if known is None or known.path != job.draft.output or known.fingerprint != job.fingerprint:
            continue
        clip = entry.receipt.output if entry.receipt else None
        if clip is None or not clip.placed or clip.path != known.path or job.fingerprint in journaled:
            continue
        if same_file(clip.path) in owned and not _is_clip(inputs, clip):
            continue
        if _is_left(look, clip, written.changed_ns):
            found.add(job.address)
    return frozenset(found)


def _is_clip(inputs: RunInputs, output: Output) -> bool:
    """Whether the file at a clip's path has the recorded size and digest."""
    path = inputs.folder / output.path
    return size_of(path) == output.bytes and sha256_of(path) == output.sha256


def _is_left(look: FolderSnapshot, output: Output, written_ns: int) -> bool:
    """Whether a clip and its sidecar exist, the clip in its recorded size, neither newer than the lockfile."""
    clip, sidecar = look.at(output.path), look.at(output.path + ENDING)
    if clip is None or sidecar is None or not sidecar.size or clip.size != output.bytes:
        return False
    return clip.changed_ns <= written_ns and sidecar.changed_ns <= written_ns


def nothing_to_do(confirmed: ConfirmedPlan, inputs: RunInputs, current: frozenset[str]) -> Outcome | None:
    """Return what a run comes to that has nothing to do, else None; `stands` are the jobs whose clips stand."""
    plan, loaded = confirmed.plan, inputs.loaded
    if len(current) < len(plan.entries) or confirmed.terms.claim or loaded.events or loaded.notes:
        return None
    if not _is_settled(plan, inputs, current) or orphaned_renders_of(plan, inputs):
        return None
    ends = dict.fromkeys([entry.address for entry in plan.entries], JobEnd.REUSED)
    counts = {**count_ends({}), JobEnd.REUSED.value: len(ends)}
    return Outcome(ends=ends, lockfile=str(inputs.lockfile_path), counts=counts)


def _is_settled(plan: Plan, inputs: RunInputs, current: frozenset[str]) -> bool:
    """Whether the lockfile would not change, and no clip has to be archived."""
    lockfile = inputs.loaded.lockfile
    index = lockfile.of(plan.settings.profile)
    if current and len(index) == len(inputs.jobs) == len(current):  # it names all jobs as they stand, and no others
        referenced = plan.basis.known
    else:
        after = lockfile_of(lockfile.renders, lockfile, inputs.jobs, plan.settings.profile)
        if after != lockfile:
            return False
        referenced = referenced_by(lockfile)
    return not any(clips_to_archive(lockfile.renders, referenced))
