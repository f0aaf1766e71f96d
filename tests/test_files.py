"""Files: what may have been paid is never written over, and reading what a manifest names ends."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from kbatch import storage
from kbatch.errors import Refused

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_does_not_hold_anything_up(tmp_path: Path) -> None:
    """A named pipe that nobody writes to is no regular file, and that is said at once."""
    os.mkfifo(tmp_path / "prompt.j2")
    manifest = tmp_path / "campaign.yaml"
    manifest.write_text(
        "kbatch: 1\nname: test\nprovider: apiframe\n"
        "shots: [{id: one, model: kling-2.5-turbo-pro, prompt_file: prompt.j2}]\n"
    )
    command = [sys.executable, "-m", "kbatch", "check", str(manifest)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert said.returncode == 2
    assert "`prompt.j2` cannot be read: not a regular file" in said.stdout


@pytest.mark.parametrize("act", [storage.move, storage.link_or_copy], ids=["move", "link"])
def test_nothing_takes_the_place_of_a_file(tmp_path: Path, act: Callable[[Path, Path], None]) -> None:
    """A file that stands at a target may have been paid: both stay as they are."""
    source, target = tmp_path / "new.mp4", tmp_path / "clip.mp4"
    source.write_bytes(b"new")
    target.write_bytes(b"paid")
    with pytest.raises(FileExistsError):
        act(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (b"new", b"paid")


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no locks for a folder, nothing runs: two runs could not be told apart."""

    def acquire(_lock: filelock.FileLock) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(Refused) as refused, storage.Lock(tmp_path / "state" / "a.lock"):
        pass
    assert refused.value.code == "no-locks"
    assert f"`{tmp_path / 'state'}` has no locks (No locks available)" in refused.value.message
    assert "--lockfile" in (refused.value.hint or "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_lock_asks_no_pipe_who_holds_it(tmp_path: Path) -> None:
    """A pipe in the holder's place holds nothing up: it is refused at once, as nothing that is no file is replaced."""
    os.mkfifo(tmp_path / "a.lock.holder.json")
    with pytest.raises(OSError, match="no regular file"), storage.Lock(tmp_path / "a.lock"):
        pass


def test_a_lock_is_given_back_when_its_folder_has_become_another(tmp_path: Path) -> None:
    """The card of the holder cannot be removed then; that is no refusal, since credits may have been spent."""
    state = tmp_path / "state"
    with storage.Lock(state / "a.lock"):
        state.rename(tmp_path / "moved")
        state.write_text("no folder any more")
    with storage.Lock(tmp_path / "moved" / "a.lock"):
        pass
