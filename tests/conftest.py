"""What every test shares: async tests run on asyncio and on trio, on one process more than there are cores."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Workers and the hundreds of processes that tests start share one cache of bytecode, outside the packages under test:
# without it, as where PYTHONDONTWRITEBYTECODE is set, each `kbatch` takes 2.7 times as long to start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parents[1] / ".cache" / "pycache"))

# No test is timed: a busy machine is no fault.
settings.register_profile("kbatch", deadline=None)
settings.load_profile("kbatch")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores: tests that wait for a socket or a process leave theirs to others."""
    return (os.cpu_count() or 1) + 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the golden files be written anew; read their difference before it is kept."""
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing with them")


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let kbatch make its key for state in a folder of the tests, in processes of their own too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))
        patch.delenv("KBATCH_STATE_KEY", raising=False)
        yield


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each async test on both event loops."""
    return str(request.param)
