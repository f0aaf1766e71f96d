"""Checks before the first submit that outputs can be written, where links lead, and that frames can be extracted.

A clip that cannot be written is paid and owed. So the folders of all expected clips are tried by writing into them. A
link, a folder or a device at a clip's path stops the run too, and so does a link at the path of a state file.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from kbatch import storage
from kbatch.errors import Refused
from kbatch.media.installed import NO_FRAMES, NO_FRAMES_HINT, can_take_frames
from kbatch.planner.actions import Action
from kbatch.planner.plan import Plan
from kbatch.receipts.journal.history import index_path, state_folder, stem_of
from kbatch.receipts.journal.journal import journal_path
from kbatch.runner.run_inputs import RunInputs

_BRINGS = frozenset((Action.RENDER, Action.POLL, Action.DOWNLOAD, Action.UNKNOWN))
_SHOWN = 5


def check_writable(plan: Plan, inputs: RunInputs, *, fetch: bool = False) -> tuple[str, ...]:
    """Return a note for each link that outputs pass through; Refused when something cannot be written.

    LinkRefused for a link that may not be followed. With `fetch` paid clips that are missing here are checked too.
    """
    check_frames(plan)
    outputs = [entry.job.draft.output for entry in plan.entries if entry.action in _BRINGS]
    if fetch:
        paid = (entry.job.draft.output for entry in plan.entries if entry.action is Action.REUSE)
        outputs += [output for output in paid if storage.size_of(inputs.folder / output) is None]
    links = list(_links_of_state(inputs.lockfile_path))
    links += _links_of(inputs.folder, {*outputs, f"{plan.settings.output_root}/.kept/x"} if outputs else ())
    found = list(unwritable_clips(inputs.folder, outputs, probe=True))
    if found:
        more = f"; and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        message = f"clips could not be put on the disk: {'; '.join(found[:_SHOWN])}{more}"
        raise Refused("output-unwritable", message, hint="mend it, or name another `output.dir`; nothing was sent")
    return tuple(f"what goes to {one.link} is written to {one.target}, where that link leads" for one in _once(links))


def check_frames(plan: Plan) -> None:
    """Raise Refused when a purchase needs a frame and no library can extract one: its upstream would be wasted."""
    chained = [entry.address for entry in plan.purchases if entry.job.upstream]
    if chained and not can_take_frames():
        more = f" and {len(chained) - 1:,} more" if len(chained) > 1 else ""
        raise Refused("no-frames", f"{NO_FRAMES}: `{chained[0]}`{more}", hint=f"{NO_FRAMES_HINT}; nothing was sent")


def _links_of_state(lockfile: Path) -> Iterator[storage.Followed]:
    """Yield the links on the way to lockfile, journal and lock; LinkRefused when one of these is a link itself."""
    state = state_folder(lockfile)
    lock = state / f"{stem_of(lockfile)}.lock"
    own = (lockfile, journal_path(lockfile), lock, lock.with_name(f"{lock.name}.holder.json"), index_path(lockfile))
    for path in own:
        yield from storage.resolve(path, last=False).away
        if storage.is_link(path):
            raise storage.LinkRefused(path, "is a symbolic link, and nothing is written through it: remove it")


def _links_of(folder: Path, outputs: Iterable[str]) -> Iterator[storage.Followed]:
    for name in {output.rpartition("/")[0] for output in outputs}:
        yield from storage.resolve(folder / name).away


def _once(links: Iterable[storage.Followed]) -> list[storage.Followed]:
    return list(dict.fromkeys(links))


def unwritable_clips(folder: Path, outputs: Iterable[str], *, probe: bool) -> Iterator[str]:
    """Yield why clips cannot be written to these paths, relative to `folder`; `probe` tries by writing."""
    tried: dict[Path, str | None] = {}
    reported = set()
    for name in outputs:
        parent = (folder / name).parent
        if parent not in tried:
            tried[parent] = _unwritable_reason(parent, tried, probe=probe)
        reason = tried[parent]
        if reason is None:
            obstacle = _in_the_way(folder / name)
            reason = f"{obstacle} stands at the place of the clip `{name}`" if obstacle else None
        if reason is not None and reason not in reported:
            reported.add(reason)
            yield reason


def _unwritable_reason(folder: Path, tried: dict[Path, str | None], *, probe: bool) -> str | None:
    """Return why nothing can be written into a folder, or into its nearest existing parent; else None."""
    try:
        way = storage.resolve(folder)
    except storage.LinkRefused as error:
        return f"`{error.filename}` {error.strerror}"
    for one in way.links:
        if not one.target.exists():
            return f"`{one.link}` is a link to `{one.target}`, which is not there"
    here = way.real
    while not here.exists():
        here = here.parent
    if here in tried and here != folder:
        return tried[here]
    if not here.is_dir():
        return tried.setdefault(here, f"`{here}` is a file, and no folder")
    try:
        if probe:
            storage.try_writing(here)
        elif not os.access(here, os.W_OK | os.X_OK):
            return tried.setdefault(here, f"`{here}` cannot be written to")
    except OSError as error:
        return tried.setdefault(here, f"`{here}` cannot be written to: {error.strerror}")
    tried.setdefault(here, None)
    return None


def _in_the_way(path: Path) -> str | None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "something that is no file"
