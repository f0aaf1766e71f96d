"""What leaves kbatch is UTF-8 wherever no terminal shows it, whatever Python would have chosen for the stream."""

import json
import os
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from kbatch.cli.ui.streams import speak_utf8

MANIFEST = """\
kbatch: 1
name: words
provider: apiframe
defaults: {model: kling-2.5-turbo-pro}
shots: [{id: café-灯台, prompt: a lighthouse → dusk}]
"""


def _said(folder: Path, *words: str) -> bytes:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "kbatch", *words], env=environment, cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


def test_a_pipe_with_a_code_page_gets_utf8(tmp_path: Path) -> None:
    """A plan with arrows and letters that cp1252 lacks is whole UTF-8 on a pipe, as text and as JSON."""
    (tmp_path / "m.yaml").write_text(MANIFEST, encoding="utf-8")
    assert "café-灯台" in _said(tmp_path, "plan", "m.yaml").decode("utf-8")
    assert json.loads(_said(tmp_path, "plan", "m.yaml", "--format", "json"))["jobs"][0]["address"] == "café-灯台"


def test_what_no_encoding_holds_is_written_as_its_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a surrogate pair, as a cut text or the bytes of a file's name may hold, is an escape that JSON reads."""
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="ascii"))
    speak_utf8()
    sys.stdout.write(json.dumps("灯\ud83d", ensure_ascii=False))
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode("utf-8")) == "灯\ud83d"


class _Screen(TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_a_terminal_keeps_its_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal with another encoding what it lacks is an escape, and the rest is readable there."""
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", _Screen(written, encoding="latin-1"))
    speak_utf8()
    sys.stdout.write("café 灯\n")
    sys.stdout.flush()
    assert written.getvalue().splitlines()[0] == b"caf\xe9 \\u706f"


@pytest.mark.skipif(sys.platform == "win32", reason="names are UTF-16 there")
def test_a_name_that_no_file_can_have_here(tmp_path: Path) -> None:
    """Where file names are ASCII, a clip's name of other letters is refused before anything is bought."""
    (tmp_path / "m.yaml").write_text(MANIFEST, encoding="utf-8")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "kbatch", "run", "m.yaml", "--simulate", "--yes"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 2
    assert "error[name-encoding]: `renders-sim/café-灯台.mp4`" in done.stderr.decode("utf-8")
    assert not (tmp_path / "m.sim.lock.json").exists()
