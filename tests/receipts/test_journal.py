"""The journal on disk: durable before it answers, readable after any crash, honest about damage."""

import errno
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import anyio
import pytest
from receipt_samples import DONE, LOST, Teller, data_of, fact_of
from slow_disk import Disk

from kbatch.errors import StateUnreadable
from kbatch.receipts.events import Event, Fact
from kbatch.receipts.fold import fold
from kbatch.receipts.journal.journal import Journal, journal_path, read_journal, rotate
from kbatch.receipts.journal.run_records import events_to_carry, unfinished_runs, used_plans
from kbatch.receipts.lifecycle import Kind

FACTS = [fact_of(kind, data_of(kind), "fp", 1) for kind in DONE]


def lines_of(events: Sequence[Event]) -> bytes:
    """Return a journal's bytes."""
    return b"".join(event.to_line() for event in events)


# reading


def test_a_journal_cut_anywhere_is_a_prefix_and_the_rest_gives_the_same_end(tmp_path: Path) -> None:
    """For every prefix of the bytes the first events are read, and folding all after them is the same end."""
    teller = Teller()
    events = [teller.tell_run(Kind.BEGAN), *teller.tell_all(*DONE), *[teller.tell(kind, "é") for kind in LOST]]
    data = lines_of(events)
    path = tmp_path / "journal.jsonl"
    end = fold(events)
    after = {count: fold(events, fold(events[:count])) for count in range(len(events) + 1)}
    assert all(renders == end for renders in after.values())
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        assert read_journal(path) == tuple(events[: data.count(b"\n", 0, size)])


def test_no_file_and_an_empty_one_hold_no_events(tmp_path: Path) -> None:
    """A run that never began has an empty journal."""
    assert read_journal(tmp_path / "none.jsonl") == ()
    (tmp_path / "empty.jsonl").write_bytes(b"")
    assert read_journal(tmp_path / "empty.jsonl") == ()


@pytest.mark.parametrize("torn", [b"garbage\n", b'{"kind": "lo', b"\0\0\0\n", b"\xff\xfe\n", b"\n"])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    """What a crash leaves at the end is no event, with or without its newline."""
    events = Teller().tell_all(*LOST)
    (tmp_path / "j").write_bytes(lines_of(events) + torn)
    assert read_journal(tmp_path / "j") == tuple(events)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"garbage\n", ":2: is no event: "),
        (b"\n", ":2: is no event: "),
        (b"\0\n", ":2: is no event: "),
        (b"\xff\n", ":2: is no event: "),
        (b"{}\n", ":2: is no event: lacks the field `kind`"),
    ],
    ids=["text", "blank", "nul", "bytes", "object"],
)
def test_damage_elsewhere_stops_with_file_and_line(tmp_path: Path, line: bytes, message: str) -> None:
    """A line that is no event, with another after it, even a torn one, is damage: it may have been a purchase."""
    first, second = Teller().tell_all(*LOST)
    for rest in (second.to_line(), b"torn"):
        (tmp_path / "j").write_bytes(first.to_line() + line + rest)
        with pytest.raises(StateUnreadable) as caught:
            read_journal(tmp_path / "j")
        assert f"{tmp_path / 'j'}{message}" in caught.value.message
        assert caught.value.hint


def test_a_whole_last_line_that_is_no_event_of_this_version_is_damage(tmp_path: Path) -> None:
    """A torn line is never valid JSON: one that is was written whole, perhaps by a newer kbatch, and counts."""
    first, second = Teller().tell_all(*LOST)
    (tmp_path / "j").write_bytes(first.to_line() + second.to_line().replace(b'"lost"', b'"misplaced"'))
    with pytest.raises(StateUnreadable, match=":2: is no event: `kind` must be one of"):
        read_journal(tmp_path / "j")


# writing


@pytest.mark.anyio
async def test_what_record_returned_is_on_the_disk(tmp_path: Path) -> None:
    """Each event is in the file when `record` returns, with its run, its number and a time that only goes up."""
    path = tmp_path / ".kbatch" / "campaign.journal.jsonl"
    told: list[Event] = []
    async with Journal.open(path, run_id="run-1", clock=lambda: datetime(2026, 1, 1, 12, tzinfo=UTC)) as journal:
        for fact in FACTS:
            told += await journal.record(fact)
            assert read_journal(path) == tuple(told)
        told += await journal.record(*FACTS[:2])
        assert await journal.record() == ()
    assert read_journal(path) == tuple(told)
    assert [event.sequence for event in told] == list(range(1, 8))
    assert {event.run for event in told} == {"run-1"}
    assert [event.at for event in told[:2]] == ["2026-01-01T12:00:00.000Z", "2026-01-01T12:00:00.001Z"]
    assert (tmp_path / ".kbatch" / ".gitignore").read_text() == "*\n"


@pytest.mark.anyio
async def test_times_go_up_from_what_is_on_record(tmp_path: Path) -> None:
    """A clock that was set back cannot make a later event older than the journal or the lockfile."""
    path = tmp_path / "j"
    early, late = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    async with Journal.open(path, run_id="one", clock=lambda: late) as journal:
        await journal.record(FACTS[0])
    async with Journal.open(path, run_id="two", clock=lambda: early) as journal:
        (second,) = await journal.record(FACTS[1])
    async with Journal.open(path, run_id="two", clock=lambda: early, after="2027-01-01T00:00:00Z") as journal:
        (third,) = await journal.record(FACTS[2])
    assert (second.at, second.sequence) == ("2026-01-01T00:00:00.001Z", 1)
    assert (third.at, third.sequence) == ("2027-01-01T00:00:00.001Z", 2)


@pytest.mark.anyio
async def test_times_are_in_utc_and_a_millisecond_apart(tmp_path: Path) -> None:
    """Whatever zone and decimals the clock has, across the end of a second, and after a finer time on record."""
    zone = timezone(timedelta(hours=2))
    clock = datetime(2026, 1, 1, 1, 59, 59, 998_999, tzinfo=zone)
    async with Journal.open(tmp_path / "j", run_id="one", clock=lambda: clock) as journal:
        told = [*await journal.record(FACTS[0]), *await journal.record(*FACTS[1:4])]
    async with Journal.open(
        tmp_path / "k", run_id="one", clock=lambda: clock, after="2026-01-01T00:00:00.0009Z"
    ) as one:
        told += await one.record(FACTS[0])
    assert [event.at for event in told] == [
        "2025-12-31T23:59:59.998Z",
        "2025-12-31T23:59:59.999Z",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00.001Z",
        "2026-01-01T00:00:00.001Z",
    ]


@pytest.mark.anyio
async def test_events_that_wait_at_once_share_one_write(tmp_path: Path) -> None:
    """While one write is on its way nineteen more events come: all nineteen go to the disk with the next."""
    disks: list[Disk] = []
    told: dict[int, Event] = {}

    def open_disk(path: Path) -> Disk:
        disks.append(Disk(path))
        return disks[0]

    async def record(number: int) -> None:
        (told[number],) = await journal.record(fact_of(Kind.INTENDED, data, f"{number}", 1))

    data = data_of(Kind.INTENDED)
    async with Journal.open(tmp_path / "j", run_id="run-1", sink=open_disk) as journal:
        disk = disks[0]
        disk.gate.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(record, 0)
            await anyio.to_thread.run_sync(disk.begun.wait)
            for number in range(1, 20):
                group.start_soon(record, number)
            await anyio.wait_all_tasks_blocked()
            assert told == {}
            disk.gate.set()
    assert disk.writes == 2
    assert read_journal(tmp_path / "j") == tuple(sorted(told.values(), key=lambda event: event.sequence))
    assert len(told) == 20


@pytest.mark.anyio
async def test_a_full_disk_is_told_to_everyone_and_closes_the_journal(tmp_path: Path) -> None:
    """Every waiter and every later caller gets the error; the next opening finds what was written whole."""
    disks: list[Disk] = []
    failed: list[int] = []

    def open_disk(path: Path) -> Disk:
        disks.append(Disk(path))
        return disks[0]

    async def record(number: int) -> None:
        with pytest.raises(OSError, match="No space left") as caught:
            await journal.record(FACTS[1])
        assert caught.value.errno == errno.ENOSPC
        failed.append(number)

    async with Journal.open(tmp_path / "j", run_id="run-1", sink=open_disk) as journal:
        (first,) = await journal.record(FACTS[0])
        disks[0].room = 30
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(record, number)
        disks[0].room = None
        await record(3)
    assert sorted(failed) == [0, 1, 2, 3]
    assert disks[0].writes == 2
    assert (tmp_path / "j").read_bytes() != first.to_line()
    async with Journal.open(tmp_path / "j", run_id="run-2") as journal:
        assert (tmp_path / "j").read_bytes() == first.to_line()
        (second,) = await journal.record(FACTS[1])
    assert read_journal(tmp_path / "j") == (first, second)


@pytest.mark.anyio
async def test_cancellation_does_not_lose_what_was_handed_over(tmp_path: Path) -> None:
    """A run stopped while an acceptance is being written has it on disk, and its journal closes."""
    disks: list[Disk] = []
    told: list[Event] = []

    def open_disk(path: Path) -> Disk:
        disks.append(Disk(path))
        return disks[0]

    async def record(fact: Fact) -> None:
        told.extend(await journal.record(fact))

    with anyio.CancelScope() as scope:
        async with Journal.open(tmp_path / "j", run_id="run-1", sink=open_disk) as journal:
            disks[0].gate.clear()
            async with anyio.create_task_group() as group:
                group.start_soon(record, FACTS[0])
                group.start_soon(record, FACTS[1])
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                disks[0].gate.set()
                await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert len(told) == 2
    assert read_journal(tmp_path / "j") == tuple(told)


@pytest.mark.anyio
async def test_an_exception_of_the_run_leaves_the_journal_as_itself(tmp_path: Path) -> None:
    """Leaving by an exception closes the journal and does not wrap it; a closed journal takes nothing."""
    journals: list[Journal] = []

    async def run() -> None:
        async with Journal.open(tmp_path / "j", run_id="run-1") as journal:
            journals.append(journal)
            await journal.record(FACTS[0])
            raise StateUnreadable("mine")

    with pytest.raises(StateUnreadable, match="mine"):
        await run()
    with pytest.raises(RuntimeError, match="closed"):
        await journals[0].record(FACTS[1])
    assert len(read_journal(tmp_path / "j")) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("run_id", ["", "a.b", "a/b", "a b"])
async def test_a_run_id_that_would_confuse_file_names_is_refused(tmp_path: Path, run_id: str) -> None:
    """History files are told apart by the dot before the run's id."""
    with pytest.raises(ValueError, match="run id"):
        async with Journal.open(tmp_path / "j", run_id=run_id):
            pass


# putting away


def test_the_journal_lies_beside_its_lockfile() -> None:
    """Real, simulated and freely named lockfiles have journals of their own."""
    names = [journal_path(Path("a") / name).as_posix() for name in ("c.lock.json", "c.sim.lock.json", "free.json")]
    assert names == [f"a/.kbatch/{stem}.journal.jsonl" for stem in ("c", "c.sim", "free.json")]


def test_putting_away_keeps_all_and_carries_what_is_open(tmp_path: Path) -> None:
    """The history file is the journal; the new one begins with open sends, bodies included, and nothing settled."""
    teller = Teller()
    lost = [teller.tell(kind, "open") for kind in LOST]
    twice = teller.tell(Kind.LOST, "open", message="cut off again")
    sent = teller.tell(Kind.INTENDED, "sent")
    settled = [teller.tell(kind, "found") for kind in (*LOST, Kind.ACCEPTED)]
    events = [*teller.tell_all(*DONE), *lost, twice, sent, *settled]
    path = tmp_path / "campaign.journal.jsonl"
    path.write_bytes(lines_of(events) + b"torn")
    history = rotate(path, run_id="run-1")
    assert history == tmp_path / "history" / "campaign.run-1.jsonl"
    assert history.read_bytes() == lines_of(events)
    assert read_journal(path) == (lost[0], twice, sent)
    assert fold(read_journal(path))["open"].body == '{"prompt":"a ridge"}'
    assert rotate(tmp_path / "none.journal.jsonl", run_id="run-1") is None


def test_a_run_that_puts_away_twice_overwrites_nothing(tmp_path: Path) -> None:
    """Two history files of one run have two names."""
    path = tmp_path / "c.journal.jsonl"
    kept = []
    for start in (0, 100):
        events = Teller(start=start).tell_all(*DONE)
        path.write_bytes(lines_of(events))
        history = rotate(path, run_id="run-1")
        assert history is not None
        kept.append((history.name, read_journal(history) == tuple(events)))
    assert kept == [("c.run-1.jsonl", True), ("c.run-1-2.jsonl", True)]


def test_unfinished_work_is_carried_until_a_run_finishes_it() -> None:
    """A claimed plan and a begun replacement outlive their journal; only finishing the same work ends them."""

    def run(name: str, *, finished: bool | None, plan: str | None = None, replacing: Sequence[str] = ()) -> list[Event]:
        teller = Teller(name)
        ends = [] if finished is None else [teller.tell_run(Kind.ENDED, finished=finished)]
        return [teller.tell_run(Kind.BEGAN, plan=plan, replacing=list(replacing)), *ends]

    plan, again = run("a", finished=None, plan="sha256:1"), run("b", finished=False, plan="sha256:1")
    replacing, other = run("c", finished=None, replacing=["x"]), run("d", finished=True)
    assert unfinished_runs(plan + again + replacing + other) == (plan[0], replacing[0])
    assert events_to_carry(plan + again + replacing + other) == (plan[0], replacing[0])
    assert unfinished_runs([*plan, *replacing, *run("e", finished=True, plan="sha256:1")]) == (replacing[0],)
    assert unfinished_runs([*plan, *replacing, *run("e", finished=True, replacing=["x", "y"])]) == (plan[0],)
    assert unfinished_runs([*plan, *run("e", finished=True, plan="sha256:2")]) == (plan[0],)
    assert used_plans([*plan, *again]) == frozenset()
    assert used_plans([*plan, *again, *run("e", finished=True, plan="sha256:1")]) == {"sha256:1"}
