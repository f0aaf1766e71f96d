"""What is called written is on the disk: the order of writing, syncing and renaming, as the system is asked for it."""

import os
from errno import ENOSPC
from io import BufferedRandom, FileIO
from pathlib import Path

import pytest

from kbatch import storage
from kbatch.storage import atomic


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is asked of the system from now on: `sync NAME (BYTES)` for files, `sync NAME/`, `rename NAME`."""
    log: list[str] = []
    sync, rename = os.fsync, os.replace

    def synced(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        log.append(f"sync {path.name}/" if path.is_dir() else f"sync {path.suffix} ({os.fstat(handle).st_size})")
        sync(handle)

    def renamed(name: str, target: str, **folders: int) -> None:
        log.append(f"rename {Path(name).suffix} {target}")
        rename(name, target, **folders)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    return log


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no way to see which file is synced")


def test_a_replaced_file(tmp_path: Path, asked: list[str]) -> None:
    """All bytes are synced before the rename, and the folder after it: a crash leaves the old file or the new one."""
    storage.write_atomic(tmp_path / "a.lock.json", b"four")
    assert asked == ["sync .tmp (4)", "rename .tmp a.lock.json", f"sync {tmp_path.name}/"]


def test_a_full_disk_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is removed, also where its last bytes are on their way when the file is closed."""
    (tmp_path / "a.lock.json").write_bytes(b"before")

    class Full(FileIO):
        def write(self, _data: object) -> int:
            raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "_opened_new", lambda folder, name: BufferedRandom(Full(folder.create(name), "w+b")))
    for write in (storage.write_atomic, storage.write_lightly):
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path / "a.lock.json", b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["a.lock.json"]
    assert (tmp_path / "a.lock.json").read_bytes() == b"before"


def test_a_new_file(tmp_path: Path, asked: list[str]) -> None:
    """A file that must not exist yet is synced, and so is its name."""
    storage.write_new(tmp_path / "a.txt", b"four")
    assert asked == ["sync .txt (4)", f"sync {tmp_path.name}/"]


def test_an_appended_line(tmp_path: Path, asked: list[str]) -> None:
    """The file's name is synced when it is opened, and each line before `append` returns."""
    sink = storage.Appender(tmp_path / "a.jsonl")
    assert asked == [f"sync {tmp_path.name}/"]
    sink.append(b"one\n")
    assert asked[1:] == ["sync .jsonl (4)"]
    sink.append(b"two\n")
    assert asked[2:] == ["sync .jsonl (8)"]
    sink.close()


def test_a_torn_line_that_is_cut_back(tmp_path: Path, asked: list[str]) -> None:
    """What is cut back stays cut back."""
    (tmp_path / "a.jsonl").write_bytes(b"whole\ntor")
    storage.cut_back(tmp_path / "a.jsonl", 6)
    assert asked == ["sync .jsonl (6)"]


def test_a_download(tmp_path: Path, asked: list[str]) -> None:
    """A clip is synced as a `.part` before anyone records its digest, and its new name after it was moved."""
    part = storage.PartFile(tmp_path / "clip.mp4")
    part.write(b"12345678")
    part.sync()
    assert asked == ["sync .part (8)"]
    part.close()
    storage.move(part.path, tmp_path / "renders" / "clip.mp4")
    assert asked[1:] == ["rename .part clip.mp4", "sync renders/", f"sync {tmp_path.name}/"]
