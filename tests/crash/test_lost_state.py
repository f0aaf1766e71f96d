"""State that is lost, old, torn or shared: each job is charged once all the same, or the run stops and says why."""

from collections.abc import Callable

import pytest

from kbatch.runner import open_sessions
from kbatch.runner.limits.retry import poll_scale
from tests.campaign_rig import Rig, journal
from tests.crash.lost_state import LOSSES
from tests.crash.tally import Tally
from tests.crash_points import At, When, die

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


@pytest.mark.parametrize("lose", [pytest.param(lose, id=name) for name, lose in LOSSES.items()])
def test_what_is_lost_is_not_bought_again(rig: Rig, lose: Callable[[Rig], Tally]) -> None:
    """Whatever was lost, restored over or shared: by the bill each job was charged once, and its clip is here."""
    tally = lose(rig)
    assert tally.sound, tally
    assert tally.charges


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


@pytest.mark.parametrize("line", [4, 6, 9, 12])
def test_a_rehearsal_that_was_killed_goes_on(two: Rig, line: int) -> None:
    """`--simulate` forgets its world with its process; what was accepted there is remembered and finished."""
    two.monkeypatch.setattr(open_sessions, "poll_scale", poll_scale)
    assert die(two, At.LINE, When.AFTER, line, "--simulate")
    codes = [two.run("--simulate").code, two.run("--simulate").code]
    assert codes[-1] == 0
    lockfile = two.lockfile("campaign.sim.lock.json")
    assert {receipt["state"] for receipt in lockfile["renders"].values()} == {"done"}
    assert sorted(two.clips()) == ["renders-sim/one.mp4", "renders-sim/two.mp4"]
    assert two.charges() == []


def test_carried_sends_keep_their_uploads(two: Rig) -> None:
    """What a new journal begins with names the upload of each open send, so that its end is known then too."""
    two.open({"fault": "cut", "at": "submit", "match": "harbour"})
    assert two.run().code == 4
    kinds = [event.kind.value for event in journal(two.folder)]
    assert kinds == ["uploaded", "intended", "lost"]
