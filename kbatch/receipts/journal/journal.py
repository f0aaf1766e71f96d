"""The journal on disk: events are appended and synced before the program acts on them.

`record` returns after the fsync, never before; a recorded event is never removed; events that wait at the same time
share one fsync. Times in a journal only increase, even if the clock does not, since the fold compares them. The caller
holds the run's lock. Every line is sealed with the user's key (`seals`).

The journal of a lockfile is `.kbatch/<stem>.journal.jsonl` beside it, where the stem is the lockfile's name without
`.lock.json`; rotated it becomes `.kbatch/history/<stem>.<run id>.jsonl`.
"""

import json
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol, Self

import anyio
import anyio.to_thread
from msgspec.structs import force_setattr

from kbatch import storage
from kbatch.errors import StateUnreadable
from kbatch.receipts.events import Event, Fact, stamp
from kbatch.receipts.join import time_key
from kbatch.receipts.journal.history import RUN_ID, ignore_in_git, state_folder, stem_of
from kbatch.receipts.journal.run_records import events_to_carry
from kbatch.receipts.journal.seals import Seals, with_seal
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.shapes import ShapeError
from kbatch.storage.state_key import make_key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDING = ".journal.jsonl"
_TICK, _TICKS_IN_SECOND = timedelta(milliseconds=1), 1000
_DAMAGED = (
    "the journal records what was paid: look at the line, mend or remove it by hand, then `kbatch reconcile`; "
    "the providers' own lists show their jobs"
)


Clock = Callable[[], datetime]
"""Returns the present time with its time zone."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _ticks(at: datetime) -> int:
    return (at - _EPOCH) // _TICK


@lru_cache(maxsize=1)
def _second(number: int) -> str:
    return (_EPOCH + timedelta(seconds=number)).isoformat(timespec="seconds").removesuffix("+00:00")


class Sink(Protocol):
    """The target of a journal: `append` returns when the data is on the disk, or raises OSError; it blocks."""

    def append(self, data: bytes) -> None:
        """Write all of `data` durably."""

    def close(self) -> None:
        """Close the file."""


def journal_path(lockfile_path: Path) -> Path:
    """Return the path of a lockfile's journal."""
    return state_folder(lockfile_path) / f"{stem_of(lockfile_path)}{_ENDING}"


def read_journal(path: Path) -> tuple[Event, ...]:
    """Return the journal's events without a torn last line; empty without a file; StateUnreadable for other damage."""
    return tuple(JournalReader(path))


class _Group:
    """Lines that share one write; `done` is set when the write has succeeded or failed."""

    __slots__ = ("done", "lines", "written")

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self.done = anyio.Event()
        self.written = False


class Journal:
    """A journal open for writing by one run; created by `Journal.open`."""

    def __init__(  # noqa: PLR0913 - made by `open` only
        self, sink: Sink, run_id: str, clock: Clock, known: Sequence[Event], after: str, *, seals: Seals
    ) -> None:
        self._sink = sink
        self._seals = seals
        self._run_id = run_id
        self._clock = clock
        latest = max((after, *(event.at for event in known)), key=time_key)
        self._last = _ticks(datetime.fromisoformat(latest)) if latest else 0
        self._sequence = max((event.sequence for event in known if event.run == run_id), default=0)
        self._next: _Group | None = None
        self._turn = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._failure: BaseException | None = None
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        run_id: str,
        clock: Clock = _utc_now,
        after: str = "",
        sink: Callable[[Path], Sink] = storage.Appender,
    ) -> AsyncIterator[Self]:
        """Open the journal for a run and remove a torn last line; every event will be later than the time `after`.

        `run_id` has letters, digits, `-` and `_` only, and is new for every run.
        """
        if not RUN_ID.fullmatch(run_id):
            raise ValueError(f"run id `{run_id}`: letters, digits, `-` and `_` only")
        events = await anyio.to_thread.run_sync(_repair, path)
        key = await anyio.to_thread.run_sync(make_key)
        seals = Seals(key=key.secret, stem=path.name.removesuffix(_ENDING))
        journal = cls(await anyio.to_thread.run_sync(sink, path), run_id, clock, events, after, seals=seals)
        try:
            yield journal
        finally:
            with anyio.CancelScope(shield=True):
                await journal._close()

    async def record(self, *facts: Fact) -> tuple[Event, ...]:
        """Write facts and return their events once they are on the disk, in order; OSError when they may not be.

        Cancellation does not interrupt a write. After one OSError every later call raises it at once, since a journal
        must have no gap.
        """
        if self._closed:
            raise RuntimeError("the journal is closed")
        if self._failure is not None:
            raise _failed(self._failure) from self._failure
        if not facts:
            return ()
        events = tuple([self._stamp(fact) for fact in facts])
        lines = [self._seal(event) for event in events]
        group = self._next
        if group is None:
            self._next = group = _Group(lines)
            with anyio.CancelScope(shield=True):
                await self._write(group)
        else:
            group.lines += lines
            await _wait_shielded(group.done)
        if self._failure is not None and not group.written:
            raise _failed(self._failure) from self._failure
        return events

    def _seal(self, event: Event) -> bytes:
        """Seal a new event and return its line."""
        line = event.to_line()
        seal = self._seals.seal_line(line)
        force_setattr(event, "seal", seal)
        return with_seal(line, seal)

    def _stamp(self, fact: Fact) -> Event:
        self._last = max(_ticks(self._clock()), self._last + 1)
        self._sequence += 1
        second, rest = divmod(self._last, _TICKS_IN_SECOND)
        at = f"{_second(second)}.{rest:03}Z"
        return stamp(fact, at=at, run=self._run_id, sequence=self._sequence)

    async def _write(self, group: "_Group") -> None:
        """Write a group, with all lines added until its turn comes; its first task writes for the others.

        The others are woken before the next turn starts, so that their next events join the next group.
        """
        try:
            async with self._turn:
                self._next = None
                if self._failure is None:
                    await anyio.to_thread.run_sync(self._sink.append, b"".join(group.lines), limiter=self._thread)
                    group.written = True
                group.done.set()
        except BaseException as error:
            self._failure = self._failure or error
            raise
        finally:
            group.done.set()

    async def _close(self) -> None:
        self._closed = True
        async with self._turn:
            await anyio.to_thread.run_sync(self._sink.close, limiter=self._thread)


def _failed(failure: BaseException) -> Exception:
    """Return the exception that other tasks raise after one task's write failed."""
    if isinstance(failure, OSError):
        return OSError(failure.errno, failure.strerror, failure.filename)
    return RuntimeError("a write to the journal was cut off, so its end may not be on the disk")


async def _wait_shielded(done: "anyio.Event") -> None:
    """Wait to the end; a cancellation takes effect at the caller's next await.

    A shielded scope for each wait would cost as much as the rest of an event, so it is created only after a
    cancellation. A cancellation by asyncio itself, which is not repeated, is passed on.
    """
    try:
        await done.wait()
    except anyio.get_cancelled_exc_class():
        if anyio.current_effective_deadline() > -math.inf:
            raise
        with anyio.CancelScope(shield=True):
            await done.wait()


def rotate(path: Path, *, run_id: str) -> Path | None:
    """Move the journal into this run's history and start a new one; return the history file, None for an empty journal.

    For a lockfile that contains all of the journal. The new journal starts with what is still open (`run_records`). A
    crash in between leaves both files, which fold to the same receipts.
    """
    reading = JournalReader(path)
    kept = events_to_carry(reading)
    if not reading.size:
        return None
    history = _free_name(path.parent / "history", f"{path.name.removesuffix(_ENDING)}.{run_id}")
    ignore_in_git(path.parent)
    storage.write_atomic(history, memoryview(reading.data)[: reading.size])
    storage.write_atomic(path, b"".join(event.to_line() for event in kept))
    return history


def _free_name(folder: Path, name: str) -> Path:
    path, number = folder / f"{name}.jsonl", 1
    while storage.size_of(path) is not None:
        number += 1
        path = folder / f"{name}-{number}.jsonl"
    return path


def _repair(path: Path) -> tuple[Event, ...]:
    """Prepare the journal for appending: create its folder, remove a torn last line."""
    ignore_in_git(path.parent)
    reading = JournalReader(path)
    events = tuple(reading)
    if reading.size < len(reading.data):
        storage.cut_back(path, reading.size)
    return events


class JournalReader:
    """Iterates over a journal's events; `size` is the number of bytes read so far.

    `sealed` collects the events of these `kinds` that bear this user's seal.
    """

    def __init__(self, path: Path, *, seals: Seals | None = None, kinds: Collection[Kind] = ()) -> None:
        self.path = path
        self.sealed: list[Event] = []
        self._seals = seals
        self._kinds = kinds
        self.data = storage.read_if_there(path) or b""
        self.size = 0

    def __iter__(self) -> Iterator[Event]:
        """Read to the end, or to a torn last line; StateUnreadable for other damage."""
        number = 0
        while (end := self.data.find(b"\n", self.size)) >= 0:
            number += 1
            line = self.data[self.size : end]
            try:
                event = Event.from_line(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                if end + 1 == len(self.data):
                    return
                raise StateUnreadable(f"{self.path}:{number}: is no event: {error}", hint=_DAMAGED) from None
            except ShapeError as error:
                raise StateUnreadable(f"{self.path}:{number}: is no event: {error}", hint=_DAMAGED) from None
            if event.seal and event.kind in self._kinds and self._seals and self._seals.verifies_line(line):
                self.sealed.append(event)
            self.size = end + 1
            yield event
