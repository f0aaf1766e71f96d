"""A clip that is damaged or not here is said alike by every command, and fetched again while its provider has it."""

import os
import shutil
from pathlib import Path

import pytest

from tests.campaign_rig import Rig

TWO = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a harbour}
"""
SHARED = """
defaults: {model: kling-2.5-turbo-pro}
shots:
  - {id: one, prompt: a lighthouse}
  - {id: two, prompt: a lighthouse}
"""
CHAIN = """
shots:
  - {id: hero, model: kling-2.5-turbo-pro, prompt: a lighthouse}
"""


def cut(path: Path) -> None:
    """Take the end away."""
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    """Change a byte in the middle, and no size."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    later = path.parent.parent / "campaign.lock.json"
    os.utime(path, ns=(later.stat().st_mtime_ns + 1_000_000, later.stat().st_mtime_ns + 1_000_000))


def overwrite(path: Path) -> None:
    """Put something else there."""
    path.write_bytes(b"notes of mine")


@pytest.mark.parametrize("damage", [cut, flip, overwrite])
def test_a_damaged_clip_is_fetched_again(both: Rig, damage) -> None:  # type: ignore[no-untyped-def]
    """`verify`, `plan` and `run` say that it differs; `pull` puts the clip back and the other file into `.kept/`."""
    both.write(TWO)
    assert both.run().code == 0
    clips = both.clips()
    path = both.folder / "renders" / "one.mp4"
    damage(path)
    altered = path.read_bytes()
    assert both.kbatch("verify").code == 1
    (row, _) = both.kbatch("plan", "--format", "json").json["jobs"]
    assert "differs from the receipt" in row["reason"]
    ran = both.run()
    assert (ran.code, ran.json["absent"]) == (0, {"one": "renders/one.mp4 differs from its receipt"})
    assert "1 reused clip is not as the receipt says: one" in ran.err
    assert path.read_bytes() == altered
    assert "differs from the receipt" in both.kbatch("plan").out
    pulled = both.kbatch("pull")
    assert pulled.code == 0, pulled.err
    assert "renders/one.mp4 differs from its receipt and is fetched again" in pulled.err
    after = both.clips()
    assert {name: after[name] for name in clips} == clips
    (aside,) = [name for name in after if "/.kept/" in name]
    assert (both.folder / aside).read_bytes() == altered
    assert both.kbatch("verify").code == 0
    assert both.run().json["absent"] == {}
    assert len(both.charges()) == 2


@pytest.mark.parametrize("gone", ["poll-404", "download-404"])
def test_a_damaged_clip_that_its_provider_has_no_more(either: Rig, gone: str) -> None:
    """`pull` says so and exits with 1; the file that is here stays where it is."""
    either.write(TWO)
    assert either.run().code == 0
    path = either.folder / "renders" / "one.mp4"
    cut(path)
    altered = path.read_bytes()
    either.faults(gone)
    pulled = either.kbatch("pull")
    assert pulled.code == 1
    assert "owed: one: renders/one.mp4 differs from its receipt; " in pulled.err
    assert path.read_bytes() == altered
    assert either.kbatch("verify").code == 1
    assert len(either.charges()) == 2


def test_a_fresh_clone_says_which_clips_are_not_here(either: Rig) -> None:
    """Nothing is bought, exit 0, and `run` names the clips that `pull` would fetch instead of a folder without them."""
    either.write(TWO)
    assert either.run().code == 0
    shutil.rmtree(either.folder / "renders")
    ran = either.run()
    assert (ran.code, ran.json["absent"]) == (0, {"one": "not here", "two": "not here"})
    assert "2 reused clips are not here: one, two; `kbatch pull` fetches" in ran.err
    assert "clips under" not in ran.err
    assert either.kbatch("pull").code == 0
    ran = either.run()
    assert ran.json["absent"] == {}
    assert "clips under" in ran.err
    assert len(either.charges()) == 2


def test_what_two_jobs_share_is_absent_for_both(either: Rig) -> None:
    """A clip that serves two outputs is missing at both, and comes back to both."""
    either.write(SHARED)
    assert either.run().code == 0
    shutil.rmtree(either.folder / "renders")
    assert set(either.run().json["absent"]) == {"one", "two"}
    assert either.kbatch("pull").code == 0
    assert set(either.clips()) == {"renders/one.mp4", "renders/two.mp4"}


def test_a_damaged_clip_whose_frame_is_needed_is_fetched_first(either: Rig) -> None:
    """A chained purchase takes no frame of a damaged clip: the clip is fetched again for it."""
    either.open(clips=True)
    either.write(CHAIN)
    assert either.run().code == 0
    cut(either.folder / "renders" / "hero.mp4")
    chained = "{id: next, model: kling-2.1, prompt: b, params: {start_image: \"{{ last_frame('hero') }}\"}}"
    either.write(f"{CHAIN}  - {chained}\n")
    said = either.run()
    assert said.code == 0, said.err
    assert either.states() == {"hero": "done", "next": "done"}
    assert either.kbatch("verify").code == 0
    assert len(either.charges()) == 2


@pytest.mark.parametrize("accepted", [False, True], ids=["reminded", "accepted"])
def test_accept_ends_the_reminder_everywhere(either: Rig, accepted: bool) -> None:
    """After it plan, run, status, verify and all reports say no more that something is to be done."""
    either.open({"fault": "short-clip", "times": 1})
    either.write(CHAIN)
    assert either.run().code == 1
    if accepted:
        assert either.kbatch("accept", "hero").code == 0
    junit, page, table = (either.folder / name for name in ("r.xml", "r.html", "r.csv"))
    targets = ("--junit", str(junit), "--html", str(page), "--csv", str(table), "--markdown", "-")
    said = {
        "plan": either.kbatch("plan").out,
        "run": either.run().err,
        "status": either.kbatch("status").out,
        "verify": either.kbatch("verify").out,
        "markdown": either.kbatch("report", *targets).out,
        "explain": either.kbatch("explain", "hero", "--format", "json").json["reason"],
        "junit": junit.read_text(),
        "html": page.read_text().partition("<main")[2],
        "csv": table.read_text(),
    }
    reminding = ("otherwise than bought", "delivered wrong", "delivered-wrong", "--replace")
    reminded = {name for name, text in said.items() if any(words in text for words in reminding)}
    assert reminded == (set() if accepted else set(said))
    if accepted:
        assert "accepted as it is" in said["plan"]
        assert "accepted as it is" in said["status"]
