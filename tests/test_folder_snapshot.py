"""A look at files: what is there at first sight, asked for once, and nothing for what cannot be seen."""

import os
from pathlib import Path

from kbatch.storage import FolderSnapshot


def test_a_file_has_its_size_and_its_time(tmp_path: Path) -> None:
    """Below the folder, in a folder of its own too."""
    (tmp_path / "renders").mkdir()
    (tmp_path / "renders" / "a.mp4").write_bytes(b"clip")
    os.utime(tmp_path / "renders" / "a.mp4", ns=(5, 7_000_000_000))
    assert FolderSnapshot(tmp_path).at("renders/a.mp4") == (4, 7_000_000_000)


def test_what_is_no_file_is_not_there(tmp_path: Path) -> None:
    """A folder, a name that nobody has, a folder that is a file, and a name that no system takes."""
    (tmp_path / "renders").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"")
    look = FolderSnapshot(tmp_path)
    assert [look.at(path) for path in ("renders", "b.mp4", "renders/b.mp4", "a.mp4/b.mp4", "a\0b")] == [None] * 5


def test_a_file_is_asked_about_once(tmp_path: Path) -> None:
    """What changes later is for a later look."""
    look = FolderSnapshot(tmp_path)
    assert look.at("a.mp4") is None
    (tmp_path / "a.mp4").write_bytes(b"clip")
    assert look.at("a.mp4") is None
    assert FolderSnapshot(tmp_path).at("a.mp4") is not None
