"""The stage of the rehearsals, for runs that are killed; kbatch's own waits are shorter still than a rehearsal's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.trial import hurry
from tests.rehearsal import Rig, Stage, standing


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Keep one server for the whole session."""
    with standing() as stage:
        yield stage


@pytest.fixture
def rig(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rig:
    """Return a folder with a world on stage."""
    hurry(monkeypatch)
    return Rig(tmp_path, stage, monkeypatch, capsys)
