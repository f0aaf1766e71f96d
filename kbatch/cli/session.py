"""The manifest and the state that flags name: `--profile`, `--simulate`, `--max-jobs`, `--models`, `--lockfile`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kbatch.pipeline.load import LoadedManifest, LoadOptions, load
from kbatch.pipeline.load_state import as_bought, load_state, lockfile_path
from kbatch.receipts.store import LoadedState


def load_options(flags: Mapping[str, Any]) -> LoadOptions:
    """Return what the flags of `state` and `max_jobs` say of loading a manifest."""
    return LoadOptions(
        profile=flags["profile"], simulated=flags["simulate"], max_jobs=flags["max_jobs"], models=flags["models"]
    )


def load_manifest(manifest: Path, flags: Mapping[str, Any]) -> LoadedManifest:
    """Load a manifest by `load_options`; Invalid carries its problems when one of them is an error."""
    return load(manifest, load_options(flags))


def chosen_lockfile(manifest: Path, flags: Mapping[str, Any]) -> Path:
    """Return the lockfile that the flags of `state` name, by default the one beside the manifest."""
    return lockfile_path(manifest, simulated=flags["simulate"], chosen=flags["lockfile"])


def with_state(loaded: LoadedManifest, lockfile: Path, *, anywhere: bool = False) -> tuple[LoadedManifest, LoadedState]:
    """Return the state, and the manifest with its jobs as they were bought; `anywhere` is that of `load_state`."""
    found = load_state(loaded, lockfile, anywhere=anywhere)
    return as_bought(loaded, found), found
