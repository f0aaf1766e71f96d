"""Where clips go: a paid clip is never overwritten and never lost, whatever is renamed, changed or put in its way."""

from hashlib import sha256

from tests.campaign_rig import Rig
from tests.crash_points import At, When, die

ONE = "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: a lighthouse}\n"
TWO = ONE + "  - {id: two, prompt: a harbour}\n"


def digest(data: bytes) -> str:
    """Return a SHA-256 in hex."""
    return sha256(data).hexdigest()


def test_a_renamed_output_moves_the_clip(both: Rig) -> None:
    """A new output template moves what is bought, and buys nothing; the receipt follows."""
    both.write(TWO)
    assert both.run().code == 0
    before = set(both.clips().values())
    both.write('output: {dir: clips, name: "{{ shot.id }}/{{ slug }}.mp4"}\n' + TWO)
    said = both.run()
    assert said.code == 0
    assert sorted(both.clips()) == ["clips/one/one.mp4", "clips/two/two.mp4"]
    assert set(both.clips().values()) == before
    assert both.receipt("one")["output"]["path"] == "clips/one/one.mp4"
    assert len(both.charges()) == 2


def test_a_renamed_shot_moves_the_clip(rig: Rig) -> None:
    """A new id is the same request: nothing is bought, the clip goes along."""
    rig.write(ONE)
    assert rig.run().code == 0
    rig.write(ONE.replace("id: one", "id: renamed"))
    assert rig.run().code == 0
    assert list(rig.clips()) == ["renders/renamed.mp4"]
    assert len(rig.charges()) == 1


def test_two_shots_that_swap_their_names(both: Rig) -> None:
    """Each clip stands in the other's place and both arrive."""
    both.write(TWO)
    assert both.run().code == 0
    one, two = both.clips()["renders/one.mp4"], both.clips()["renders/two.mp4"]
    both.write(TWO.replace("id: one", "id: tmp").replace("id: two", "id: one").replace("id: tmp", "id: two"))
    assert both.run().code == 0
    assert both.clips() == {"renders/one.mp4": two, "renders/two.mp4": one}
    assert len(both.charges()) == 2


def test_a_changed_prompt_keeps_the_old_clip_and_going_back_brings_it(both: Rig) -> None:
    """The old clip goes to `.kept/`, the new one to its place; the earlier prompt brings the earlier clip, free."""
    both.write(ONE)
    assert both.run().code == 0
    old = both.clips()["renders/one.mp4"]
    both.write(ONE.replace("lighthouse", "harbour"))
    assert both.run().code == 0
    new = both.clips()["renders/one.mp4"]
    assert both.clips() == {"renders/one.mp4": new, f"renders/.kept/{old}.mp4": old}
    both.write(ONE)
    assert both.run().code == 0
    assert both.clips() == {"renders/one.mp4": old, f"renders/.kept/{new}.mp4": new}
    assert len(both.charges()) == 2
    assert {receipt["output"]["path"] for receipt in both.lockfile()["renders"].values()} == set(both.clips())


def test_a_changed_prompt_that_is_refused_leaves_the_old_clip_alone(rig: Rig) -> None:
    """While the new request is not bought, nothing but the plan has changed."""
    rig.write(ONE)
    assert rig.run().code == 0
    old = rig.clips()
    rig.faults("402")
    rig.write(ONE.replace("lighthouse", "harbour"))
    assert rig.run().code == 5
    assert rig.clips() == old
    rig.faults()
    assert rig.run().code == 0
    assert len(rig.clips()) == 2


def test_a_file_that_nobody_knows_is_kept(both: Rig) -> None:
    """What stands at a target before a clip arrives moves to `.kept/` under its digest."""
    both.write(ONE)
    (both.folder / "renders").mkdir()
    (both.folder / "renders/one.mp4").write_bytes(b"mine")
    assert both.run().code == 0
    assert (both.folder / f"renders/.kept/{digest(b'mine')}.mp4").read_bytes() == b"mine"
    assert both.clips()["renders/one.mp4"] == both.receipt("one")["output"]["sha256"]


def test_a_changed_clip_is_kept_when_its_job_moves(rig: Rig) -> None:
    """A clip that was changed by hand is not the paid one: it is neither moved in its name nor lost."""
    rig.write(ONE)
    assert rig.run().code == 0
    (rig.folder / "renders/one.mp4").write_bytes(b"cut by hand")
    rig.write(ONE.replace("lighthouse", "harbour"))
    assert rig.run().code == 0
    assert (rig.folder / f"renders/.kept/{digest(b'cut by hand')}.mp4").exists()
    assert rig.clips()["renders/one.mp4"] == rig.receipt("one")["output"]["sha256"]


def test_a_profile_has_places_of_its_own_and_shares_receipts(both: Rig) -> None:
    """A profile with the same request links its clip, with another one it buys; neither disturbs the other."""
    both.write(
        "profiles:\n  same: {vars: {x: y}}\n  draft: {override: {model: kling-2.1, params: {mode: standard}}}\n" + TWO
    )
    assert both.run().code == 0
    plain = both.clips()
    assert both.run("--profile", "same").code == 0
    assert len(both.charges()) == 2
    assert both.clips()["renders/same/one.mp4"] == plain["renders/one.mp4"]
    assert both.run("--profile", "draft").code == 0
    assert len(both.charges()) == 4
    assert both.run().json["counts"]["reused"] == 2
    assert {name: clip for name, clip in both.clips().items() if name in plain} == plain
    assert not any(".kept" in name for name in both.clips())
    assert set(both.lockfile()["profiles"]) == {"same", "draft"}


def test_only_one_of_two_that_share_a_clip(rig: Rig) -> None:
    """A run over one of two jobs with the same request takes nothing away from the other."""
    rig.write("defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: same}\n")
    assert rig.run().code == 0
    rig.write(
        "defaults: {model: kling-2.5-turbo-pro}\nshots:\n  - {id: one, prompt: same}\n  - {id: two, prompt: same}\n"
    )
    assert rig.run("--only", "two").code == 0
    assert sorted(rig.clips()) == ["renders/one.mp4", "renders/two.mp4"]
    assert len(rig.charges()) == 1


def test_a_clip_that_was_moved_before_its_record_is_found(rig: Rig) -> None:
    """A run that was cut off between moving a clip aside and recording it has lost nothing."""
    rig.write(ONE)
    assert rig.run().code == 0
    clip = rig.folder / "renders/one.mp4"
    kept = rig.folder / f"renders/.kept/{digest(clip.read_bytes())}.mp4"
    kept.parent.mkdir()
    clip.rename(kept)
    assert rig.run().code == 0
    assert list(rig.clips()) == ["renders/one.mp4"]


def test_a_clip_for_a_place_in_which_another_one_lies_half_fetched(rig: Rig) -> None:
    """The rest of one download is never joined to the beginning of another for the same place."""
    rig.open({"fault": "cut-download", "match": "lighthouse"})
    rig.write(ONE)
    assert rig.run().code == 1
    assert len(rig.leftovers()) == 1
    rig.write(ONE.replace("lighthouse", "harbour"))
    rig.run()
    assert rig.clips()["renders/one.mp4"] == rig.receipt("one")["output"]["sha256"]
    rig.faults()
    assert rig.kbatch("pull").code == 0
    assert len(rig.clips()) == 2
    assert len(set(rig.clips().values())) == 2


def test_a_part_that_was_changed_since_its_digest_was_recorded(rig: Rig) -> None:
    """Killed between record and move, and the bytes are others now: they are not delivered, the clip is fetched."""
    rig.write(ONE)
    assert die(rig, At.MOVE, When.BEFORE, 1)
    (part,) = rig.folder.rglob("*.part")
    paid = digest(part.read_bytes())
    part.write_bytes(part.read_bytes()[:-1] + b"\xff")
    assert rig.run().code == 0
    assert rig.clips() == {"renders/one.mp4": paid}
    assert rig.receipt("one")["output"]["sha256"] == paid
    assert len(rig.charges()) == 1
