"""Two manifests whose clips have one place: each finds its own clip again, and both are warned before they buy."""

import pytest

from tests.campaign_rig import Rig

SPRING = "shots:\n  - {id: hero, model: kling-2.1, params: {mode: standard}, prompt: blossom}\n"
SUMMER = "shots:\n  - {id: hero, model: kling-2.1, params: {mode: standard}, prompt: the beach}\n"


@pytest.fixture
def two(rig: Rig) -> Rig:
    """Return a folder with two manifests that write to one place."""
    rig.write(SPRING, name="spring.yaml")
    rig.write(SUMMER, name="summer.yaml")
    return rig


def clip(rig: Rig, name: str) -> str:
    """Return the digest of a manifest's clip, by its lockfile."""
    (receipt,) = rig.lockfile(f"{name}.lock.json")["renders"].values()
    return str(receipt["output"]["sha256"])


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_second_one_is_warned_before_it_buys(two: Rig, command: str) -> None:
    """The warning names the place and the other's lockfile; a manifest alone gets none."""
    first = two.kbatch("run", "--yes", manifest="spring.yaml")
    assert first.code == 0
    assert "warning" not in first.err
    said = two.kbatch(command, *(("--yes", "--max-credits", "0") if command == "run" else ()), manifest="summer.yaml")
    assert "warning: `renders/hero.mp4` is a place of spring.lock.json too" in said.err
    assert len(two.charges()) == 1


def test_each_finds_its_own_clip_again(two: Rig) -> None:
    """A run puts its own clip back, by its digest, though another one of any size stands there."""
    for _ in range(2):
        for name in ("spring", "summer"):
            assert two.kbatch("run", "--yes", manifest=f"{name}.yaml").code == 0
            assert two.clips()["renders/hero.mp4"] == clip(two, name)
            assert two.kbatch("verify", manifest=f"{name}.yaml").code == 0
    assert len(two.charges()) == 2
    assert sorted(two.clips().values()) == sorted((clip(two, "spring"), clip(two, "summer")))


def test_a_place_that_two_lockfiles_know_is_not_believed(two: Rig) -> None:
    """The other's clip with the very size of this one, and older than the lockfile, is found out by its digest."""
    assert two.kbatch("run", "--yes", manifest="spring.yaml").code == 0
    assert two.kbatch("run", "--yes", manifest="summer.yaml").code == 0
    lockfile = two.folder / "spring.lock.json"
    size = next(iter(two.lockfile("spring.lock.json")["renders"].values()))["output"]["bytes"]
    place = two.folder / "renders/hero.mp4"
    other = next(iter(two.lockfile("summer.lock.json")["renders"].values()))["output"]["bytes"]
    if other != size:
        place.write_bytes(place.read_bytes()[:size].ljust(size, b"\0"))
    lockfile.touch()
    assert two.kbatch("run", "--yes", manifest="spring.yaml").code == 0
    assert two.clips()["renders/hero.mp4"] == clip(two, "spring")


def test_what_is_kept_aside_is_known(two: Rig) -> None:
    """`verify` says of a clip that was moved aside that a run brings it back, and of no file that it is unknown."""
    for name in ("spring", "summer"):
        assert two.kbatch("run", "--yes", manifest=f"{name}.yaml").code == 0
    said = two.kbatch("verify", manifest="spring.yaml")
    assert said.code == 1
    assert "kept aside, another clip stands in its place; `kbatch run` brings it back" in said.out
    assert "no receipt knows" not in said.out


def test_a_chain_goes_on_with_its_own_clip(two: Rig) -> None:
    """A purchase that needs a frame of the clip that was moved aside gets it, and is not blocked."""
    two.open(clips=True)
    for name in ("spring", "summer"):
        assert two.kbatch("run", "--yes", manifest=f"{name}.yaml").code == 0
    chained = "  - {id: next, model: kling-2.1, params: {mode: standard, start_image: \"{{ last_frame('hero') }}\"}, "
    two.write(SPRING + chained + "prompt: on}\n", name="spring.yaml")
    said = two.kbatch("run", "--yes", "--format", "json", manifest="spring.yaml")
    assert said.json["counts"]["blocked"] == 0
    assert two.clips()["renders/hero.mp4"] == clip_of(two, "spring", "hero")


def clip_of(rig: Rig, name: str, address: str) -> str:
    """Return the digest of the clip of a job."""
    lockfile = rig.lockfile(f"{name}.lock.json")
    return str(lockfile["renders"][lockfile["jobs"][address]["fingerprint"]]["output"]["sha256"])


def test_the_same_purchase_in_both_is_no_collision(rig: Rig) -> None:
    """Two lockfiles with one clip at one place do not disturb each other."""
    rig.write(SPRING, name="spring.yaml")
    assert rig.kbatch("run", "--yes", manifest="spring.yaml").code == 0
    rig.write(SPRING, name="copy.yaml")
    (rig.folder / "copy.lock.json").write_text((rig.folder / "spring.lock.json").read_text())
    said = rig.kbatch("run", "--yes", manifest="copy.yaml")
    assert said.code == 0
    assert "warning" not in said.err
