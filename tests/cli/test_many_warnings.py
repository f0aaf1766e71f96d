"""Ten thousand shots with one habit are not ten thousand messages."""

from pathlib import Path

import pytest

from kbatch.cli.main import main

SHOTS = 25


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest whose shots all leave the dearer default."""
    path = tmp_path / "many.yaml"
    shots = "".join(f"  - {{id: s{n}, prompt: shot {n}}}\n" for n in range(SHOTS))
    head = "kbatch: 1\nname: many\nprovider: apiframe\ndefaults: {model: kling-2.6}\n"
    path.write_text(f"{head}shots:\n{shots}", encoding="utf-8")
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it printed."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_a_plan_shows_the_first_of_many_warnings_alike(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten of a kind, then how many more there are and where to see them."""
    code, _, err = said(capsys, "plan", str(manifest))
    assert code == 0
    assert err.count("warning[dear-default]") == 10
    assert f"… and {SHOTS - 10} more of dear-default; `kbatch check` shows all" in err


def test_check_shows_them_all(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Problems are the result of `check`, and nothing of a result is left out."""
    code, out, _ = said(capsys, "check", str(manifest))
    assert code == 0
    assert out.count("warning[dear-default]") == SHOTS
