"""State that is lost, old, torn or shared: each job is charged once all the same, or the run stops and says why."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kbatch.run import lines
from kbatch.run.pacing import poll_scale
from tests.mortal import At, When, die
from tests.rehearsal import Rig, doubles, environment, history, journal

TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour, params: {start_image: a.png}}
"""


@pytest.fixture
def two(rig: Rig) -> Rig:
    """Return a rig with a manifest of two jobs."""
    rig.picture("a.png")
    rig.write(TWO)
    return rig


@pytest.mark.parametrize("line", [3, 5, 7, 9, 12])
def test_a_lost_state_folder(two: Rig, line: int) -> None:
    """Killed, and `.kbatch/` gone with nothing in a lockfile: the key is the same again, so the jobs are too."""
    assert die(two, At.LINE, When.AFTER, line)
    shutil.rmtree(two.folder / ".kbatch")
    assert two.run().code == 0
    assert len(two.charges()) == 2
    assert doubles(two.charges()) == 0


def test_two_checkouts_at_once(two: Rig) -> None:
    """Two clones that run the same manifest at the same time get the same jobs, and each its clips."""
    clones = [two.root / name for name in ("left", "right")]
    for clone in clones:
        clone.mkdir()
        shutil.copy(two.folder / "a.png", clone)
        shutil.copy(two.folder / two.name, clone)
    command = [sys.executable, "-m", "kbatch", "run", "--yes"]
    running = [
        subprocess.Popen(
            [*command, str(clone / two.name)], env=environment(two.stage), cwd=_ROOT, stderr=subprocess.PIPE
        )
        for clone in clones
    ]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
    assert len(two.charges()) == 2
    for clone in clones:
        two.folder = clone
        assert set(two.states().values()) == {"done"}
        assert sorted(two.clips()) == ["renders/one.mp4", "renders/two.mp4"]


_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("line", [2, 4, 6, 10])
def test_an_old_journal_over_a_newer_lockfile(two: Rig, line: int) -> None:
    """A journal of an earlier moment, restored over a finished state, takes nothing back and buys nothing."""
    assert two.run().code == 0
    (kept,) = (two.folder / ".kbatch" / "history").glob("*.jsonl")
    old = kept.read_bytes().splitlines(keepends=True)[:line]
    (two.folder / ".kbatch" / "campaign.journal.jsonl").write_bytes(b"".join(old))
    said = two.run()
    assert said.code == 0, said.err
    assert said.json["counts"]["reused"] == 2
    assert len(two.charges()) == 2


def test_a_git_reset_of_the_lockfile(two: Rig) -> None:
    """A lockfile of before a purchase gets it back from the history, and says so."""
    assert two.run("--only", "one").code == 0
    old = (two.folder / "campaign.lock.json").read_bytes()
    assert two.run().code == 0
    (two.folder / "campaign.lock.json").write_bytes(old)
    said = two.run()
    assert said.code == 0
    assert "lacked 1 paid render" in said.err
    assert len(two.charges()) == 2
    assert set(two.states().values()) == {"done"}


def test_a_lockfile_that_is_deleted_while_the_journal_lives(two: Rig) -> None:
    """Killed before there was a lockfile, or without the one that was there: the journal and its history are enough."""
    assert die(two, At.LINE, When.AFTER, 12)
    assert not (two.folder / "campaign.lock.json").exists()
    assert two.run().code == 0
    (two.folder / "campaign.lock.json").unlink()
    assert two.run().json["counts"]["reused"] == 2
    assert len(two.charges()) == 2


def test_a_lockfile_that_is_gone_is_not_taken_for_empty(two: Rig) -> None:
    """Without lockfile and without the history that would restore it: exit 2, and a way out, instead of buying anew."""
    assert two.run().code == 0
    (two.folder / "campaign.lock.json").unlink()
    for path in (two.folder / ".kbatch" / "history").glob("*.jsonl"):
        path.unlink()
    said = two.run()
    assert said.code == 2
    assert "restore it from git" in said.err
    assert len(two.charges()) == 2


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(
            lambda text: "<<<<<<< ours\n" + text + "=======\n" + text + ">>>>>>> theirs\n", ":1:", id="merge-markers"
        ),
        pytest.param(lambda _text: "", "is empty", id="emptied"),
        pytest.param(lambda text: text.replace('"lockfile_version": 1', '"lockfile_version": 99'), "99", id="newer"),
        pytest.param(lambda text: text[: len(text) // 2], "campaign.lock.json:", id="half"),
        pytest.param(lambda text: text.replace('"done"', '"doen"', 1), "doen", id="edited"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan", "status", "pull"])
def test_a_lockfile_that_cannot_be_read(two: Rig, damage, words: str, command: str) -> None:
    """Exit 2 with the file and the line, nothing sent, and the file left as it is."""
    assert two.run().code == 0
    lockfile = two.folder / "campaign.lock.json"
    lockfile.write_text(damage(lockfile.read_text()))
    before, requests = lockfile.read_bytes(), two.bill()["requests"]
    said = two.run() if command == "run" else two.kbatch(command)
    assert said.code == 2, said.err
    assert words in said.err or "campaign.lock.json" in said.err
    assert two.bill()["requests"] == requests
    assert lockfile.read_bytes() == before


def test_damage_in_the_middle_of_a_journal(two: Rig) -> None:
    """A torn last line is cut back; damage elsewhere stops with file and line, and is left for a person."""
    assert die(two, At.LINE, When.HALF, 9)
    path = two.folder / ".kbatch" / "campaign.journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert not lines[-1].endswith(b"\n")
    path.write_bytes(b"".join((lines[0], b"damage\n", *lines[1:])))
    said = two.run()
    assert said.code == 2
    assert "campaign.journal.jsonl:2" in said.err
    path.write_bytes(b"".join(lines))
    assert two.run().code == 0
    assert len(two.charges()) == 2


def test_a_journal_of_another_manifest(two: Rig) -> None:
    """A journal that another manifest's run left is not folded into this one's receipts."""
    assert die(two, At.LINE, When.AFTER, 6)
    path = two.folder / ".kbatch" / "campaign.journal.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join((first.replace("campaign.yaml", "other.yaml"), *rest)))
    said = two.run()
    assert said.code == 2
    assert "other.yaml" in said.err


@pytest.mark.parametrize(("fault", "code"), [("cut", 4), ("lost-answer", 0)])
def test_an_upload_that_ends_before_the_resend(two: Rig, fault: str, code: int) -> None:
    """A send whose picture is gone is not repeated, which could buy a broken job; the list tells what was accepted."""
    two.open({"fault": fault, "at": "submit", "match": "harbour", "times": 1}, upload_lives_s=200.0)
    assert two.run().code == code
    assert two.run().code == code
    assert two.bill()["requests"]["submit"] == 2
    assert len(two.charges()) == (1 if code else 2)


@pytest.mark.parametrize(("hours", "code"), [(-2, 1), (21, 0), (25, 0)])
def test_a_key_that_may_be_forgotten_is_not_used(two: Rig, hours: int, code: int) -> None:
    """By the provider's clock, not by this machine's: beyond the window, or before it, only the job list is asked."""
    clock = Clock()
    two.open(clock=clock, retention_s=1e9)
    assert die(two, At.ANSWER, When.AFTER, 2)
    clock.ahead_s = hours * 3600.0
    assert two.run().code == code
    assert len(two.charges()) == 2
    assert doubles(two.charges()) == 0
    by = [event.data["by"] for event in (*history(two.folder), *journal(two.folder)) if event.kind.value == "accepted"]
    assert sorted(by) == ["list", "submit"]


def test_within_the_window_the_key_is_used(two: Rig) -> None:
    """Nineteen hours later the same key still brings the same job."""
    clock = Clock()
    two.open(clock=clock)
    assert die(two, At.ANSWER, When.AFTER, 1)
    clock.ahead_s = 19 * 3600.0
    assert two.run().code == 0
    assert len(two.charges()) == 2
    assert any(event.data.get("by") == "resend" for event in history(two.folder))


def test_another_account_is_not_sent_the_same_again(two: Rig) -> None:
    """A key belongs to an account: under another one the same request would be a second purchase."""
    two.open({"fault": "cut", "at": "submit", "match": "harbour"})
    assert two.run().code == 4
    two.faults()
    submits, app = two.bill()["requests"]["submit"], two.stage.app

    async def other_account(scope, receive, send):
        async def renamed(message):
            if message["type"] == "http.response.body":
                message = {**message, "body": message["body"].replace(b"team_simulated", b"team_different")}
            await send(message)

        await app(scope, receive, renamed)

    two.stage.app = other_account
    said = two.run()
    assert said.code == 4
    assert "another account" in said.err
    assert two.bill()["requests"]["submit"] == submits
    two.stage.app = app
    assert two.run().code == 0
    assert len(two.charges()) == 2


def test_two_sends_that_look_alike_do_not_claim_one_job(two: Rig) -> None:
    """Two takes of one request, both unknown: each finds a job of its own in the list, and none is lost."""
    two.open({"fault": "lost-answer", "at": "submit"}, upload_lives_s=200.0)
    two.write(TWO.replace("{id: two,", "{id: two, takes: 3,"))
    app = two.stage.app

    async def without_list(scope, receive, send):
        await app({**scope, "path": "/nowhere"} if scope["path"] == "/v2/jobs" else scope, receive, send)

    two.stage.app = without_list
    assert two.run("--only", "two").code == 4
    assert list(two.states().values()) == ["unknown"] * 3
    two.stage.app = app
    said = two.run("--only", "two")
    assert said.code == 0, said.err
    assert len(two.charges()) == 3
    assert len({two.receipt(name)["job_id"] for name in two.states()}) == 3


@pytest.mark.parametrize("line", [4, 6, 9, 12])
def test_a_rehearsal_that_was_killed_goes_on(two: Rig, line: int) -> None:
    """`--simulate` forgets its world with its process; what was accepted there is remembered and finished."""
    two.monkeypatch.setattr(lines, "poll_scale", poll_scale)
    assert die(two, At.LINE, When.AFTER, line, "--simulate")
    codes = [two.run("--simulate").code, two.run("--simulate").code]
    assert codes[-1] == 0
    lockfile = two.lockfile("campaign.sim.lock.json")
    assert {receipt["state"] for receipt in lockfile["renders"].values()} == {"done"}
    assert sorted(two.clips()) == ["renders-sim/one.mp4", "renders-sim/two.mp4"]
    assert two.charges() == []


class Clock:
    """A provider's clock that can be put forward."""

    ahead_s = 0.0

    def __call__(self) -> float:
        """Return the seconds since the epoch."""
        return time.time() + self.ahead_s


def test_carried_sends_keep_their_uploads(two: Rig) -> None:
    """What a new journal begins with names the upload of each open send, so that its end is known then too."""
    two.open({"fault": "cut", "at": "submit", "match": "harbour"})
    assert two.run().code == 4
    kinds = [event.kind.value for event in journal(two.folder)]
    assert kinds == ["uploaded", "intended", "lost"]
