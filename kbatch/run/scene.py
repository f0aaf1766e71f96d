"""Where a run takes place, and whom it has to ask there."""

from collections.abc import Callable, Collection, Iterable

from msgspec import field

from kbatch.files import size_of
from kbatch.plan.actions import Action, Entry
from kbatch.plan.plan import Plan
from kbatch.receipts.events import Event
from kbatch.run.context import Options
from kbatch.run.decisions import Decisions, owner_of
from kbatch.run.errand import Errand
from kbatch.run.ground import Ground
from kbatch.run.lines import Wiring


class Scene(Ground, frozen=True, kw_only=True):
    """Where a run takes place: its ground, the lines out of it, how it behaves and what a person has decided.

    `replacing` are the fingerprints that the command buys again, those too that an earlier run of it has bought
    already; None means those of the plan. `follow` is told every event once it is durable.
    """

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
    renders = scene.loaded.lockfile.renders
    adopted = [renders.get(fingerprint) for fingerprint in scene.decisions.adopt]
    names += [receipt.provider for receipt in adopted if receipt is not None]
    names += [owner[1].provider for job_id in scene.decisions.lost if (owner := owner_of(renders, job_id))]
    if not scene.options.buy:
        names += [errand.provider for errand in errands if errand.fingerprint not in scene.decisions.refused]
    return list(dict.fromkeys(names))


def _asks(entry: Entry, scene: Scene, needed: Collection[str]) -> bool:
    if entry.action is Action.REUSE and not scene.options.fetch_missing:
        receipt = scene.loaded.lockfile.renders.get(entry.job.fingerprint)
        clip = receipt.output if receipt else None
        return entry.address in needed and clip is not None and size_of(scene.folder / clip.path) != clip.bytes
    # What a person says was not accepted needs nobody to be asked.
    return entry.action is not Action.BLOCKED and entry.job.fingerprint not in scene.decisions.refused
