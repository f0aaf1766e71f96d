"""Inputs of a run, known before any network call: the manifest's jobs and the state on disk."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from kbatch.planner.jobs import Job
from kbatch.receipts import store
from kbatch.storage import Folder


class RunInputs(Struct, frozen=True, kw_only=True):
    """The manifest's folder and tree, all its jobs, the path of its lockfile and the loaded state."""

    folder: Path
    tree: Folder
    jobs: Sequence[Job]
    lockfile_path: Path
    loaded: store.LoadedState
