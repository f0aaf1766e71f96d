"""Tasks that record at once: one writes for all, and nobody is forgotten, whoever is stopped or whatever breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from receipt_samples import data_of, fact_of
from slow_disk import Disk

from kbatch.receipts.events import Event
from kbatch.receipts.journal.journal import Journal, read_journal
from kbatch.receipts.lifecycle import Kind

FACTS = [fact_of(Kind.LOST, data_of(Kind.LOST), str(number), 1) for number in range(30)]


@asynccontextmanager
async def held_back(path: Path) -> AsyncIterator[tuple[Journal, Disk]]:
    """Open a journal on a disk that writes nothing until its gate is opened."""
    disks: list[Disk] = []

    def open_disk(path: Path) -> Disk:
        disks.append(Disk(path))
        return disks[0]

    async with Journal.open(path, run_id="run-1", sink=open_disk) as journal:
        disks[0].gate.clear()
        try:
            yield journal, disks[0]
        finally:
            disks[0].gate.set()


@pytest.mark.anyio
async def test_many_tasks_have_their_lines_in_the_order_of_their_stamps(tmp_path: Path) -> None:
    """Tasks that record one fact after another: all is acknowledged once it is there, and far fewer writes are made."""
    path = tmp_path / "j"
    told: list[Event] = []
    async with held_back(path) as (journal, disk):
        disk.gate.set()

        async def record(number: int) -> None:
            for fact in FACTS[number::10]:
                told.extend(await journal.record(fact, FACTS[0]))
                on_disk = {event.sequence for event in read_journal(path)}
                assert {event.sequence for event in told} <= on_disk

        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(record, number)
        assert disk.writes < 30
    events = read_journal(path)
    assert [event.sequence for event in events] == list(range(1, 61))
    assert sorted(event.at for event in events) == [event.at for event in events]
    assert sorted(told, key=lambda event: event.sequence) == list(events)


@pytest.mark.anyio
async def test_a_stopped_task_gets_its_events_and_stops_at_its_next_step(tmp_path: Path) -> None:
    """Of the task that writes, the one that waits for it, the next to write and one that waits for that."""
    told: list[Event] = []
    after: list[int] = []

    async def record(number: int) -> None:
        told.extend(await journal.record(FACTS[number]))
        await anyio.lowlevel.checkpoint()
        after.append(number)

    async with held_back(tmp_path / "j") as (journal, disk), anyio.create_task_group() as group:
        group.start_soon(record, 0)
        group.start_soon(record, 1)
        await anyio.to_thread.run_sync(disk.begun.wait)
        group.start_soon(record, 2)
        group.start_soon(record, 3)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            assert told == []
            disk.gate.set()
    assert sorted(told, key=lambda event: event.sequence) == list(read_journal(tmp_path / "j"))
    assert len(told) == 4
    assert after == []


@pytest.mark.anyio
async def test_who_is_stopped_before_it_records_has_recorded_all_the_same(tmp_path: Path) -> None:
    """A task that is already stopped when it hands a fact over, while another writes, leaves it on the disk."""
    told: list[Event] = []

    async def record(number: int, *, stopped: bool = False) -> None:
        with anyio.CancelScope() as scope:
            if stopped:
                scope.cancel()
            told.extend(await journal.record(FACTS[number]))

    async with held_back(tmp_path / "j") as (journal, disk), anyio.create_task_group() as group:
        group.start_soon(record, 0)
        await anyio.to_thread.run_sync(disk.begun.wait)
        group.start_soon(record, 1)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(lambda: record(2, stopped=True))
        await anyio.wait_all_tasks_blocked()
        disk.gate.set()
    assert len(told) == len(read_journal(tmp_path / "j")) == 3


@pytest.mark.anyio
async def test_what_breaks_a_write_is_told_to_everyone(tmp_path: Path) -> None:
    """Also what is no fault of the disk: those of the same write, those of the next and those who come later."""
    broken: list[type[Exception]] = []

    def broken_append(data: bytes) -> None:
        assert disk.gate.wait(timeout=20)
        raise ZeroDivisionError

    async def record(number: int) -> None:
        try:
            await journal.record(FACTS[number])
        except Exception as error:
            broken.append(type(error))

    async with held_back(tmp_path / "j") as (journal, disk):
        disk.append = broken_append  # type: ignore[method-assign]
        async with anyio.create_task_group() as group:
            for number in range(2):
                group.start_soon(record, number)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(record, 2)
            await anyio.wait_all_tasks_blocked()
            disk.gate.set()
        await record(3)
    assert broken == [ZeroDivisionError, RuntimeError, RuntimeError, RuntimeError]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_a_task_that_asyncio_cancels_leaves_nobody_waiting(tmp_path: Path) -> None:
    """It is cut off, which no scope prevents; those for whom it would have written are told, not left behind."""
    ends: dict[int, str] = {}

    async def record(number: int) -> None:
        try:
            await journal.record(FACTS[number])
            ends[number] = "recorded"
        except RuntimeError:
            ends[number] = "told"

    async with held_back(tmp_path / "j") as (journal, disk):
        tasks = [asyncio.create_task(record(0))]
        await anyio.to_thread.run_sync(disk.begun.wait)
        for number in (1, 2, 3):
            tasks.append(asyncio.create_task(record(number)))
            await anyio.wait_all_tasks_blocked()
        tasks[3].cancel()
        tasks[1].cancel()
        await anyio.wait_all_tasks_blocked()
        assert tasks[1].cancelled()
        assert tasks[3].cancelled()
        disk.gate.set()
        await asyncio.gather(tasks[0], tasks[2])
    assert ends == {0: "recorded", 2: "told"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_who_was_written_for_is_in_the_next_write_again(tmp_path: Path) -> None:
    """Tasks that record without a pause do not fall apart into groups that take turns (trio shuffles its tasks)."""

    async def record(number: int, times: int) -> None:
        for _ in range(times):
            await journal.record(FACTS[number])

    async with held_back(tmp_path / "j") as (journal, disk), anyio.create_task_group() as group:
        group.start_soon(record, 0, 2)
        group.start_soon(record, 1, 2)
        await anyio.to_thread.run_sync(disk.begun.wait)
        group.start_soon(record, 2, 1)
        await anyio.wait_all_tasks_blocked()
        disk.gate.set()
    assert disk.writes == 2
    assert len(read_journal(tmp_path / "j")) == 5
