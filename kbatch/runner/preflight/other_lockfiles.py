"""Other lockfiles in the manifest's folder: two manifests may use the same path for their clips.

Each run of one then archives the other's clip, and size and time of the file do not show whose it is. A lockfile that
cannot be read is left out: the commands of its own manifest report it.
"""

from collections.abc import Mapping
from pathlib import Path

from kbatch import storage
from kbatch.errors import StateUnreadable
from kbatch.manifest.outputs import same_file
from kbatch.planner.actions import Action
from kbatch.planner.plan import Plan
from kbatch.receipts import store
from kbatch.receipts.join import records_of
from kbatch.receipts.lockfile.lockfile import Lockfile, parse
from kbatch.runner.run_inputs import RunInputs

OwnedPaths = Mapping[str, tuple[str, frozenset[str]]]
"""By path key (`same_file`): the lockfile that has a clip there, and the digests of its clips at that path."""


def owned_elsewhere(inputs: RunInputs) -> OwnedPaths:
    """Return the clip paths of the other lockfiles in the manifest's folder."""
    owned: dict[str, tuple[str, frozenset[str]]] = {}
    for path in store.other_lockfiles(inputs.folder / inputs.lockfile_path.name):
        if path.resolve() == inputs.lockfile_path.resolve():
            continue
        for path_key, digests in _paths_in(path).items():
            before = owned.get(path_key, (path.name, frozenset()))
            owned[path_key] = (before[0], before[1] | digests)
    return owned


def _paths_in(path: Path) -> dict[str, frozenset[str]]:
    try:
        data = storage.read_if_there(path) or b""
        if b'"lockfile_version"' not in data:
            return {}
        found = parse(data, str(path))
    except StateUnreadable:
        return {}
    return _paths_of(found)


def _paths_of(lockfile: Lockfile) -> dict[str, frozenset[str]]:
    paths: dict[str, frozenset[str]] = {}

    def add(where: str, digest: str) -> None:
        key = same_file(where)
        paths[key] = paths.get(key, frozenset()) | {digest}

    for receipt in lockfile.renders.values():
        for record in records_of(receipt):
            if record.output is not None and record.output.placed:
                add(record.output.path, record.output.sha256)
    for index in (lockfile.jobs, *lockfile.profiles.values()):
        for entry in index.values():
            shown = lockfile.renders.get(entry.fingerprint)
            clip = shown.output if shown else None
            add(entry.path, clip.sha256 if clip is not None else "")
    return paths


def collisions(plan: Plan, owned: OwnedPaths) -> tuple[str, ...]:
    """Return one warning per other lockfile that shares clip paths with the plan."""
    found: dict[str, list[str]] = {}
    for entry in plan.entries if owned else ():
        output = entry.job.draft.output
        name, digests = owned.get(same_file(output), ("", frozenset()))
        clip = entry.receipt.output if entry.receipt else None
        same = entry.action is Action.REUSE and clip is not None and digests == {clip.sha256}
        if name and not same:
            found.setdefault(name, []).append(output)
    root = plan.settings.output_root
    return tuple(
        f"{_named(outputs)} of {name} too: each run moves the other's clip to `{root}/.kept/`, and back; "
        "give one of the manifests an `output.dir` of its own"
        for name, outputs in found.items()
    )


def _named(outputs: list[str]) -> str:
    more = f" and {len(outputs) - 1:,} more are places" if len(outputs) > 1 else " is a place"
    return f"`{outputs[0]}`{more}"
