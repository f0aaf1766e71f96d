"""The stage of the rehearsals, for runs that are killed; kbatch's own waits are shorter still than a rehearsal's."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign_rig import Rig, Stage, standing
from tests.crash.scenario import hurry


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Keep one server for the whole session."""
    with standing() as stage:
        yield stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let nobody be blamed for what a killed run left open: no process would have been there to close it."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="module", autouse=True)
def _nothing_left() -> Iterator[None]:
    """Drop what killed runs left open before the next module's tests."""
    yield
    before, sys.unraisablehook = sys.unraisablehook, lambda _unraisable: None
    gc.collect()
    sys.unraisablehook = before


@pytest.fixture
def rig(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rig:
    """Return a folder with a world on stage."""
    hurry(monkeypatch)
    return Rig(tmp_path, stage, monkeypatch, capsys)
