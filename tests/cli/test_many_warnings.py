"""Ten thousand shots with one habit are not ten thousand messages."""

from pathlib import Path

import pytest

from kbatch.cli.main import main

SHOTS = 25


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest whose shots all leave the more expensive default."""
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


def test_an_amount_beyond_64_bits_is_printed(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A price of one's own may be any whole number, in JSON too."""
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(f"{text}prices: {{apiframe/kling-2.6: {{credits: {10**25}}}}}\n", encoding="utf-8")
    code, out, _ = said(capsys, "plan", str(manifest), "--format", "json")
    assert code == 0
    assert str(SHOTS * 10**25) in out


def test_a_ceiling_for_an_unknown_provider_names_the_known_ones(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A provider that resembles none is answered with all of them."""
    code, _, err = said(capsys, "plan", str(manifest), "--max-credits", "zzz=5")
    assert code == 2
    assert "known: `aimlapi`, `apiframe`" in err


@pytest.mark.parametrize("form", ["github"])
def test_a_form_that_a_saved_plan_lacks_is_refused(
    manifest: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Nothing is printed in another form than was asked for."""
    saved = manifest.with_name("plan.json")
    assert said(capsys, "plan", str(manifest), "--out", str(saved))[0] == 0
    code, out, err = said(capsys, "plan", str(saved), "--format", form)
    assert (code, out) == (2, "")
    assert "a saved plan is shown as text, json, markdown or html" in err
