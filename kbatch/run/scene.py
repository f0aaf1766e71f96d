"""Where a run takes place, and whom it has to ask there."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kbatch.files import Folder, size_of
from kbatch.plan.actions import Action, Entry
from kbatch.plan.jobs import Job
from kbatch.plan.plan import Plan
from kbatch.receipts import state
from kbatch.receipts.events import Event
from kbatch.run.context import Options
from kbatch.run.decisions import Decisions
from kbatch.run.errand import Errand, forgotten
from kbatch.run.lines import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a run takes place: the manifest's folder and tree, all its jobs, its lockfile and what that holds.

    `replacing` are the fingerprints that the command buys again, those too that an earlier run of it has bought
    already; None means those of the plan. `follow` is told every event once it is durable.
    """

    folder: Path
    tree: Folder
    jobs: Sequence[Job]
    lockfile_path: Path
    loaded: state.Loaded
    wiring: Wiring
    options: Options
    decisions: Decisions = field(default_factory=Decisions)
    interactive: bool = False
    replacing: frozenset[str] | None = None
    follow: Callable[[Event], None] | None = None


def providers_needed(
    plan: Plan, scene: Scene, needed: Collection[str] = (), errands: Iterable[Errand] = ()
) -> list[str]:
    """Return the providers that have to be asked something; `needed` are the addresses whose clips purchases use."""
    names = [entry.job.provider for entry in plan.entries if _asks(entry, scene, needed)]
    adopted = [scene.loaded.lockfile.renders.get(fingerprint) for fingerprint in scene.decisions.adopt]
    names += [receipt.provider for receipt in adopted if receipt is not None]
    if not scene.options.buy:
        names += [errand.provider for errand in errands if errand.fingerprint not in scene.decisions.refused]
    return list(dict.fromkeys(names))


def _asks(entry: Entry, scene: Scene, needed: Collection[str]) -> bool:
    if entry.action is Action.REUSE and not scene.options.fetch_missing:
        receipt = scene.loaded.lockfile.renders.get(entry.job.fingerprint)
        clip = receipt.output if receipt else None
        return entry.address in needed and clip is not None and size_of(scene.folder / clip.path) is None
    # What a person says was not accepted needs nobody to be asked.
    return entry.action is not Action.BLOCKED and entry.job.fingerprint not in scene.decisions.refused


def errands_of(plan: Plan, scene: Scene) -> tuple[Errand, ...]:
    """Return the purchases that no job refers to any more and that are not collected yet."""
    lockfile, profile = scene.loaded.lockfile, plan.settings.profile
    wanted = {job.fingerprint for job in scene.jobs}
    wanted |= {entry.fingerprint for index in lockfile.of_others(profile) for entry in index.values()}
    return tuple(forgotten(lockfile.renders, wanted, plan.settings.output_root))
