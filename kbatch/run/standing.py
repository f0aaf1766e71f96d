"""What needs nothing: paid clips that lie where they belong, untouched since the lockfile was written.

Files are compared by size and time here, by digest in `verify`. A clip or a sidecar that is newer than the lockfile, or
of a purchase that the journal still tells of, is looked at in full.
"""

from collections.abc import Mapping
from pathlib import Path

from kbatch import files
from kbatch.plan.actions import Action, Entry
from kbatch.plan.plan import Plan
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.sidecar import ENDING
from kbatch.run.scene import Scene


def standing(plan: Plan, scene: Scene) -> frozenset[str]:
    """Return the addresses of jobs whose clip and sidecar are as the run that wrote the lockfile left them; blocking.

    None under `pull`, which looks at everything.
    """
    lockfile = scene.loaded.lockfile
    written = files.found_in(scene.lockfile_path.parent).get(scene.lockfile_path.name)
    if written is None or scene.options.fetch_missing:
        return frozenset()
    told = {event.fingerprint for event in scene.loaded.events}
    index = lockfile.of(plan.settings.profile)
    left = _Left(scene.folder, written.changed_ns)
    found = set()
    for entry in plan.entries:
        known = index.get(entry.address)
        if known is None or (known.fingerprint, known.path) != (entry.job.fingerprint, entry.job.draft.output):
            continue
        receipt = lockfile.renders.get(known.fingerprint)
        if known.fingerprint not in told and _is_paid(entry, receipt) and left.holds(receipt, known.path):
            found.add(entry.address)
    return frozenset(found)


def _is_paid(entry: Entry, receipt: Receipt | None) -> bool:
    return receipt is not None and entry.action is Action.REUSE and entry.shares is None


class _Left:
    """The files of the output folders, each folder read once."""

    def __init__(self, folder: Path, written_ns: int) -> None:
        self._folder = folder
        self._written_ns = written_ns
        self._known: dict[str, Mapping[str, files.There]] = {}

    def holds(self, receipt: Receipt | None, path: str) -> bool:
        """Whether a receipt's clip lies at `path` with its sidecar, neither touched since."""
        output = receipt.output if receipt else None
        if output is None or not output.placed or output.path != path:
            return False
        folder, _, name = path.rpartition("/")
        if folder not in self._known:
            self._known[folder] = files.found_in(self._folder / folder)
        here = self._known[folder]
        clip, sidecar = here.get(name), here.get(name + ENDING)
        if clip is None or sidecar is None or clip.size != output.bytes:
            return False
        return max(clip.changed_ns, sidecar.changed_ns) <= self._written_ns
