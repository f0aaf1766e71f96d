"""`kbatch accept`: ends the reminder of what was delivered wrong or is stale, and of nothing else."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kbatch.pipeline.load import load
from kbatch.pipeline.load_state import lock_path
from kbatch.planner.jobs import Job
from kbatch.receipts.journal.journal import journal_path, read_journal
from kbatch.receipts.lifecycle import Kind
from kbatch.receipts.lockfile.lockfile import Lockfile, parse, serialize
from kbatch.receipts.lockfile.lockfile_shape import IndexEntry
from kbatch.receipts.receipt import Receipt, ReceiptState
from tests.planner.conftest import receipt_of

Run = Callable[..., Any]

MANIFEST = """kbatch: 1
name: c
provider: apiframe
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: hero, prompt: "one {{ city }}", matrix: {city: [oslo, rome]}}
  - {id: next, prompt: two, params: {start_image: "{{ last_frame('hero', city='oslo') }}"}}
  - {id: last, prompt: three}
"""
WRONG = {"at": "delivery", "reason": "delivered-wrong", "message": "the clip is 3 s long, 5 s were bought"}


class Campaign:
    """A manifest with a lockfile, in the working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lockfile = folder / "c.lock.json"
        (folder / "c.yaml").write_text(MANIFEST, encoding="utf-8")
        self.jobs: Mapping[str, Job] = {job.address: job for job in load(folder / "c.yaml").jobs}

    def write(self, *, without: Sequence[str] = (), **changed: Receipt) -> None:
        """Write a lockfile in which all jobs are bought but these; receipts by shot or `hero_rome` stand instead."""
        renders = {}
        for address, job in self.jobs.items():
            if address not in without:
                name = address.replace("[city=", "_").removesuffix("]")
                renders[job.fingerprint] = changed.get(name, receipt_of(job))
        index = {a: IndexEntry(fingerprint=job.fingerprint, path=job.draft.output) for a, job in self.jobs.items()}
        index = {a: entry for a, entry in index.items() if a not in without}
        self.lockfile.write_bytes(serialize(Lockfile(manifest="c.yaml", jobs=index, renders=renders)))

    def receipt(self, address: str) -> Receipt:
        """Return the receipt of a job in the lockfile."""
        return parse(self.lockfile.read_bytes(), "x").renders[self.jobs[address].fingerprint]


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """Return the campaign of the test: `hero[city=oslo]` was delivered wrong, `next` is stale."""
    monkeypatch.chdir(tmp_path)
    made = Campaign(tmp_path)
    oslo = made.jobs["hero[city=oslo]"]
    wrong = receipt_of(oslo, ReceiptState.DELIVERED_WRONG, error=WRONG)
    used = {"start_image": {"fingerprint": oslo.fingerprint, "job_id": "an-earlier-one", "sha256": "0" * 64}}
    made.write(hero_oslo=wrong, next=receipt_of(made.jobs["next"], inputs=used))
    return made


@pytest.mark.parametrize(
    ("address", "why"),
    [
        pytest.param("hero[city=oslo]", "delivered otherwise than bought: the clip is 3 s long", id="delivered-wrong"),
        pytest.param("next", "stale: its upstream was bought anew", id="stale"),
    ],
)
def test_the_reminder_ends(campaign: Campaign, run: Run, address: str, why: str) -> None:
    """After it the lockfile says accepted, plan and status remind no more, and nothing would be bought."""
    before = json.loads(run("plan", "c.yaml", "--format", "json").out)["counts"]
    ended = run("accept", "c.yaml", address)
    assert (ended.code, ended.err) == (0, "lockfile c.lock.json\n")
    assert ended.out.startswith(f"accepted: {address} ({why}")
    assert campaign.receipt(address).accepted_as_is
    status = {row["address"]: row for row in json.loads(run("status", "c.yaml", "--format", "json").out)["jobs"]}
    assert status[address]["attention"] is False
    assert json.loads(run("plan", "c.yaml", "--format", "json").out)["counts"] == before


def test_it_is_journaled_before_it_is_in_the_lockfile(campaign: Campaign, run: Run) -> None:
    """The event is in the history of the state, so that a lost lockfile gets it back."""
    run("accept", "c.yaml", "hero[city=oslo]")
    assert read_journal(journal_path(campaign.lockfile)) == ()
    history = list((campaign.folder / ".kbatch" / "history").glob("*.jsonl"))
    assert [event.kind for path in history for event in read_journal(path)] == [Kind.ACCEPTED_AS_IS]


def test_the_journal_of_an_interrupted_run_stays(campaign: Campaign, run: Run) -> None:
    """What a run left unfinished is still there for it afterwards, with the acceptance behind it."""
    began = {"manifest": "c.yaml", "plan": "sha256:1", "maximum": {}, "replacing": []}
    line = {"kind": "began", "at": "2026-11-21T11:00:00Z", "run": "r", "sequence": 1, "fingerprint": None}
    path = journal_path(campaign.lockfile)
    path.parent.mkdir()
    path.write_text(json.dumps({**line, "attempt": None, "data": began}) + "\n", encoding="utf-8")
    assert run("accept", "c.yaml", "hero[city=oslo]").code == 0
    assert [event.kind for event in read_journal(path)] == [Kind.BEGAN, Kind.ACCEPTED_AS_IS]
    assert campaign.receipt("hero[city=oslo]").accepted_as_is


def test_several_at_once_and_again(campaign: Campaign, run: Run) -> None:
    """What was accepted before is said and is no fault as long as something new is accepted."""
    run("accept", "c.yaml", "hero[city=oslo]")
    ended = run("accept", "c.yaml", "hero[city=oslo]", "next", "next", "--format", "json")
    accepted = [(one["address"], one["accepted_before"]) for one in json.loads(ended.out)["accepted"]]
    assert (ended.code, accepted) == (0, [("hero[city=oslo]", True), ("next", False)])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("hero[city=olso]",), 2, "did you mean `hero[city=oslo]`?", id="unknown-address"),
        pytest.param(("next", "nobody"), 2, "`nobody` names no job", id="one-of-two-unknown"),
        pytest.param(("hero[city=rome]",), 3, "is done, there is nothing to accept", id="done"),
        pytest.param(("next", "hero[city=rome]"), 3, "`hero[city=rome]` is done", id="one-of-two-done"),
        pytest.param(("last",), 3, "`last` is not bought", id="not-bought"),
        pytest.param((), 2, "which job?", id="no-address"),
    ],
)
def test_nothing_is_written_when_one_cannot_be_accepted(
    campaign: Campaign, run: Run, words: Sequence[str], code: int, said: str
) -> None:
    """All or nothing: the lockfile is as it was, and the message says which address and why."""
    renders = parse(campaign.lockfile.read_bytes(), "x")
    without = {key: one for key, one in renders.renders.items() if key != campaign.jobs["last"].fingerprint}
    jobs = {key: one for key, one in renders.jobs.items() if key != "last"}
    campaign.lockfile.write_bytes(serialize(replace(renders, renders=without, jobs=jobs)))
    before = campaign.lockfile.read_bytes()
    ended = run("accept", "c.yaml", *words)
    assert (ended.code, said in ended.err) == (code, True), ended.err
    assert campaign.lockfile.read_bytes() == before


def test_accepted_before_is_nothing_to_accept(campaign: Campaign, run: Run) -> None:
    """The second time there is nothing left: exit 3."""
    run("accept", "c.yaml", "next")
    ended = run("accept", "c.yaml", "next")
    assert (ended.code, "accepted before" in ended.err) == (3, True)


def test_the_manifest_may_be_left_out(campaign: Campaign, run: Run) -> None:
    """Without a YAML file's name the first word is an address of kbatch.yaml."""
    (campaign.folder / "c.yaml").rename("kbatch.yaml")
    campaign.lockfile.rename("kbatch.lock.json")
    assert run("accept", "next").code == 0


def test_an_orphan_can_be_accepted_by_its_last_address(campaign: Campaign, run: Run) -> None:
    """A delivered-wrong clip that no job of the manifest refers to still reminds, and that can be ended too."""
    text = MANIFEST.replace("one {{", "another {{")
    (campaign.folder / "c.yaml").write_text(text.replace("city: [oslo, rome]", "city: [rome]"), encoding="utf-8")
    text = (campaign.folder / "c.yaml").read_text(encoding="utf-8")
    (campaign.folder / "c.yaml").write_text(text.replace("city='oslo'", "city='rome'"), encoding="utf-8")
    assert run("accept", "c.yaml", "hero[city=oslo]").code == 0
    assert campaign.receipt("hero[city=oslo]").accepted_as_is


def test_a_running_run_keeps_its_state(campaign: Campaign, run: Run) -> None:
    """While a run holds the state nothing is accepted: exit 3."""
    from kbatch.storage import Lock

    with Lock(lock_path(campaign.lockfile)):
        assert run("accept", "c.yaml", "next").code == 3
    assert not campaign.receipt("next").accepted_as_is
