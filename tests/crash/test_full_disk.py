"""A disk that fills up: nothing more is submitted, what happened is kept as well as it can be, and nothing is lost."""

import errno
import os
from pathlib import Path

import pytest

from kbatch import files
from tests.rehearsal import AIMLAPI, AIMLAPI_PRICE, Rig, doubles, use_backend

BODY = f"""
{AIMLAPI_PRICE}
run: {{concurrency: 1}}
defaults: {{model: kling-2.5-turbo-pro}}
shots:
  - {{id: shot, prompt: "take {{{{ n }}}}", matrix: {{n: [n1, n2]}}}}
  - {{id: other, provider: aimlapi, model: {AIMLAPI}, prompt: o, params: {{image_url: a.png}}}}
"""
THREE = BODY.replace("[n1, n2]", "[n1, n2, n3]")


class FullDisk:
    """Takes `left` more journal lines, the last of them torn, then none."""

    def __init__(self, patch: pytest.MonkeyPatch, left: int) -> None:
        self.left = left
        self.refused = 0
        self._append = files.Appender.append

        def append(sink: files.Appender, data: bytes) -> None:
            self.append(sink, data)

        patch.setattr(files.Appender, "append", append)

    def append(self, sink: files.Appender, data: bytes) -> None:
        """Append what there is room for."""
        for line in data.splitlines(keepends=True):
            if self.left == 0:
                self.refused += 1
                if self.refused == 1:
                    self._append(sink, line[: len(line) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(sink.path))
            self.left -= 1
            self._append(sink, line)


def test_the_journal_cannot_be_written_any_more(rig: Rig) -> None:
    """From any line on: exit 1 at once, no further submit; with room again nothing is lost or doubled."""
    lines = 0
    while True:
        rig.fresh(f"line-{lines}", latency_s=0.0)
        use_backend(rig.monkeypatch, ("asyncio", "trio")[lines % 2])
        rig.picture("a.png")
        rig.write(BODY)
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(patch, lines)
            said = rig.run()
        if not disk.refused:
            break
        assert said.code == 1, (lines, said.err)
        assert "No space left" in said.err
        lines += 1
        again = rig.run()
        states = rig.states()
        unknown = [name for name, state in states.items() if state == "unknown"]
        # An intention may be on the disk though the line behind it was refused: then AI/ML's job is held, unsent.
        assert again.code == (4 if unknown else 0), (lines, again.err)
        assert all(state == "done" for name, state in states.items() if name not in unknown), lines
        assert len(unknown) <= 1, (lines, unknown)
        assert all(name.startswith("other") for name in unknown), (lines, unknown)
        assert len(rig.charges()) == 3 - len(unknown), lines
        assert doubles(rig.charges()) == 0
    assert lines > 15


def test_a_job_id_that_cannot_be_written_anywhere_is_said(rig: Rig) -> None:
    """When journal and lockfile refuse a job id, it stands in the message, and `reconcile --adopt` brings it back."""
    rig.picture("a.png")
    rig.write(BODY)
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(patch, 2)

        def full(path: Path, data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        patch.setattr(files, "write_atomic", lambda path, data: full(path, data) if "lock.json" in path.name else None)
        said = rig.run("--only", "other")
    assert said.code == 1
    (charge,) = rig.charges()
    assert f"was accepted as job {charge['job_id']}" in said.err
    assert rig.run("--only", "other").code == 4
    assert rig.kbatch("reconcile", "--adopt", f"other={charge['job_id']}").code == 0
    assert len(rig.charges()) == 1


def test_a_folder_that_cannot_be_written_stops_the_submits(rig: Rig) -> None:
    """Clips that cannot be placed are owed, nothing more is bought for them; with the folder mended all is fetched."""
    rig.picture("a.png")
    rig.write(THREE)
    (rig.folder / "renders").write_bytes(b"a file where a folder should be")
    said = rig.run("--only", "shot", "-j", "1")
    assert said.code == 1
    assert said.json["counts"]["owed"] == len(rig.charges()) < 3
    (rig.folder / "renders").unlink()
    assert rig.run("--only", "shot").code == 0
    assert len(rig.charges()) == 3


def test_a_full_disk_under_a_download_stops_the_submits(rig: Rig) -> None:
    """A clip that finds no room is owed, and nothing more is bought that would find none either."""
    rig.picture("a.png")
    rig.write(THREE)
    with pytest.MonkeyPatch.context() as patch:

        def full(part: files.PartFile, data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part.path))

        patch.setattr(files.PartFile, "write", full)
        said = rig.run("--only", "shot", "-j", "1")
    assert said.code == 1
    assert said.json["counts"]["owed"] == len(rig.charges()) < 3
    assert rig.run("--only", "shot").code == 0
    assert len(rig.charges()) == 3


def test_a_run_does_not_end_because_nobody_can_be_told(rig: Rig) -> None:
    """A closed terminal or a full log under the talk changes nothing of what is bought and kept."""
    rig.picture("a.png")
    rig.write(BODY)
    with pytest.MonkeyPatch.context() as patch:

        def broken(_self: object, _happening: object) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

        patch.setattr("kbatch.console.Progress.tell", broken)
        assert rig.run().code == 0
    assert set(rig.states().values()) == {"done"}
