"""What needs nothing: paid clips that lie where they belong, untouched since the lockfile was written.

Files are compared by size and time here, by digest in `verify`. A clip or a sidecar that is newer than the lockfile, or
of a purchase that the journal still tells of, is looked at in full; so is one whose place another lockfile knows too.
"""

from kbatch.files import Look, sha256_of, size_of
from kbatch.manifest.outputs import same_file
from kbatch.plan.actions import Action
from kbatch.plan.plan import Plan
from kbatch.receipts.receipt import Output
from kbatch.receipts.sidecar import ENDING
from kbatch.run.ground import Ground
from kbatch.run.neighbours import owned_elsewhere


def standing(plan: Plan, ground: Ground, look: Look | None = None) -> frozenset[str]:
    """Return the addresses of jobs whose clip and sidecar are as the run that wrote the lockfile left them; blocking.

    `look` is what was seen of the manifest's folder already; a new one is taken without it.
    """
    lockfile, path = ground.loaded.lockfile, ground.lockfile_path
    written = Look(path.parent).at(path.name)
    if written is None:
        return frozenset()
    look = look or Look(ground.folder)
    told = {event.fingerprint for event in ground.loaded.events}
    owned = owned_elsewhere(ground)
    index = lockfile.of(plan.settings.profile)
    found = set()
    for entry in plan.entries:
        if entry.action is not Action.REUSE or entry.shares is not None:
            continue
        job, known = entry.job, index.get(entry.job.address)
        if known is None or known.path != job.draft.output or known.fingerprint != job.fingerprint:
            continue
        clip = entry.receipt.output if entry.receipt else None
        if clip is None or not clip.placed or clip.path != known.path or job.fingerprint in told:
            continue
        if same_file(clip.path) in owned and not _is_clip(ground, clip):
            continue
        if _is_left(look, clip, written.changed_ns):
            found.add(job.address)
    return frozenset(found)


def _is_clip(ground: Ground, output: Output) -> bool:
    """Whether a file that may be another manifest's clip is this one, to the last byte."""
    path = ground.folder / output.path
    return size_of(path) == output.bytes and sha256_of(path) == output.sha256


def _is_left(look: Look, output: Output, written_ns: int) -> bool:
    """Whether a receipt's clip lies at its place with its sidecar, neither touched since the lockfile was written."""
    clip, sidecar = look.at(output.path), look.at(output.path + ENDING)
    if clip is None or sidecar is None or not sidecar.size or clip.size != output.bytes:
        return False
    return clip.changed_ns <= written_ns and sidecar.changed_ns <= written_ns
