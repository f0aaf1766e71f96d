"""The end of a command: at once, with its output and exit code, and without traces in a calling process."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from kbatch.cli.main import main
from kbatch.pipeline.load import LoadedManifest
from kbatch.storage import packaged


def kbatch(*words: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "kbatch", *words], capture_output=True, check=False)


def test_all_is_said_before_the_process_ends() -> None:
    """Nothing that was printed is lost, however long it is."""
    ended = kbatch("schema", "manifest")
    assert ended.returncode == 0
    assert ended.stdout.decode().strip() == packaged("manifest.schema.json").decode().strip()


def test_the_process_ends_with_the_code_of_the_command() -> None:
    """A refusal is said on stderr, and its code reaches the caller."""
    ended = kbatch("plan", "there-is-none.yaml")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"there is no file `there-is-none.yaml`" in ended.stderr


def test_what_a_command_keeps_goes_with_main(campaign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Called from Python, a command leaves no manifest in memory."""
    with pytest.raises(SystemExit):
        main(["plan", str(next(campaign.glob("*.yaml")))])
    capsys.readouterr()
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, LoadedManifest)]
