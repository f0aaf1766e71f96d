"""What a run stands on, all of it known before anyone is asked anything: the manifest's jobs and the state on disk."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from kbatch.planner.jobs import Job
from kbatch.receipts import store
from kbatch.storage import Folder


class RunInputs(Struct, frozen=True, kw_only=True):
    """The manifest's folder and tree, all its jobs, its lockfile and what that holds."""

    folder: Path
    tree: Folder
    jobs: Sequence[Job]
    lockfile_path: Path
    loaded: store.LoadedState
