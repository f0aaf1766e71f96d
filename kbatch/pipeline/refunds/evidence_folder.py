"""Writes the folder of evidence: `evidence.json`, `README.md`, and two frames of each clip that is here.

The folder may exist only when it is empty or an earlier folder of evidence, whose files are replaced. A clip whose
digest is not its receipt's gives no frames, since it is not what was delivered.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath

import msgspec
from msgspec.structs import replace

from kbatch import storage
from kbatch.errors import Refused
from kbatch.manifest.matrix.labels import slug
from kbatch.media.frames import NoFrames, extract_frame
from kbatch.media.mp4 import NotWhole, probe
from kbatch.pipeline.load import LoadedManifest
from kbatch.providers.registry import NAMES, provider_of
from kbatch.providers.request_records import request_records
from kbatch.receipts.events import Event
from kbatch.receipts.journal.history import history_files
from kbatch.receipts.journal.journal import journal_path, read_journal
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.refunds.grounds import OwedPurchase
from kbatch.report.claims.claim_text import page
from kbatch.report.claims.evidence import (
    Evidence,
    EvidenceDocument,
    EvidenceFile,
    ProviderIds,
    clip_of,
    evidence_of,
)
from kbatch.runner.submit.submit import idempotency_key

MOST_CLAIMS = 500
"""Purchases in one folder: each brings two pictures, and a person reads the page."""

_NAME = "evidence.json"
_LONGEST_NAME = 60  # of an address in a folder's name, far below what file systems take


def write_evidence(
    loaded: LoadedManifest, lockfile_path: Path, owed: Sequence[OwedPurchase], folder: Path
) -> EvidenceDocument:
    """Write the evidence of claimed purchases into a folder; Refused for a folder with other files, or too many."""
    if len(owed) > MOST_CLAIMS:
        message = f"{len(owed):,} claims are more than one folder takes ({MOST_CLAIMS})"
        raise Refused("too-many-claims", message, hint="name the ADDRESSES, and an `--out` for each part")
    check_folder(folder)
    events = _events_of({one.fingerprint for one in owed}, lockfile_path)
    claims = [_write_one(loaded, one, events[one.fingerprint], folder) for one in owed]
    document = EvidenceDocument(
        made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        manifest=loaded.path.name,
        campaign=loaded.settings.name,
        claims=claims,
    )
    text = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2)
    storage.write_atomic(folder / "README.md", page(document).encode())
    storage.write_atomic(folder / _NAME, text + b"\n")
    return document


def check_folder(folder: Path) -> None:
    """Raise Refused unless a folder is new, empty, or one of evidence."""
    there = {path.name for path in storage.files_below(folder)}
    if folder.is_file() or (there and _NAME not in there):
        raise Refused("not-evidence", f"{folder}: holds other files", hint="`--out DIR` names a new folder")


def _events_of(fingerprints: set[str], lockfile_path: Path) -> Mapping[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for path in (*sorted(history_files(lockfile_path)), journal_path(lockfile_path)):
        for event in read_journal(path):
            if event.fingerprint in fingerprints:
                found[event.fingerprint or ""].append(event)
    for events in found.values():
        events.sort(key=lambda event: (event.at.removesuffix("Z"), event.run, event.sequence))
    return found


def _write_one(loaded: LoadedManifest, one: OwedPurchase, events: Iterable[Event], folder: Path) -> Evidence:
    receipt = one.receipt
    assert receipt.refund_claim is not None
    said, frames = _look_at_clip(loaded.folder, receipt)
    evidence = evidence_of(one, receipt.refund_claim, _ids(one), events, clip_of(receipt, said))
    inner = _folder_name(one)
    files = []
    for name, picture in frames.items():
        path = PurePosixPath(inner, f"{name}-frame.png")
        storage.write_atomic(folder / path, picture)
        files.append(EvidenceFile(path=str(path), sha256=sha256(picture).hexdigest(), bytes=len(picture)))
    return replace(evidence, files=files)


def _folder_name(one: OwedPurchase) -> str:
    """Return a portable name that no two purchases share; nothing of a lockfile's text can leave the folder."""
    job = sha256((one.receipt.job_id or "").encode()).hexdigest()[:8]
    return f"{slug(one.address)[:_LONGEST_NAME].strip('.')}-{job}"


def _ids(one: OwedPurchase) -> ProviderIds:
    receipt = one.receipt
    if receipt.provider not in NAMES:
        return ProviderIds(unit="credits", idempotency_key=None, inference_id=None)
    provider = provider_of(receipt.provider)
    keyed = provider.resend_within is not None
    return ProviderIds(
        unit=provider.unit,
        idempotency_key=(receipt.key or idempotency_key(one.fingerprint, receipt.attempt)) if keyed else None,
        inference_id=receipt.job_id if request_records(provider) is not None else None,
    )


def _look_at_clip(base: Path, receipt: Receipt) -> tuple[str, Mapping[str, bytes]]:
    """Return what is at a clip's path in words, and its first and last frame where it is the delivered one."""
    output = receipt.output
    if output is None:
        return "", {}
    path = base / output.path
    if storage.size_of(path) is None:
        return "it is not on this disk", {}
    if storage.sha256_of(path) != output.sha256:
        return "the file at its path has another SHA-256 than was delivered", {}
    media = storage.examine(path, probe)
    if isinstance(media, NotWhole):
        return f"no whole clip: {media.message}", {}
    sound = "with" if media.audio else "without"
    said = f"{media.duration:g} s, {media.width} × {media.height} pixels, {sound} an audio track"
    try:
        return said, {name: storage.examine(path, partial(extract_frame, which=name)) for name in ("first", "last")}
    except NoFrames as error:
        return f"{said}; no frames: {error.message}", {}
