"""Links on the way of a write: one that came with the repository leads nowhere, one that a user set up is followed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kbatch import storage
from kbatch.storage import open_folder
from tests.git_repository import Repository


def append(path: Path) -> None:
    """Append a line, as the journal does."""
    sink = storage.Appender(path)
    sink.append(b"kbatch\n")
    sink.close()


def part(path: Path) -> None:
    """Write a piece of a clip."""
    collected = storage.PartFile(path.with_name(path.name.removesuffix(".part")))
    collected.write(b"kbatch")
    collected.close()


def lock(path: Path) -> None:
    """Take a lock and give it back."""
    with storage.Lock(path):
        pass


def hold(path: Path) -> None:
    """Take the lock whose holder's card lies at a path."""
    lock(path.with_name(path.name.removesuffix(".holder.json")))


def moved(path: Path) -> None:
    """Move a file to a path."""
    clip = path.absolute().parents[1] / "clip.mp4"
    clip.write_bytes(b"kbatch")
    storage.move(clip, path)


def follow(path: Path) -> None:
    """Write a line for others to follow."""
    lines = storage.LineFile(path)
    lines.write("kbatch")
    lines.close()


WRITES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "replace": ("a.lock.json", lambda path: storage.write_atomic(path, b"kbatch")),
    "lightly": ("clip.mp4.json", lambda path: storage.write_lightly(path, b"kbatch")),
    "new": ("new.yaml", lambda path: storage.write_new(path, b"kbatch")),
    "append": ("a.journal.jsonl", append),
    "cut": ("a.journal.jsonl", lambda path: storage.cut_back(path, 1)),
    "part": ("clip.mp4.part", part),
    "lock": ("a.lock", lock),
    "holder": ("a.lock.holder.json", hold),
    "move": ("clip.mp4", moved),
    "lines": ("events.jsonl", follow),
}


@pytest.fixture(params=[True, False], ids=["by-descriptor", "by-name"])
def here(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a repository beside a folder `outside` with one file, on a system with descriptors of folders or not."""
    monkeypatch.setattr(open_folder, "BY_DESCRIPTOR", request.param and open_folder.BY_DESCRIPTOR)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"precious\n")
    return Repository(tmp_path / "repository")


def outside(repository: Repository) -> dict[str, bytes]:
    """Return what lies outside."""
    folder = repository.folder.parent / "outside"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_written_into_a_folder_behind_a_tracked_link(here: Repository, name: str) -> None:
    """A link to a folder that a pull request brought is not passed, however deep below it the file lies."""
    (here.folder / "renders").symlink_to("../outside")
    here.commit()
    file, write = WRITES[name]
    with pytest.raises(OSError, match="symbolic link that git tracks"):
        write(here.folder / "renders" / file)
    assert outside(here) == {"precious": b"precious\n"}


@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
@pytest.mark.parametrize("there", [True, False], ids=["file", "dangling"])
@pytest.mark.parametrize("name", [name for name in WRITES if name != "lines"])
def test_no_file_of_kbatch_is_a_link(here: Repository, name: str, *, there: bool, tracked: bool) -> None:
    """A link in the place of a file of kbatch's own is neither followed nor replaced by a file."""
    file, write = WRITES[name]
    link = here.folder / "below" / file
    link.parent.mkdir()
    link.symlink_to(f"../../outside/{'precious' if there else 'new'}")
    if tracked:
        here.commit()
    with pytest.raises(OSError, match=r"link|exists"):
        write(link)
    assert link.is_symlink()
    assert outside(here) == {"precious": b"precious\n"}


def test_a_link_to_a_larger_disk_is_followed(here: Repository) -> None:
    """A link that git does not track is this machine's own: what is written lands behind it, and it is named."""
    (here.folder / "renders").symlink_to(here.folder.parent / "outside")
    storage.write_atomic(here.folder / "renders" / "a" / "clip.mp4", b"clip")
    assert (here.folder.parent / "outside" / "a" / "clip.mp4").read_bytes() == b"clip"
    way = storage.resolve(here.folder / "renders" / "clip.mp4")
    assert way.real == (here.folder.parent / "outside" / "clip.mp4").resolve()
    assert [one.link.name for one in way.away] == ["renders"]


def test_a_link_of_the_user_that_leads_to_a_tracked_one(here: Repository) -> None:
    """Every link on the way counts, also behind another one."""
    (here.folder / "theirs").symlink_to("../outside")
    here.commit()
    (here.folder / "mine").symlink_to("theirs")
    with pytest.raises(OSError, match="symbolic link that git tracks"):
        storage.write_atomic(here.folder / "mine" / "clip.mp4", b"clip")


@pytest.mark.parametrize("name", ["ren[d]ers", "a*", "back\\slash", "-z", ":(top)x", "häuser"])
def test_names_that_git_could_take_for_patterns(here: Repository, name: str) -> None:
    """The question to git is about this name and no pattern."""
    (here.folder / name).symlink_to("../outside")
    here.commit()
    (here.folder / "d").symlink_to("../outside")
    (here.folder / "other").symlink_to("../outside")
    with pytest.raises(OSError, match="symbolic link that git tracks"):
        storage.write_atomic(here.folder / name / "x", b"x")
    storage.write_atomic(here.folder / "other" / "x", b"x")
    storage.write_atomic(here.folder / "d" / "x", b"x")


def test_where_git_cannot_be_asked_nothing_is_written_through_a_link(
    here: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is no permission."""
    monkeypatch.setenv("PATH", "")
    (here.folder / "renders").symlink_to("../outside")
    with pytest.raises(OSError, match="git does not tell"):
        storage.write_atomic(here.folder / "renders" / "x", b"x")


def test_a_circle_of_links_ends(here: Repository) -> None:
    """Links that lead to each other are an error and not a hang."""
    (here.folder / "a").symlink_to("b")
    (here.folder / "b").symlink_to("a")
    with pytest.raises(OSError, match=r"(?i)too many .*symbolic links"):
        storage.write_atomic(here.folder / "a" / "x", b"x")


@pytest.mark.parametrize("name", ["append", "cut", "part", "lines"])
def test_what_is_added_to_a_file_with_two_names_goes_to_one(here: Repository, name: str) -> None:
    """A hard link that an archive brought gives nothing away: the file is made one of its own first."""
    file, write = WRITES[name]
    path = here.write(f"below/{file}", "")
    path.unlink()
    os.link(here.folder.parent / "outside" / "precious", path)
    write(path)
    assert outside(here) == {"precious": b"precious\n"}
    assert path.read_bytes() != b"precious\n"


def test_a_folder_that_becomes_a_link_between_two_writes(here: Repository) -> None:
    """Each write looks for itself: what a pull brings in the middle of a run is not followed."""
    storage.write_atomic(here.folder / "renders" / "one", b"1")
    (here.folder / "renders" / "one").unlink()
    (here.folder / "renders").rmdir()
    (here.folder / "renders").symlink_to("../outside")
    here.commit()
    with pytest.raises(OSError, match="symbolic link that git tracks"):
        storage.write_atomic(here.folder / "renders" / "two", b"2")
