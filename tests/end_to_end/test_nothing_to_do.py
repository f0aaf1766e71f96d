"""A run that finds everything done leaves everything as it is; whatever was touched since is looked at in full."""

import os

import pytest

from tests.campaign_rig import Rig

TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour}
"""
LATER_S = 60.0


def everything(rig: Rig) -> dict[str, tuple[int, bytes]]:
    """Return every file below the folder with its time and its bytes, the lock's own aside."""
    files = [path for path in rig.folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(rig.folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def later(rig: Rig, name: str) -> None:
    """Let a file be newer than the lockfile."""
    path = rig.folder / name
    at = (rig.folder / "campaign.lock.json").stat().st_mtime + LATER_S
    os.utime(path, (at, at))


def test_a_run_with_nothing_to_do_writes_nothing(both: Rig) -> None:
    """No event, no history, no new lockfile, no request: the same command again changes no byte and no time."""
    both.write(TWO)
    assert both.run().code == 0
    before = everything(both)
    requests = both.bill()["requests"]
    said = both.run()
    assert (said.code, said.json["counts"]["reused"]) == (0, 2)
    assert everything(both) == before
    assert both.bill()["requests"] == requests


def test_without_a_change_no_key_is_needed(rig: Rig) -> None:
    """Nobody has to be asked, so no account is."""
    rig.write(TWO)
    assert rig.run().code == 0
    rig.monkeypatch.delenv("APIFRAME_API_KEY")
    assert rig.run().code == 0


@pytest.mark.parametrize("touched", ["renders/one.mp4", "renders/one.mp4.json"])
def test_what_is_newer_than_the_lockfile_is_looked_at(rig: Rig, touched: str) -> None:
    """A sidecar that says something else is written anew, also beside a clip that only looks older."""
    rig.write(TWO)
    assert rig.run().code == 0
    sidecar = rig.folder / "renders" / "one.mp4.json"
    right = sidecar.read_bytes()
    sidecar.write_bytes(right.replace(b"lighthouse", b"lightship!"))
    os.utime(sidecar, (0, 0))
    later(rig, touched)
    assert rig.run().code == 0
    assert sidecar.read_bytes() == right


def test_a_clip_that_is_gone_is_not_standing(rig: Rig) -> None:
    """The other job stands, and `pull` brings back the one that is missing."""
    rig.write(TWO)
    assert rig.run().code == 0
    (rig.folder / "renders" / "one.mp4").unlink()
    assert rig.run().json["counts"]["reused"] == 2
    assert rig.kbatch("pull").code == 0
    assert (rig.folder / "renders" / "one.mp4").exists()


def test_a_shot_that_is_gone_is_kept_aside_though_the_rest_stands(rig: Rig) -> None:
    """Nothing is bought, and yet there is something to do: the clip that no job wants any more."""
    rig.write(TWO)
    assert rig.run().code == 0
    rig.write(TWO.replace("  - {id: two, prompt: a harbour}\n", ""))
    assert rig.run().code == 0
    assert [name for name in rig.clips() if ".kept" in name]
    assert set(rig.lockfile()["jobs"]) == {"one"}


def test_a_new_purchase_beside_what_stands(both: Rig) -> None:
    """What stands is left alone while another job is bought, and a job that shares its request is delivered too."""
    both.write(TWO)
    assert both.run().code == 0
    both.write(TWO + "  - {id: three, prompt: a pier}\n  - {id: twin, prompt: a lighthouse}\n")
    said = both.run()
    assert (said.code, said.json["counts"]) == (0, {**said.json["counts"], "done": 1, "reused": 3})
    assert len(both.charges()) == 3
    assert both.clips()["renders/twin.mp4"] == both.clips()["renders/one.mp4"]


def test_a_chain_takes_its_frame_from_what_stands(rig: Rig) -> None:
    """A job that needs the last frame of a standing clip does not wait for it for ever."""
    rig.write(TWO)
    assert rig.run().code == 0
    chained = TWO + """  - {id: next, prompt: closer, params: {start_image: "{{ last_frame('one') }}"}}\n"""
    rig.open(clips=True)
    rig.write(chained)
    said = rig.run()
    assert said.json["counts"]["done"] + said.json["counts"]["blocked"] == 1
