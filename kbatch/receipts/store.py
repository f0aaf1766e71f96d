"""The state of a manifest on disk: reads lockfile, journal and history as one, and writes them back.

`load` folds every event over the lockfile that it may lack. A purchase that is in the history and not in the lockfile
(after a `git reset`, or from an older cache) is restored and reported.

The order of writes makes every crash harmless: the lockfile first, then the rotation of the journal, then the index.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from kbatch import storage
from kbatch.errors import StateUnreadable
from kbatch.receipts.claims import Claims, fold_claims
from kbatch.receipts.event_data import Began
from kbatch.receipts.events import Event
from kbatch.receipts.fold import fold
from kbatch.receipts.join import records_of, time_key
from kbatch.receipts.journal.history import (
    history_files,
    index_path,
    read_history_index,
    state_folder,
    stem_of,
    unread_files,
    write_history_index,
)
from kbatch.receipts.journal.journal import JournalReader, journal_path, read_journal, rotate
from kbatch.receipts.journal.run_records import used_plans
from kbatch.receipts.journal.seals import Seals
from kbatch.receipts.lifecycle import PAID, Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, parse_trusted, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry, receipt_json
from kbatch.receipts.lockfile.merge import merge
from kbatch.receipts.receipt import Receipt, set_address
from kbatch.receipts.simulated_origin import kinds
from kbatch.storage.state_key import find_key

_TRUSTED = frozenset((Kind.INTENDED, Kind.UPLOADED, Kind.BEGAN))


class LoadedState(Struct, frozen=True, kw_only=True):
    """The loaded state: receipts have their addresses; `notes` are sentences for the user.

    `events` are all events of the journal; `own` are the sends, uploads and `began` events that bear this user's seal,
    and only these may justify spending or choosing an image. `used_plans` are digests of finished approvals; `newest`
    is the latest time in the state, for `Journal.open(after=…)`.
    """

    lockfile: Lockfile
    notes: tuple[str, ...]
    events: tuple[Event, ...]
    used_plans: frozenset[str]
    newest: str
    own: tuple[Event, ...] = ()


def load(lockfile_path: Path, *, manifest_name: str | None) -> LoadedState:
    """Return the state of a manifest; StateUnreadable when a part of it cannot be read or is another manifest's.

    Without a name the state is taken for that of the manifest which it names itself.
    """
    data = storage.read_if_there(lockfile_path)
    covered = read_history_index(lockfile_path)
    own = covered.matches(data)
    kept = _read(data, lockfile_path, manifest_name or stem_of(lockfile_path), own=own)
    unread = unread_files(lockfile_path, covered, own=own)
    history = sorted((event for path in unread for event in read_journal(path)), key=_order)
    restored = fold(history, kept.renders)
    if data is None and len(restored) < covered.renders:
        raise _lockfile_missing(lockfile_path, covered.renders, len(restored))
    reading = _journal_reader(lockfile_path)
    events = tuple(reading)
    if manifest_name is None:
        manifest_name = kept.manifest
    else:
        _check_manifest(events, lockfile_path, manifest_name)
    renders = _with_addresses(fold(events, restored), kept)
    claims = fold_claims((*history, *events), kept.claims)
    return LoadedState(
        lockfile=replace(kept, manifest=manifest_name, renders=renders, claims=claims),
        notes=(*_renamed(lockfile_path, kept, manifest_name), *_restored(lockfile_path, kept, restored, history)),
        events=events,
        used_plans=covered.used_plans | used_plans((*history, *events)) | _finished(claims),
        newest=_newest(renders.values(), events),
        own=_trusted_events(reading),
    )


def _journal_reader(lockfile_path: Path) -> JournalReader:
    path, key = journal_path(lockfile_path), None
    if storage.size_of(path):
        key = find_key()
    return JournalReader(path, seals=Seals(key=key, stem=stem_of(lockfile_path)) if key else None, kinds=_TRUSTED)


def _trusted_events(reading: JournalReader) -> tuple[Event, ...]:
    """Return the sealed events of a journal; none when git tracks it, since a checkout may restore an old one."""
    if not reading.sealed:
        return ()
    from kbatch.storage.git.git_program import tracks  # noqa: PLC0415 - only where there is something that trust matters for

    return () if tracks(reading.path) else tuple(reading.sealed)


def _read(data: bytes | None, lockfile_path: Path, manifest_name: str, *, own: bool) -> Lockfile:
    if data is None:
        return Lockfile(manifest=manifest_name)
    return (parse_trusted(data) if own else None) or parse(data, str(lockfile_path))


def save(lockfile_path: Path, lockfile: Lockfile) -> None:
    """Replace the lockfile atomically; `lockfile` is what `load` returned plus later events.

    Changes that another program made to the file meanwhile (`git pull`) are merged; StateUnreadable when they cannot be
    read.
    """
    lockfile = _merge_external_changes(lockfile_path, lockfile)
    data = serialize(lockfile)
    used = _used_until_now(lockfile_path)
    storage.write_atomic(lockfile_path, data)
    write_history_index(lockfile_path, data, renders=len(lockfile.renders), used_plans=used)


def finalize(lockfile_path: Path, lockfile: Lockfile, *, run_id: str) -> Lockfile:
    """Save the lockfile with the journal folded in, rotate the journal, and return the saved lockfile.

    For a finished run whose journal is closed; after an interruption use `save`, so that the next run finds the
    journal.
    """
    path = journal_path(lockfile_path)
    of_runs: list[Event] = []
    lockfile = _merge_external_changes(lockfile_path, lockfile)
    saved = replace(lockfile, renders=fold(_collect_run_events(JournalReader(path), of_runs), lockfile.renders))
    saved = replace(saved, claims=fold_claims(of_runs, lockfile.claims))
    data = serialize(saved)
    used = _used_until_now(lockfile_path) | used_plans(of_runs)
    storage.write_atomic(lockfile_path, data)
    rotate(path, run_id=run_id)
    write_history_index(lockfile_path, data, renders=len(saved.renders), used_plans=used)
    return saved


def _merge_external_changes(lockfile_path: Path, lockfile: Lockfile) -> Lockfile:
    """Merge the receipts and claims of the file on disk into a lockfile, when another program has changed the file.

    The index stays the run's own, made from the manifest; only new receipts bring their entries.
    """
    data = storage.read_if_there(lockfile_path)
    if data is None or read_history_index(lockfile_path).matches(data):
        return lockfile
    on_disk = parse(data, str(lockfile_path))
    if len(kinds((*lockfile.renders.values(), *on_disk.renders.values()))) > 1:
        message = f"{lockfile_path}: changed during the run, and holds simulated receipts beside real ones"
        raise StateUnreadable(message, hint="restore it from git: what was bought is in the journal")
    news = on_disk.renders.keys() - lockfile.renders.keys()
    both = merge(replace(on_disk, manifest=lockfile.manifest), lockfile)
    profiles = {
        name: {**_entries_of(on_disk.profiles.get(name, {}), news), **lockfile.profiles.get(name, {})}
        for name in both.profiles
    }
    return replace(
        both,
        jobs={**_entries_of(on_disk.jobs, news), **lockfile.jobs},
        profiles={name: index for name, index in profiles.items() if index},
    )


def _entries_of(index: Mapping[str, IndexEntry], news: Collection[str]) -> dict[str, IndexEntry]:
    return {address: entry for address, entry in index.items() if entry.fingerprint in news}


def _finished(claims: Claims) -> frozenset[str]:
    return frozenset(digest for digest, claim in claims.items() if claim.finished)


def _collect_run_events(events: Iterable[Event], of_runs: list[Event]) -> Iterator[Event]:
    """Yield all events and append those of runs to `of_runs`; the others are too many to keep."""
    for event in events:
        if event.fingerprint is None:
            of_runs.append(event)
        yield event


def _used_until_now(lockfile_path: Path) -> frozenset[str]:
    """Return the used plans of the index and of history files that it does not cover yet."""
    covered = read_history_index(lockfile_path)
    newer = (path for path in history_files(lockfile_path) if path.name not in covered.history)
    return covered.used_plans | used_plans(event for path in newer for event in read_journal(path))


def other_lockfiles_holding(lockfile_path: Path, fingerprints: Collection[str]) -> tuple[Path, ...]:
    """Return other lockfiles and journals in the folder that hold any of these fingerprints.

    If there is one, the manifest was probably renamed, and a run would buy again. Simulated and real files are not
    compared. StateUnreadable when a file cannot be read, since it may hold them.
    """
    requested = frozenset(fingerprints)
    lockfiles = other_lockfiles(lockfile_path)
    journals = storage.names_in(state_folder(lockfile_path), "*.journal.jsonl")
    others = (path for path in journals if path != journal_path(lockfile_path))
    simulated = _simulated(stem_of(lockfile_path))
    return (
        *(path for path in lockfiles if _lockfile_knows(path, requested)),
        *(
            path
            for path in others
            if _simulated(path.name.removesuffix(".journal.jsonl")) == simulated
            and any(event.fingerprint in requested for event in read_journal(path))
        ),
    )


def other_lockfiles(lockfile_path: Path) -> tuple[Path, ...]:
    """Return the other `*.lock.json` files in the folder, both simulated or both real, without links to this one."""
    simulated = _simulated(stem_of(lockfile_path))
    return tuple(
        path
        for path in storage.names_in(lockfile_path.parent, "*.lock.json")
        if path != lockfile_path and _simulated(stem_of(path)) == simulated
        if not (storage.is_link(path) and path.resolve() == lockfile_path.resolve())
    )


def _lockfile_knows(path: Path, requested: frozenset[str]) -> bool:
    data = storage.read_if_there(path)
    ours = data is not None and b'"lockfile_version"' in data
    return data is not None and ours and not requested.isdisjoint(parse(data, str(path)).renders)


def _simulated(stem: str) -> bool:
    return stem.endswith(".sim")


def _order(event: Event) -> tuple[str, str, int]:
    return time_key(event.at), event.run, event.sequence


def _check_manifest(events: Iterable[Event], lockfile_path: Path, manifest_name: str) -> None:
    for event in events:
        if isinstance(event.data, Began) and event.data.manifest != manifest_name:
            other, path = event.data.manifest, journal_path(lockfile_path)
            message = f"{path}: is the journal of a run of `{other}`, not of `{manifest_name}`"
            hint = f"`kbatch run {other}` finishes it; or `--lockfile` gives `{manifest_name}` a lockfile of its own"
            raise StateUnreadable(message, hint=hint)


def _lockfile_missing(lockfile_path: Path, had: int, found: int) -> StateUnreadable:
    message = f"{lockfile_path}: is gone; it had {had} receipts, and only {found} are in `.kbatch/history/`"
    hint = f"restore it from git; to begin without the others remove `{index_path(lockfile_path)}`"
    return StateUnreadable(message, hint=hint)


def _renamed(lockfile_path: Path, kept: Lockfile, manifest_name: str) -> Iterator[str]:
    if kept.manifest != manifest_name:
        yield f"{lockfile_path.name} was written for `{kept.manifest}` and is used for `{manifest_name}` now"


def _restored(
    lockfile_path: Path, kept: Lockfile, restored: Mapping[str, Receipt], history: Sequence[Event]
) -> Iterator[str]:
    missing = behind = 0
    for fingerprint in {event.fingerprint for event in history if event.fingerprint is not None}:
        before, after = kept.renders.get(fingerprint), restored[fingerprint]
        lacked = _purchases(after) - _purchases(before)
        missing += len(lacked)
        behind += not lacked and before is not None and receipt_json(before) != receipt_json(after)
    if missing:
        yield f"{lockfile_path.name} lacked {_renders(missing, 'paid render')}: restored from `.kbatch/history/`"
    if behind:
        yield f"{lockfile_path.name} was behind on {_renders(behind, 'render')}: `.kbatch/history/` knew more"


def _renders(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _purchases(receipt: Receipt | None) -> set[tuple[int, str | None]]:
    records = records_of(receipt) if receipt else ()
    return {(record.attempt, record.job_id) for record in records if record.stage in PAID}


def _with_addresses(renders: Mapping[str, Receipt], kept: Lockfile) -> dict[str, Receipt]:
    """Name receipts of the lockfile by the jobs that refer to them, the default profile's first, else as bought."""
    named = dict(renders)  # the receipts are new: only this state has them
    for jobs in (kept.jobs, *kept.profiles.values()):
        for address, entry in jobs.items():
            receipt = named.get(entry.fingerprint)
            if receipt is not None and not receipt.address:
                set_address(receipt, address)
    for receipt in named.values():
        if not receipt.address and receipt.purchase is not None:  # no job refers to it any more
            set_address(receipt, receipt.purchase.address)
    return named


def _newest(renders: Iterable[Receipt], events: Iterable[Event]) -> str:
    newest = max((event.at for event in events), key=time_key, default="")
    for receipt in renders:
        for record in records_of(receipt):
            placed_at = record.output.placed_at if record.output else ""
            claim = record.refund_claim
            claimed_at = (claim.settlement.at if claim.settlement else claim.opened_at) if claim else ""
            times = (record.submitted_at or "", record.finished_at or "", placed_at, claimed_at)
            newest = max(newest, *times, key=time_key)
    return newest
