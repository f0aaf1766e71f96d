"""Loads the recorded state of a manifest: its lockfile, the journal beside it, and the checks before any use."""

import logging
from pathlib import Path

from msgspec.structs import replace

from kbatch import storage
from kbatch.errors import Refused
from kbatch.gc_pause import gc_paused
from kbatch.pipeline.load import LoadedManifest, as_typed, real_manifest
from kbatch.planner import crlf_purchases
from kbatch.receipts import store
from kbatch.receipts.simulated_origin import check_not_mixed
from kbatch.runner.preflight.clip_paths import check_clip_paths, check_requests

_log = logging.getLogger(__name__)


def lockfile_path(manifest: Path, *, simulated: bool, chosen: Path | None) -> Path:
    """Return the lockfile of a manifest: `<stem>.lock.json` beside it, simulated ones apart, or the chosen one.

    Links are resolved first, the manifest's and the lockfile's: journal and lock are those of the file that is meant.
    LinkRefused for a lockfile that is a link which nothing may be written through.
    """
    if chosen is None:
        manifest = real_manifest(manifest)
        chosen = manifest.parent / f"{manifest.stem}{'.sim' if simulated else ''}.lock.json"
    return as_typed(storage.resolve(chosen).real) if storage.is_link(chosen) else chosen


def lock_path(lockfile: Path) -> Path:
    """Return the file that the operating system locks while a run works on this lockfile."""
    return lockfile.parent / ".kbatch" / f"{lockfile.name.removesuffix('.lock.json')}.lock"


@gc_paused()
def load_state(loaded: LoadedManifest, lockfile: Path, *, anywhere: bool = False) -> store.LoadedState:
    """Return the state; Refused when it is simulated and the command is not, or the other way round.

    Refused too when another lockfile here seems to be this manifest's under an earlier name. StateUnreadable when it
    names clips outside the manifest's folder, unless they may be `anywhere`: the caller then checks each path; or a
    job's purchase with another request.
    """
    found = store.load(lockfile, manifest_name=loaded.path.name)
    _log.info("loaded %s: %d receipts", lockfile, len(found.lockfile.renders))
    check_not_mixed(found.lockfile.renders, lockfile.name, simulated=loaded.simulated)
    if not anywhere:
        check_clip_paths(found, lockfile)
    check_requests(loaded.jobs, found, lockfile)
    if not found.lockfile.renders and storage.size_of(lockfile) is None:
        others = store.other_lockfiles_holding(lockfile, {job.fingerprint for job in loaded.jobs})
        if others:
            message = f"there is no {lockfile.name}, and {others[0].name} holds receipts of these very jobs"
            hint = f"was the manifest renamed? rename the lockfile too, or `--lockfile {others[0].name}`"
            raise Refused("other-lockfile", message, hint=hint)
    return found


def as_bought(loaded: LoadedManifest, found: store.LoadedState) -> LoadedManifest:
    """Return the manifest with jobs as bought where an earlier version gave them another fingerprint."""
    jobs = crlf_purchases.as_bought(loaded.jobs, found.lockfile.renders)
    return loaded if jobs is loaded.jobs else replace(loaded, jobs=jobs)
