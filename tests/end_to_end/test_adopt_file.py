"""A clip that a colleague hands over: taken when it is the clip of the receipt, refused with both facts otherwise."""

import json
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from kbatch.receipts.lifecycle import Kind
from kbatch.runner.context import RunOptions
from tests import crash_points
from tests.campaign_rig import Rig, history, journal, use_backend
from tests.crash_points import At, When

SOUND = "{duration: 5, generate_audio: true, aspect_ratio: 16:9}"
ONE = f"shots:\n  - {{id: one, model: kling-2.6, prompt: a lighthouse, params: {SOUND}}}\n"


def _hasty(**flags: Any) -> RunOptions:
    return RunOptions(**{**flags, "render_deadline_s": 0.1})


def _owed(rig: Rig) -> None:
    """Buy a job that goes on rendering, so that no digest is recorded."""
    rig.fresh("mine", "hang")
    with rig.monkeypatch.context() as patch:
        patch.setattr("kbatch.cli.run_plan.RunOptions", _hasty)
        rig.write(ONE)
        assert rig.run().code == 1
    _without_keys(rig)


def _bought(rig: Rig) -> Path:
    """Buy a clip, and go on in a clone without it; return where the clip lies."""
    rig.write(ONE)
    assert rig.run().code == 0
    theirs = rig.folder / "renders" / "one.mp4"
    clone = rig.root / "clone"
    clone.mkdir()
    for name in ("campaign.yaml", "campaign.lock.json"):
        shutil.copy(rig.folder / name, clone)
    rig.folder = clone
    _without_keys(rig)
    return theirs


def _without_keys(rig: Rig) -> None:
    for name in ("APIFRAME_API_KEY", "AIMLAPI_API_KEY"):
        rig.monkeypatch.delenv(name, raising=False)


def _clip(rig: Rig, name: str, params: str) -> Path:
    """Return a clip of other parameters, from a campaign of its own."""
    folder = rig.root / name
    folder.mkdir()
    here, rig.folder = rig.folder, folder
    rig.write(f"shots:\n  - {{id: one, model: kling-2.6, prompt: a lighthouse, params: {params}}}\n")
    assert rig.kbatch("run", "--yes", "--simulate").code == 0
    rig.folder = here
    return folder / "renders-sim" / "one.mp4"


def test_a_clone_takes_the_clip_of_the_receipt(both: Rig) -> None:
    """Without a key and without a call: copied to its place, its receipt as it was, the event says where it is from."""
    theirs = _bought(both)
    before = both.receipt("one")
    calls = len(both.stage.seen), both.bill()["requests"]
    said = both.kbatch("adopt-file", "one", str(theirs), manifest="campaign.yaml")
    assert (said.code, both.bill()["requests"]) == (0, calls[1])
    assert both.clips() == {"renders/one.mp4": before["output"]["sha256"]}
    assert not both.leftovers()
    assert {**both.receipt("one"), "output": None} == {**before, "output": None}
    events = [event for event in history(both.folder) if event.kind in (Kind.DOWNLOADED, Kind.DELIVERED)]
    assert [event.data.adopted_from for event in events] == ["one.mp4", "one.mp4"]
    assert theirs.stat().st_ino != (both.folder / "renders" / "one.mp4").stat().st_ino
    again = both.kbatch("adopt-file", "one", str(theirs))
    assert again.code == 0
    assert "already" in again.err
    assert both.kbatch("verify").code == 0


def test_an_owed_clip_is_taken_by_its_looks(rig: Rig) -> None:
    """Where no digest is recorded the clip must be as it was bought; then the job is done, and counted as charged."""
    _owed(rig)
    clip = _clip(rig, "theirs", SOUND)
    said = rig.kbatch("adopt-file", "one", str(clip), "--format", "json")
    assert (said.code, said.json["counts"]["done"]) == (0, 1)
    assert rig.states() == {"one": "done"}
    assert len(rig.clips()) == 1
    assert rig.kbatch("plan", "--check").code == 0


WRONG = {
    "too-long": ("{duration: 10, generate_audio: true}", ("10 s long", "5 s were bought")),
    "silent": ("{duration: 5, generate_audio: false}", ("no audio track", "audio was bought")),
    "upright": ("{duration: 5, generate_audio: true, aspect_ratio: '9:16'}", ("pixels", "16:9 was bought")),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_is_not_what_was_bought_is_refused(rig: Rig, wrong: str) -> None:
    """Exit 1 with both facts; the receipt stays owed and nothing is written."""
    _owed(rig)
    params, words = WRONG[wrong]
    said = rig.kbatch("adopt-file", "one", str(_clip(rig, "theirs", params)))
    assert said.code == 1
    for word in words:
        assert word in " ".join(said.err.split())
    assert rig.states() == {"one": "submitted"}
    assert not rig.leftovers()
    assert not (rig.folder / "renders" / "one.mp4").exists()


@pytest.mark.parametrize("kind", ["another-digest", "no-clip", "cut-off"])
def test_a_file_that_is_not_the_receipts_is_refused(rig: Rig, kind: str) -> None:
    """With a recorded digest no other file is taken, however like it is."""
    theirs = _bought(rig)
    data = theirs.read_bytes()
    other = rig.root / "other.mp4"
    other.write_bytes({"another-digest": data + b"\0\0\0\x08free", "no-clip": b"<html>", "cut-off": data[:-9]}[kind])
    said = rig.kbatch("adopt-file", "one", str(other))
    assert said.code == 1
    assert rig.receipt("one")["output"]["sha256"][:12] in said.err
    assert rig.clips() == {}


def test_what_lies_at_the_place_is_kept(rig: Rig) -> None:
    """A file of the user's own at the job's path moves to `.kept/`."""
    theirs = _bought(rig)
    here = rig.folder / "renders" / "one.mp4"
    here.parent.mkdir()
    here.write_bytes(b"my own cut")
    assert rig.kbatch("adopt-file", "one", str(theirs)).code == 0
    (kept,) = (rig.folder / "renders" / ".kept").glob("*.mp4")
    assert kept.read_bytes() == b"my own cut"
    assert here.read_bytes() == theirs.read_bytes()


def test_a_clip_laid_in_its_place_by_hand(rig: Rig) -> None:
    """A file that lies at the path already is recorded where it is."""
    _owed(rig)
    here = rig.folder / "renders" / "one.mp4"
    here.parent.mkdir(exist_ok=True)
    shutil.copy(_clip(rig, "theirs", SOUND), here)
    assert rig.kbatch("adopt-file", "one", str(here)).code == 0
    assert rig.states() == {"one": "done"}
    assert not rig.leftovers()


REFUSED = {
    "not-bought": (["one", "FILE"], 3, "a file is no receipt"),
    "no-such-job": (["won", "FILE"], 2, "did you mean `one`"),
    "no-file": (["one", "nowhere.mp4"], 2, "does not exist"),
    "one-word": (["FILE"], 2, "ADDRESS"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_adopted(rig: Rig, case: str) -> None:
    """A file is no purchase, and a mistake of the command line is one."""
    words, code, said = REFUSED[case]
    rig.write(ONE)
    file = rig.root / "some.mp4"
    file.write_bytes(b"x")
    ended = rig.kbatch("adopt-file", *(str(file) if word == "FILE" else word for word in words))
    assert ended.code == code
    assert said in ended.err
    assert not rig.has_lockfile()


KILLS = [
    (At.LINE, When.BEFORE),
    (At.LINE, When.HALF),
    (At.LINE, When.AFTER),
    (At.MOVE, When.BEFORE),
    (At.MOVE, When.AFTER),
]


@pytest.mark.parametrize(("at", "when"), KILLS, ids=lambda one: one.name.lower())
def test_killed_at_every_moment(rig: Rig, at: At, when: When) -> None:
    """However it is killed, the same command finishes: one clip, one receipt, nothing bought, nothing left over."""
    _owed(rig)
    clip = _clip(rig, "theirs", SOUND)
    begun = rig.folder
    for number in count(1):
        use_backend(rig.monkeypatch, ("asyncio", "trio")[number % 2])
        rig.folder = rig.root / f"kill-{number}"
        shutil.copytree(begun, rig.folder)
        struck = crash_points.die(rig, at, when, number, command=("adopt-file", "one", str(clip)))
        assert rig.kbatch("adopt-file", "one", str(clip)).code == 0
        assert rig.states() == {"one": "done"}
        assert list(rig.clips()) == ["renders/one.mp4"]
        assert not rig.leftovers()
        assert len(rig.charges()) == 1
        if not struck:
            break
    assert number > 1
    assert not journal(rig.folder)
    assert json.loads((rig.folder / "campaign.lock.json").read_text())["renders"]
