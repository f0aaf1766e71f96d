"""One simulator on a socket for all rehearsals; each test has a world and a folder of its own."""

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from kbatch.runner import open_sessions
from tests.campaign_rig import Rig, Stage, standing, use_backend


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Keep one server for the whole session."""
    with standing() as stage:
        yield stage


@pytest.fixture
def rig(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rig:
    """Return a folder with a world on stage; the waits of runs in this process are shorter still than a rehearsal's."""
    monkeypatch.setattr(open_sessions, "poll_scale", lambda _text, *, loopback: 0.0002 if loopback else 1.0)
    return Rig(tmp_path, stage, monkeypatch, capsys)


@pytest.fixture(params=["asyncio", "trio"])
def both(request: pytest.FixtureRequest, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Return a rig whose commands run on asyncio, and on trio."""
    use_backend(monkeypatch, str(request.param))
    return rig


@pytest.fixture
def either(request: pytest.FixtureRequest, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Return a rig whose commands run on asyncio or on trio, by the test's name: for long tables, half on each."""
    use_backend(monkeypatch, ("asyncio", "trio")[crc32(request.node.name.encode()) % 2])
    return rig
