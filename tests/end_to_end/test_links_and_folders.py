"""Where a run writes is looked at before anything is bought: links, and the folders of the clips."""

import json
import os
from pathlib import Path

import pytest

from kbatch.cli import main
from tests.campaign_rig import Rig
from tests.git_repository import Repository

ONE = "shots:\n  - {id: one, model: kling-2.5-turbo-pro, prompt: a lighthouse}\n"
NAMED = 'output: {name: "{{ shot.id }}/{{ slug }}.mp4"}\n' + ONE
PLACES = (
    "campaign.lock.json", ".kbatch", ".kbatch/history", ".kbatch/campaign.journal.jsonl", ".kbatch/campaign.lock",
    ".kbatch/campaign.lock.holder.json", ".kbatch/history/campaign.covered.json",
    "renders", "renders/one", "renders/one/one.mp4", "renders/.kept",
)  # fmt: skip


def everything(folder: Path) -> dict[str, bytes | None]:
    """Return all that lies in a folder, files with their bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def linked(rig: Rig, place: str, target: str) -> Path:
    """Lead a place of the manifest's folder to something outside it, and return what is outside."""
    outside = rig.folder / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious\n")
    rig.fresh("repository")
    link = rig.folder / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(outside / target, link.parent))
    rig.write(NAMED)
    return outside


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("simulated", [False, True], ids=["real", "simulated"])
def test_a_link_that_a_repository_brings(rig: Rig, place: str, *, simulated: bool) -> None:
    """Nothing is bought and nothing is written outside, whichever of kbatch's places a committed link stands at."""
    if simulated:
        place = place.replace("campaign.", "campaign.sim.").replace("renders", "renders-sim")
    folder = "." not in Path(place).name.lstrip(".")
    outside = linked(rig, place, "." if folder else "precious")
    before = everything(outside)
    Repository(rig.folder).git("add", "--all", "--force")
    said = rig.run("--simulate") if simulated else rig.run()
    assert said.code == 3, said.err
    assert Path(place).name in said.err
    assert everything(outside) == before
    assert (rig.folder / place).is_symlink()
    assert not rig.charges()


@pytest.mark.parametrize("target", ["precious", "nothing"])
def test_a_planted_part_or_sidecar(rig: Rig, target: str) -> None:
    """A link at a clip's sidecar is left alone, and said; the clip comes."""
    outside = linked(rig, "renders/one/one.mp4.json", target)
    Repository(rig.folder).commit()
    before = everything(outside)
    assert rig.run().code == 0
    assert everything(outside) == before
    assert (rig.folder / "renders/one/one.mp4.json").is_symlink()


@pytest.mark.parametrize("name", ["renders", ".kbatch"])
@pytest.mark.parametrize("repository", [True, False], ids=["git", "no-git"])
def test_a_link_to_a_larger_disk(rig: Rig, name: str, *, repository: bool) -> None:
    """A folder that the user has led to another disk is used, and the run says so once."""
    outside = linked(rig, name, ".")
    if repository:
        Repository(rig.folder)
    said = rig.run()
    assert said.code == 0, said.err
    assert said.err.count("where that link leads") == 1
    assert (rig.folder / name).is_symlink()
    assert len(everything(outside)) > 1
    assert rig.run().code == 0
    assert len(rig.charges()) == 1


def test_a_lockfile_behind_a_link_is_written_through_it(rig: Rig) -> None:
    """Two folders share a lockfile by links: what one has bought the other knows, and both links stay links."""
    (rig.root / "shared.lock.json").write_text(
        json.dumps({"jobs": {}, "lockfile_version": 1, "manifest": "campaign.yaml", "renders": {}})
    )
    for folder in ("here", "there"):
        rig.fresh(folder) if folder == "here" else (rig.root / folder).mkdir()
        rig.folder = rig.root / folder
        rig.write(ONE)
        (rig.folder / "campaign.lock.json").symlink_to("../shared.lock.json")
        said = rig.run()
        assert said.code == 0, said.err
        assert (rig.folder / "campaign.lock.json").is_symlink()
    assert len(json.loads((rig.root / "shared.lock.json").read_bytes())["renders"]) == 1
    assert len(rig.charges()) == 1


def test_a_lockfile_behind_a_link_to_nothing_yet(rig: Rig) -> None:
    """The first run makes the lockfile where the user's link leads."""
    rig.write(ONE)
    (rig.folder / "shared").mkdir()
    (rig.folder / "campaign.lock.json").symlink_to("shared/all.lock.json")
    assert rig.run().code == 0
    assert (rig.folder / "campaign.lock.json").is_symlink()
    assert json.loads((rig.folder / "shared/all.lock.json").read_bytes())["renders"]
    assert rig.run().json["counts"]["reused"] == 1


def test_a_manifest_by_two_names_has_one_lockfile(rig: Rig) -> None:
    """A manifest that is reached by a link is the manifest: AI/ML API would take the money a second time."""
    rig.write(ONE)
    (rig.folder / "alias.yaml").symlink_to("campaign.yaml")
    assert rig.run().code == 0
    said = rig.kbatch("run", "--yes", "--format", "json", manifest="alias.yaml")
    assert said.code == 0
    assert said.json["counts"]["reused"] == 1
    assert len(rig.charges()) == 1
    assert [path.name for path in rig.folder.glob("*.lock.json")] == ["campaign.lock.json"]
    assert [path.name for path in (rig.folder / ".kbatch").glob("*.lock")] == ["campaign.lock"]


def test_a_manifest_link_that_leads_out_of_the_repository(rig: Rig) -> None:
    """A committed link in a manifest's place shows nothing of the file outside."""
    outside = linked(rig, "other.yaml", "precious")
    (outside / "precious").write_text("kbatch: 1\nsecret: hunter2\n")
    Repository(rig.folder).commit()
    said = rig.kbatch("check", manifest="other.yaml")
    assert said.code == 2
    assert "hunter2" not in said.out + said.err
    assert "leads out of its tree" in said.out


def stand_a_file(place: Path) -> None:
    """Put a file where a folder is to be."""
    place.write_text("x")


def lead_nowhere(place: Path) -> None:
    """Put a link to a disk that is not there."""
    place.symlink_to("/nowhere/at/all")


def stand_a_folder(place: Path) -> None:
    """Put a folder where a clip is to be."""
    place.mkdir()


def stand_a_pipe(place: Path) -> None:
    """Put a named pipe where a clip is to be."""
    os.mkfifo(place)


@pytest.mark.parametrize(
    ("place", "put", "words"),
    [
        pytest.param("renders", stand_a_file, "is a file, and no folder", id="file"),
        pytest.param("renders", lead_nowhere, "which is not there", id="dangling"),
        pytest.param("renders/one", stand_a_file, "is a file, and no folder", id="file-below"),
        pytest.param("renders/one", lead_nowhere, "which is not there", id="dangling-below"),
        pytest.param("renders/one/one.mp4", stand_a_folder, "a folder stands at the place", id="folder-at-clip"),
        pytest.param("renders/one/one.mp4", lead_nowhere, "a symbolic link stands at the place", id="link-at-clip"),
        pytest.param("renders/one/one.mp4", stand_a_pipe, "something that is no file", id="pipe-at-clip"),
    ],
)
def test_a_place_that_clips_cannot_come_to(rig: Rig, place: str, put, words: str) -> None:
    """It is found before the first submit, `plan` warns of it, and `doctor` says it."""
    rig.write(NAMED)
    (rig.folder / place).parent.mkdir(parents=True, exist_ok=True)
    put(rig.folder / place)
    said = rig.run()
    assert said.code == 3
    assert words in said.err
    assert not rig.charges()
    assert words in rig.kbatch("plan").err
    found = rig.kbatch("doctor", "--format", "json")
    assert found.code == 1
    assert any(words in one["words"] and one["good"] is False for one in found.json["findings"])


def test_a_folder_that_refuses_to_be_written(rig: Rig) -> None:
    """A mount that is read-only refuses the first file, and that is seen before the first submit."""
    rig.write(ONE)
    (rig.folder / "renders").mkdir()
    create = os.open

    def read_only(path, flags, *args, **more):
        if flags & os.O_EXCL and str(path).startswith(".kbatch.") and str(path).endswith(".tmp"):
            raise OSError(30, "Read-only file system")
        return create(path, flags, *args, **more)

    with rig.monkeypatch.context() as patch:
        patch.setattr(os, "open", read_only)
        said = rig.run()
    assert said.code == 3
    assert "Read-only file system" in said.err
    assert not rig.charges()


def test_doctor_looks_at_the_manifests_of_this_folder(rig: Rig) -> None:
    """Without a name every manifest here is looked at; another YAML file is none."""
    rig.write(ONE)
    (rig.folder / "docker-compose.yaml").write_text("services: {}\n")
    (rig.folder / "renders").write_text("x")
    rig.monkeypatch.chdir(rig.folder)
    rig.name = "--format=json"
    rig.capsys.readouterr()

    with pytest.raises(SystemExit) as end:
        main(["doctor", "--format", "json"])
    found = json.loads(rig.capsys.readouterr().out)["findings"]
    assert end.value.code == 1
    assert [one["name"] for one in found if one["name"].endswith(".yaml")] == ["campaign.yaml"]


@pytest.mark.parametrize("place", ["../secret.mp4", "renders"], ids=["outside", "link"])
@pytest.mark.parametrize("command", [("report", "--html", "page.html"), ("preview",)], ids=["report", "preview"])
def test_no_page_shows_a_film_from_outside(rig: Rig, place: str, command: tuple[str, ...]) -> None:
    """A lockfile or a link from a pull request cannot put another's film into a page, as it stops a run."""
    rig.fresh("repository")
    rig.write(ONE)
    assert rig.run().code == 0
    if place == "renders":
        (rig.folder / "renders").rename(rig.root / "private")
        (rig.folder / "renders").symlink_to("../private")
        Repository(rig.folder).git("add", "--force", "renders")
        code = 3
    else:
        text = (rig.folder / "campaign.lock.json").read_text()
        (rig.folder / "campaign.lock.json").write_text(text.replace("renders/one.mp4", place))
        code = 2
    rig.monkeypatch.chdir(rig.folder)
    said = rig.kbatch(*command)
    assert said.code == code, said.err
    assert not list(rig.folder.glob("*.html"))
    assert not list(rig.folder.glob("*preview*"))
