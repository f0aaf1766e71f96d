"""What jobs refer to: the lockfile's index after a run, and the clips that no job refers to any more."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from kbatch.planner.jobs import Job
from kbatch.receipts.lockfile.lockfile import IndexEntry, Lockfile
from kbatch.receipts.receipt import Output, Receipt, ReceiptState


def lockfile_of(renders: Mapping[str, Receipt], before: Lockfile, jobs: Sequence[Job], profile: str | None) -> Lockfile:
    """Return the lockfile: all receipts, and for each job of this manifest what it refers to.

    A job whose new request is not bought yet refers to what it was before, so that its clip stays where it is.
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
    """Yield the clips of receipts that no job refers to and that are not kept aside yet, as far as receipts tell."""
    orphans = renders.keys() - referenced
    for fingerprint, receipt in renders.items() if orphans else ():
        clip = receipt.output
        if fingerprint in orphans and clip is not None and clip.placed and not is_archived(clip):
            yield clip


def is_archived(clip: Output) -> bool:
    """Whether a clip lies where it is kept while no job wants it."""
    return clip.path.endswith(f"/.kept/{clip.sha256}.mp4")
