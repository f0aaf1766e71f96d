"""Sidecars that are wanted stay so until they are written, whoever is cut off meanwhile."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from kbatch.runner.collect import sidecars
from kbatch.runner.limits.path_locks import PathLocks

pytestmark = pytest.mark.anyio


async def test_a_writer_that_is_cut_off_leaves_them_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who writes twice a second is cancelled as it waits for a path; the last one of the run writes them."""
    monkeypatch.setattr(sidecars, "_text", lambda _run, _errand: b'{"sidecar_version": 1}')
    (tmp_path / "one.mp4").write_bytes(b"clip")
    run: Any = SimpleNamespace(pending_sidecars=[SimpleErrand("one.mp4")], path_locks=PathLocks(), folder=tmp_path)
    async with anyio.create_task_group() as tasks, run.path_locks.hold("one.mp4"):
        tasks.start_soon(sidecars.write_sidecars, run)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert not (tmp_path / "one.mp4.json").exists()
    await sidecars.write_sidecars(run)
    assert (tmp_path / "one.mp4.json").read_bytes() == b'{"sidecar_version": 1}'
    assert run.pending_sidecars == []


class SimpleErrand:
    """What a sidecar needs to know of its errand here: the place of the clip."""

    def __init__(self, output: str) -> None:
        self.output = output
