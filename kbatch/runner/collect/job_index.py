"""The lockfile's index of jobs after a run, and the clips that no job refers to."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from kbatch.planner.jobs import Job
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import Output, Receipt, ReceiptState


def lockfile_of(renders: Mapping[str, Receipt], before: Lockfile, jobs: Sequence[Job], profile: str | None) -> Lockfile:
    """Return the lockfile with all receipts and an index entry for each job of this manifest.

    A job whose new request is not bought yet keeps its earlier entry, so that its clip stays at its path.
    """
    old = before.of(profile)
    index = {}
    for job in jobs:
        receipt, known = renders.get(job.fingerprint), old.get(job.address)
        if known is not None and (receipt is None or receipt.state is ReceiptState.FAILED):
            index[job.address] = known
        elif receipt is not None:
            same = known is not None and known.fingerprint == job.fingerprint and known.path == job.draft.output
            index[job.address] = (
                known if known and same else IndexEntry(fingerprint=job.fingerprint, path=job.draft.output)
            )
    if profile:
        return replace(before, renders=dict(renders), profiles={**before.profiles, profile: index})
    return replace(before, renders=dict(renders), jobs=index)


def referenced_by(lockfile: Lockfile) -> frozenset[str]:
    """Return the fingerprints that jobs of any profile refer to."""
    indexes = (lockfile.jobs, *lockfile.profiles.values())
    return frozenset(entry.fingerprint for index in indexes for entry in index.values())


def clips_to_archive(renders: Mapping[str, Receipt], referenced: frozenset[str]) -> Iterator[Output]:
    """Yield the clips of receipts that no job refers to and that are not archived, by the recorded paths."""
    orphans = renders.keys() - referenced
    for fingerprint, receipt in renders.items() if orphans else ():
        clip = receipt.output
        if fingerprint in orphans and clip is not None and clip.placed and not is_archived(clip):
            yield clip


def is_archived(clip: Output) -> bool:
    """Whether a clip's recorded path is its archive path."""
    return clip.path.endswith(f"/.kept/{clip.sha256}.mp4")
