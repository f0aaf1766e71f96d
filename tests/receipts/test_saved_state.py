"""Lockfile, journal and history as one state: nothing paid is forgotten, whatever stands or is gone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import DONE, LOST, Teller

from kbatch import storage
from kbatch.errors import StateUnreadable
from kbatch.receipts.events import Event
from kbatch.receipts.fold import fold
from kbatch.receipts.journal.history import history_files, index_path
from kbatch.receipts.journal.journal import journal_path, read_journal
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import ReceiptState
from kbatch.receipts.store import LoadedState, finalize, load, other_lockfiles_holding, save

MANIFEST = "campaign.yaml"


@pytest.fixture
def lockfile(tmp_path: Path) -> Path:
    """Return where the lockfile of the tests' manifest lies."""
    return tmp_path / "campaign.lock.json"


def journal(lockfile: Path, events: list[Event]) -> None:
    """Append events to the journal, as a run did that was killed."""
    path = journal_path(lockfile)
    before = path.read_bytes() if path.exists() else b""
    storage.write_atomic(path, before + b"".join(event.to_line() for event in events))


def read(lockfile: Path) -> LoadedState:
    """Load the state of the tests' manifest."""
    return load(lockfile, manifest_name=MANIFEST)


def run(lockfile: Path, events: list[Event], run_id: str) -> None:
    """Journal events and settle, as a run does that finishes."""
    journal(lockfile, events)
    finalize(lockfile, read(lockfile).lockfile, run_id=run_id)


def written(loaded: LoadedState) -> bytes:
    """Return what a loaded state looks like as a lockfile."""
    return serialize(loaded.lockfile)


def test_without_any_file_there_is_a_new_state(lockfile: Path) -> None:
    """Nothing on disk is an empty state without a word, and loading writes nothing."""
    loaded = read(lockfile)
    assert loaded.lockfile == Lockfile(manifest=MANIFEST)
    assert (loaded.notes, loaded.events, loaded.used_plans, loaded.newest) == ((), (), frozenset(), "")
    assert list(lockfile.parent.iterdir()) == []


def test_a_killed_run_is_taken_up_from_its_journal(lockfile: Path) -> None:
    """What the journal has and the lockfile lacks is in the state: the job id, and the newest time."""
    events = Teller().tell_all(*DONE[:2])
    journal(lockfile, events)
    loaded = read(lockfile)
    assert loaded.lockfile.renders["fp"].job_id == "job-1"
    assert (loaded.events, loaded.newest) == (tuple(events), events[-1].at)


def test_a_finished_run_leaves_lockfile_history_and_an_empty_journal(lockfile: Path) -> None:
    """After settling the lockfile holds all, the journal is put away, and git sees only the lockfile."""
    events = Teller().tell_all(*DONE)
    run(lockfile, events, "run-1")
    assert parse(lockfile.read_bytes(), "x").renders["fp"].state is ReceiptState.DONE
    assert read_journal(journal_path(lockfile)) == ()
    assert [read_journal(path) for path in history_files(lockfile)] == [tuple(events)]
    assert (lockfile.parent / ".kbatch" / ".gitignore").read_text() == "*\n"
    assert read(lockfile).notes == ()


def test_settling_folds_the_journal_in_even_when_the_caller_had_not(lockfile: Path) -> None:
    """No caller can put a journal away whose purchases the lockfile lacks."""
    journal(lockfile, Teller().tell_all(*DONE))
    settled = finalize(lockfile, Lockfile(manifest=MANIFEST), run_id="run-1")
    assert settled.renders["fp"].state is ReceiptState.DONE
    assert parse(lockfile.read_bytes(), "x").renders["fp"].job_id == "job-1"


@pytest.mark.parametrize("indexed", [True, False], ids=["with-index", "index-lost"])
def test_a_lockfile_reset_by_git_gets_its_purchases_back(lockfile: Path, indexed: bool) -> None:
    """A paid render that the history knows and the lockfile lacks is restored and said, until it is saved again."""
    teller = Teller()
    run(lockfile, teller.tell_all(*DONE), "run-1")
    before = lockfile.read_bytes()
    run(lockfile, [teller.tell(kind, "other") for kind in DONE], "run-2")
    after = lockfile.read_bytes()
    lockfile.write_bytes(before)
    if not indexed:
        index_path(lockfile).unlink()
    loaded = read(lockfile)
    assert loaded.notes == ("campaign.lock.json lacked 1 paid render: restored from `.kbatch/history/`",)
    assert written(loaded) == after
    save(lockfile, loaded.lockfile)
    assert read(lockfile).notes == ()


def test_a_lockfile_that_is_behind_is_brought_up_and_said(lockfile: Path) -> None:
    """A receipt that an older lockfile has as submitted is done again, since the history says so."""
    teller = Teller()
    run(lockfile, teller.tell_all(*DONE[:2]), "run-1")
    before = lockfile.read_bytes()
    run(lockfile, teller.tell_all(*DONE[2:]), "run-2")
    lockfile.write_bytes(before)
    loaded = read(lockfile)
    assert loaded.lockfile.renders["fp"].state is ReceiptState.DONE
    assert loaded.notes == ("campaign.lock.json was behind on 1 render: `.kbatch/history/` knew more",)


def test_a_deleted_lockfile_is_restored_from_the_history(lockfile: Path) -> None:
    """Where no lockfile stands, the history says what was bought; it is not taken for a fresh start."""
    run(lockfile, Teller().tell_all(*DONE), "run-1")
    lockfile.unlink()
    loaded = read(lockfile)
    assert loaded.lockfile.renders["fp"].state is ReceiptState.DONE
    assert loaded.notes == ("campaign.lock.json lacked 1 paid render: restored from `.kbatch/history/`",)


def test_a_deleted_lockfile_that_knew_more_than_the_history_stops(lockfile: Path) -> None:
    """Receipts that came by git from elsewhere are nowhere here: going on would buy them again."""
    elsewhere = fold([Teller().tell(kind, "elsewhere") for kind in DONE])
    lockfile.write_bytes(serialize(Lockfile(manifest=MANIFEST, renders=elsewhere)))
    run(lockfile, Teller().tell_all(*DONE), "run-1")
    lockfile.unlink()
    with pytest.raises(StateUnreadable, match="is gone; it had 2 receipts, and only 1") as caught:
        read(lockfile)
    assert str(index_path(lockfile)) in str(caught.value.hint)


def test_the_history_is_not_read_again_while_the_lockfile_is_the_one_last_written(lockfile: Path) -> None:
    """A start with nothing to do costs no history: damage in a covered file shows only when it must be read."""
    run(lockfile, Teller().tell_all(*DONE), "run-1")
    history_files(lockfile)[0].write_bytes(b"damage\n{}\n")
    assert read(lockfile).lockfile.renders["fp"].state is ReceiptState.DONE
    lockfile.write_bytes(lockfile.read_bytes() + b"\n")
    with pytest.raises(StateUnreadable, match=r"campaign\.run-1\.jsonl:1: is no event"):
        read(lockfile)


def test_a_history_file_that_came_later_is_read_although_the_lockfile_is_the_same(lockfile: Path) -> None:
    """Only the files that the index names are covered."""
    teller = Teller()
    run(lockfile, teller.tell_all(*DONE), "run-1")
    late = [teller.tell(kind, "late") for kind in DONE]
    storage.write_atomic(
        history_files(lockfile)[0].with_name("campaign.run-0.jsonl"), b"".join(e.to_line() for e in late)
    )
    assert set(read(lockfile).lockfile.renders) == {"fp", "late"}


class _Killed(BaseException):
    """The process ends here."""


def _kill_before(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Let so many files be written, and end the process at the next."""
    left = iter(range(writes))

    def dying(write: Callable[..., None]) -> Callable[..., None]:
        def step(*given: Any) -> None:
            if next(left, None) is None:
                raise _Killed
            write(*given)

        return step

    monkeypatch.setattr(storage, "write_atomic", dying(storage.write_atomic))


@pytest.mark.parametrize("writes", range(4), ids=["lockfile", "history", "journal", "index"])
def test_a_crash_at_each_step_of_settling_loses_nothing(
    lockfile: Path, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each write, the next start knows the same, has the open send's body, and can settle."""
    teller = Teller()
    run(lockfile, [teller.tell(kind, "first") for kind in DONE], "run-1")
    events = [
        teller.tell_run(Kind.BEGAN, plan="sha256:1"),
        *teller.tell_all(*DONE),
        *[teller.tell(kind, "open") for kind in LOST],
        teller.tell_run(Kind.ENDED),
    ]
    journal(lockfile, events)
    wanted = read(lockfile)
    with monkeypatch.context() as patch:
        _kill_before(patch, writes)
        with pytest.raises(_Killed):
            finalize(lockfile, wanted.lockfile, run_id="run-2")
    for run_id in ("run-3", "run-4"):
        again = read(lockfile)
        assert written(again) == written(wanted)
        assert again.lockfile.renders["open"].body == '{"prompt":"a ridge"}'
        assert again.used_plans == {"sha256:1"}
        finalize(lockfile, again.lockfile, run_id=run_id)
    assert [event.kind for event in read_journal(journal_path(lockfile))] == list(LOST)


def test_settling_writes_four_files(lockfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The crash test above kills before each write there is: there is no fifth one."""
    run(lockfile, Teller().tell_all(*DONE), "run-1")
    journal(lockfile, [Teller(start=100).tell(kind, "other") for kind in LOST])
    _kill_before(monkeypatch, 4)
    finalize(lockfile, read(lockfile).lockfile, run_id="run-2")
    assert [event.kind for event in read_journal(journal_path(lockfile))] == list(LOST)


def test_an_open_send_settled_later_ends_with_its_journal(lockfile: Path) -> None:
    """A carried send that reconcile settles is carried no further, and its receipt is the job's."""
    teller = Teller()
    run(lockfile, teller.tell_all(*LOST), "run-1")
    assert len(read(lockfile).events) == 2
    run(lockfile, [teller.tell(Kind.ACCEPTED, by="reconcile")], "run-2")
    loaded = read(lockfile)
    assert (loaded.events, loaded.lockfile.renders["fp"].state) == ((), ReceiptState.SUBMITTED)


def test_used_plans_outlive_journal_and_history(lockfile: Path) -> None:
    """A plan that a run has finished stays used when its journal is put away and even when that is deleted."""
    teller = Teller()
    run(lockfile, [teller.tell_run(Kind.BEGAN, plan="sha256:1"), teller.tell_run(Kind.ENDED)], "run-1")
    history_files(lockfile)[0].unlink()
    run(lockfile, Teller(start=50).tell_all(*DONE), "run-2")
    assert read(lockfile).used_plans == {"sha256:1"}


def test_simulated_and_real_state_never_meet(lockfile: Path) -> None:
    """The simulated run of a manifest has lockfile, journal and history of its own."""
    simulated = lockfile.with_name("campaign.sim.lock.json")
    run(simulated, Teller().tell_all(*DONE), "run-1")
    journal(simulated, [Teller(start=50).tell(kind, "other") for kind in LOST])
    assert read(lockfile).lockfile.renders == {}
    run(lockfile, [Teller().tell(kind, "real") for kind in DONE], "run-2")
    simulated.unlink()
    lockfile.unlink()
    assert set(read(lockfile).lockfile.renders) == {"real"}
    assert set(read(simulated).lockfile.renders) == {"fp", "other"}


def test_the_journal_of_another_manifest_stops(lockfile: Path) -> None:
    """A journal that belongs to another manifest's run is not folded in, and the way out is said."""
    journal(lockfile, [Teller().tell_run(Kind.BEGAN, manifest="other.yaml")])
    with pytest.raises(StateUnreadable, match=r"is the journal of a run of `other\.yaml`") as caught:
        read(lockfile)
    assert "kbatch run other.yaml" in str(caught.value.hint)


def test_a_lockfile_renamed_with_its_manifest_goes_on(lockfile: Path) -> None:
    """Renaming both is no loss and no error; the state says so once and is the new manifest's."""
    lockfile.write_bytes(serialize(Lockfile(manifest="old.yaml", renders=fold(Teller().tell_all(*DONE)))))
    loaded = read(lockfile)
    assert loaded.notes == ("campaign.lock.json was written for `old.yaml` and is used for `campaign.yaml` now",)
    assert loaded.lockfile.manifest == MANIFEST
    save(lockfile, loaded.lockfile)
    assert read(lockfile).notes == ()


def test_receipts_know_the_addresses_of_the_jobs_that_refer_to_them(lockfile: Path) -> None:
    """What comes from a lockfile is named by its index, first of the default profile, and orphans by nothing."""
    teller = Teller()
    renders = fold(teller.tell(kind, name) for name in ("a", "b", "c") for kind in DONE)
    entries = {name: IndexEntry(fingerprint=name, path=f"{name}.mp4") for name in ("a", "b")}
    jobs, draft = {"hero": entries["a"]}, {"hero-draft": entries["a"], "reveal-draft": entries["b"]}
    lockfile.write_bytes(serialize(Lockfile(manifest=MANIFEST, jobs=jobs, renders=renders, profiles={"draft": draft})))
    loaded = read(lockfile).lockfile.renders
    assert {name: receipt.address for name, receipt in loaded.items()} == {"a": "hero", "b": "reveal-draft", "c": ""}


def test_other_lockfiles_and_journals_that_hold_these_jobs_are_found(lockfile: Path) -> None:
    """A renamed manifest's old lockfile or journal is named; simulated ones, foreign files and its own are not."""
    old, simulated = lockfile.with_name("old.lock.json"), lockfile.with_name("old.sim.lock.json")
    for path in (old, simulated):
        path.write_bytes(serialize(Lockfile(manifest="old.yaml", renders=fold(Teller().tell_all(*DONE)))))
    lockfile.with_name("deno.lock.json").write_text('{"version": "3"}')
    journal(lockfile.with_name("killed.lock.json"), [Teller().tell(kind, "other") for kind in LOST])
    journal(lockfile, [Teller().tell(kind, "other") for kind in LOST])
    killed = journal_path(lockfile.with_name("killed.lock.json"))
    assert other_lockfiles_holding(lockfile, {"fp", "x"}) == (old,)
    assert other_lockfiles_holding(lockfile, {"other"}) == (killed,)
    assert other_lockfiles_holding(lockfile, {"x"}) == ()
    assert other_lockfiles_holding(lockfile.with_name("campaign.sim.lock.json"), {"fp", "other"}) == (simulated,)
    old.write_text("<<<<<<< ours\n" + old.read_text())
    with pytest.raises(StateUnreadable, match=r"old\.lock\.json:1: an unfinished merge"):
        other_lockfiles_holding(lockfile, {"fp"})


def test_an_unreadable_part_is_never_taken_for_empty(lockfile: Path) -> None:
    """Lockfile and journal stop the start with file and line; the index alone may be lost."""
    run(lockfile, Teller().tell_all(*DONE), "run-1")
    index_path(lockfile).write_text("damage")
    assert read(lockfile).lockfile.renders["fp"].state is ReceiptState.DONE
    journal_path(lockfile).write_bytes(b"damage\n{}\n")
    with pytest.raises(StateUnreadable, match=r"campaign\.journal\.jsonl:1: "):
        read(lockfile)
    lockfile.write_bytes(b"")
    with pytest.raises(StateUnreadable, match=r"campaign\.lock\.json:1: is empty"):
        read(lockfile)


def test_saving_is_whole_and_says_what_it_covers(lockfile: Path) -> None:
    """After an interruption the lockfile is saved and the journal stays; the index has the lockfile's digest."""
    journal(lockfile, Teller().tell_all(*LOST))
    save(lockfile, read(lockfile).lockfile)
    assert parse(lockfile.read_bytes(), "x").renders["fp"].state is ReceiptState.UNKNOWN
    assert len(read(lockfile).events) == 2
    index = json.loads(index_path(lockfile).read_bytes())
    assert (index["lockfile"], index["renders"]) == (storage.sha256_of(lockfile), 1)
