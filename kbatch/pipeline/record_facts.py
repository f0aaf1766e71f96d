"""Records what a person decided about purchases: in the journal, and from there in the lockfile."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import anyio
from msgspec.structs import replace

from kbatch.errors import StateUnreadable
from kbatch.receipts import store
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.fold import fold
from kbatch.receipts.journal.journal import Journal, journal_path
from kbatch.receipts.store import LoadedState


def record(facts: Sequence[Fact], found: LoadedState, lockfile_path: Path) -> LoadedState:
    """Journal facts and fold them into the lockfile, and return the state after them; StateUnreadable for a full disk.

    An unfinished run's journal stays for that run. The caller holds the lock.
    """
    if not facts:
        return found
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(4)}"

    async def journal() -> tuple[Event, ...]:
        async with Journal.open(journal_path(lockfile_path), run_id=run_id, after=found.newest) as opened:
            return await opened.record(*facts)

    try:
        events = anyio.run(journal)
        lockfile = replace(found.lockfile, renders=fold(events, found.lockfile.renders))
        if found.events:
            store.save(lockfile_path, lockfile)
        else:
            store.finalize(lockfile_path, lockfile, run_id=run_id)
    except OSError as error:
        raise StateUnreadable(f"{lockfile_path}: cannot be written: {error.strerror}") from error
    return replace(found, lockfile=lockfile)
