"""Makes the plan of a loaded manifest from its recorded state and a selection of its jobs."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from kbatch import storage
from kbatch.errors import Invalid
from kbatch.gc_pause import gc_paused
from kbatch.pipeline.load import LoadedManifest
from kbatch.planner.actions import Action, ActionOptions, PlanEntry, RecordedState
from kbatch.planner.approval.coverage import confine, is_made
from kbatch.planner.decisions import decide
from kbatch.planner.jobs import Job
from kbatch.planner.live_prices import asked_of, published_of
from kbatch.planner.payers import Weights, choose_payers
from kbatch.planner.plan import Basis, Plan, build_plan, first_purchases
from kbatch.planner.selection import Selection, addresses, select, with_downstream
from kbatch.planner.summary import Summary, summarize
from kbatch.providers.registry import concurrency_of, provider_of, way_out
from kbatch.receipts import store
from kbatch.receipts.claims import Claim
from kbatch.receipts.event_data import Began
from kbatch.receipts.join import time_key
from kbatch.receipts.lockfile.lockfile import Lockfile
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry as Reference
from kbatch.receipts.receipt import Output, ReceiptState
from kbatch.runner.base_urls import origin_of


class RunTarget(Struct, frozen=True, kw_only=True):
    """The target of a plan: its lockfile, the simulator or the addresses of an environment
    (None: the process's own), how many jobs at once (None: as the manifest says), and the accounts that the command
    line lets pay, by provider."""

    lockfile: Path
    simulated: bool = False
    environment: Mapping[str, str] | None = None
    concurrency: Mapping[str | None, int] | None = None
    accounts: Mapping[str | None, Weights] = {}


class Planned(Struct, frozen=True, kw_only=True):
    """A plan with its summary, and how many jobs each provider may run at once.

    `replacing` are the fingerprints that are to be bought again, those too that an interrupted run has bought already:
    a run that names them all and finishes has finished that replacement. `look` is the snapshot of the clips.
    """

    plan: Plan
    summary: Summary
    concurrency: Mapping[str, int]
    look: storage.FolderSnapshot
    replacing: frozenset[str] = frozenset()


@gc_paused()
def make_plan(
    loaded: LoadedManifest,
    found: store.LoadedState,
    selection: Selection,
    target: "RunTarget | None" = None,
    claim: Claim | None = None,
) -> Planned:
    """Return the plan of the selected jobs; Invalid when a GLOB selects nothing.

    Without a `target` the plan is for reading only: its digest differs from that of a run. Under a `claim` it leaves
    out purchases that the claim has made already.
    """
    lockfile = found.lockfile
    profile = loaded.settings.profile
    failed = _failed(loaded.jobs, lockfile) if selection.failed else frozenset()
    jobs, problems = select(loaded.jobs, selection, failed)
    wanted, more = addresses(selection.replace, loaded.jobs, "--replace")
    if problems or more:
        raise Invalid((*problems, *more))
    wanted, cascade = _replacing(wanted, loaded.jobs, cascade=selection.cascade)
    replaced = wanted & _replaced_already(loaded, found)
    made = _made(jobs, claim, found) if claim else frozenset()
    look = storage.FolderSnapshot(loaded.folder)
    recorded = recorded_state(loaded, found, look, target)
    options = ActionOptions(replace=wanted - replaced - made, cascade=cascade, retry_failed=selection.failed)
    entries = decide(jobs, recorded, options)
    if any(entry.action is Action.UNKNOWN for entry in entries):
        entries = _with_resends(entries, found)
    if claim is not None:
        entries = confine(entries, claim)
    if selection.first is not None:
        entries = first_purchases(entries, selection.first - _counted(claim, found))
    basis = Basis(
        manifest=loaded.path.name,
        settings=loaded.settings,
        known=frozenset(job.fingerprint for job in loaded.jobs) | _referred(lockfile, profile),
        inputs=loaded.inputs,
        notes=(*found.notes, *(_replaced_note(address) for address in sorted(replaced - made))),
        lockfile=_relative(target.lockfile, loaded.folder) if target else "",
        origins=_origins(jobs, target) if target else {},
        published=published_of(entries, loaded.lists or {}),
        asked=asked_of(loaded.lists or {}),
        payers=_payers(jobs, loaded, target),
    )
    plan = build_plan(basis, entries, lockfile.renders)
    wished = (target and target.concurrency) or loaded.settings.concurrency
    concurrency = {name: concurrency_of(name, wished) for name in plan.providers}
    return Planned(
        plan=plan,
        summary=summarize(plan, concurrency, loaded.jobs if selection.first is None else None),
        concurrency=concurrency,
        look=look,
        replacing=frozenset(job.fingerprint for job in jobs if job.address in wanted),
    )


def recorded_state(
    loaded: LoadedManifest, found: store.LoadedState, look: storage.FolderSnapshot, target: "RunTarget | None" = None
) -> RecordedState:
    """Return the recorded state that decides what jobs need: receipts, addresses, what `look` sees of the clips."""
    return RecordedState(
        renders=found.lockfile.renders,
        addresses=_Addresses(found.lockfile.of(loaded.settings.profile)),
        sizes=_Sizes(look),
        altered=_Altered(look, loaded.folder, target.lockfile) if target else _trusted,
        way_out=way_out,
    )


def _made(jobs: Iterable[Job], claim: Claim, found: store.LoadedState) -> frozenset[str]:
    """Return the addresses whose purchases under a claim were made already."""
    renders = found.lockfile.renders
    return frozenset(job.address for job in jobs if is_made(claim, job.fingerprint, renders))


def _counted(claim: Claim | None, found: store.LoadedState) -> int:
    """Return how many of the first purchases a claim has made."""
    if claim is None:
        return 0
    return sum(is_made(claim, fingerprint, found.lockfile.renders) for fingerprint in claim.fingerprints)


def _relative(lockfile: Path, folder: Path) -> str:
    """Return a lockfile's path relative to the manifest, the same in every clone."""
    there = lockfile.parent.resolve() / lockfile.name
    try:
        return Path(os.path.relpath(there, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return there.as_posix()


def _origins(jobs: Iterable[Job], target: RunTarget) -> dict[str, str]:
    names = dict.fromkeys(job.provider for job in jobs)
    environment = os.environ if target.environment is None else target.environment
    return {name: origin_of(provider_of(name), environment, simulated=target.simulated) for name in names}


def _payers(jobs: Iterable[Job], loaded: LoadedManifest, target: RunTarget | None) -> dict[str, Weights]:
    names = dict.fromkeys(job.provider for job in jobs)
    return choose_payers(names, loaded.settings.accounts, target.accounts if target else {})


def _with_resends(entries: Sequence[PlanEntry], found: store.LoadedState) -> tuple[PlanEntry, ...]:
    """Set for each unknown send whether it may be sent again from here, by this user's own journal."""
    from kbatch.runner.submit.resend_rules import is_of_another, own_records_of, resend_objection  # noqa: PLC0415 - an event loop, only where a send is open

    own, now = own_records_of(found.own), datetime.now(UTC)

    def seen(entry: PlanEntry) -> PlanEntry:
        receipt = entry.receipt
        if entry.action is not Action.UNKNOWN or entry.shared_with is not None or receipt is None:
            return entry
        if provider_of(entry.job.provider).resend_within is None:
            return entry
        if is_of_another(entry.job, receipt):
            why = "its record is of another request than the job's, so it is not looked for by it either"
            return msgspec.structs.replace(entry, objection=why, mistaken=True)
        against = resend_objection(entry.job, receipt, own, now)
        return msgspec.structs.replace(entry, resend=against is None, objection=against or "")

    return tuple([seen(entry) for entry in entries])


def _replacing(named: frozenset[str], jobs: Sequence[Job], *, cascade: bool) -> tuple[frozenset[str], frozenset[str]]:
    """Return all addresses that are bought again, and those of them that are included only for their upstream.

    A purchase that several jobs share is bought again for all of them.
    """
    asked = _sharing(named, jobs)
    every = _sharing(with_downstream(asked, jobs), jobs) if cascade else asked
    return every, every - asked


def _sharing(addresses: frozenset[str], jobs: Sequence[Job]) -> frozenset[str]:
    if not addresses:
        return addresses
    fingerprints = {job.fingerprint for job in jobs if job.address in addresses}
    return frozenset(job.address for job in jobs if job.fingerprint in fingerprints)


def _replaced_note(address: str) -> str:
    return f"`{address}` was bought again by a run that did not finish; this run finishes it, the next buys it anew"


def _failed(jobs: Sequence[Job], lockfile: Lockfile) -> frozenset[str]:
    failures = {key for key, receipt in lockfile.renders.items() if receipt.state is ReceiptState.FAILED}
    return frozenset(job.address for job in jobs if job.fingerprint in failures)


def _replaced_already(loaded: LoadedManifest, found: store.LoadedState) -> frozenset[str]:
    """Return the addresses whose replacement a run that was cut off had begun and already bought.

    The journal still has what that run began: a run that comes to its end puts it away, its lockfile being written.
    Only this user's own journal counts: what another one says was begun is no consent of this one.
    """
    done: set[str] = set()
    for event in found.own:
        for fingerprint in event.data.replacing if isinstance(event.data, Began) else ():
            receipt = found.lockfile.renders.get(fingerprint)
            if receipt is not None and time_key(receipt.submitted_at) >= time_key(event.at):
                done.add(fingerprint)
    if not done:
        return frozenset()
    return frozenset(job.address for job in loaded.jobs if job.fingerprint in done)


def _referred(lockfile: Lockfile, profile: str | None) -> frozenset[str]:
    """Return the fingerprints that jobs of other profiles refer to: their receipts are no orphans."""
    return frozenset(entry.fingerprint for index in lockfile.of_others(profile) for entry in index.values())


class _Addresses(Struct, frozen=True):
    """The fingerprints that addresses refer to in the lockfile."""

    index: Mapping[str, Reference]

    def get(self, address: str, /) -> str | None:
        """Return the fingerprint of an address, None of one that is not there."""
        entry = self.index.get(address)
        return None if entry is None else entry.fingerprint


def _trusted(_output: Output) -> bool:
    return False


class _Altered(Struct, frozen=True):
    """Whether a file of a receipt's size was changed: one that is newer than the lockfile is read, others are not."""

    look: storage.FolderSnapshot
    folder: Path
    lockfile: Path

    def __call__(self, output: Output, /) -> bool:
        """Return whether the file's digest is another one than its receipt's; False of an older file."""
        there, written = self.look.at(output.path), storage.FolderSnapshot(self.lockfile.parent).at(self.lockfile.name)
        if there is None or written is None or there.changed_ns <= written.changed_ns or not output.sha256:
            return False
        try:
            return storage.sha256_of(self.folder / output.path) != output.sha256
        except OSError:
            return True


class _Sizes(Struct, frozen=True):
    """The sizes of files at the first look at each."""

    look: storage.FolderSnapshot

    def get(self, path: str, /) -> int | None:
        """Return the size of the file at a path relative to the manifest, None when there is none."""
        there = self.look.at(path)
        return None if there is None else there.size
