"""`python -m tests.crash` reports what the families found, and its exit code is the verdict."""

import json
from pathlib import Path

import pytest

from tests.campaign_rig import Rig
from tests.crash import __main__ as command
from tests.crash.tally import Tally


def test_one_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A family runs outside of pytest's fixtures, and its numbers are in the table and in the file."""
    assert command.main(["ceilings", "--json", str(tmp_path / "proof.json")]) == 0
    printed = capsys.readouterr()
    assert "double charges" in printed.out
    assert printed.out.splitlines()[1].split()[:3] == ["ceilings", "0", "5"]
    document = json.loads((tmp_path / "proof.json").read_text())
    assert document["sound"] is True
    assert document["total"]["charges"] == document["families"]["ceilings"]["charges"] == 4


@pytest.mark.parametrize(
    ("found", "code"),
    [
        pytest.param(Tally(charges=7), 0, id="sound"),
        pytest.param(Tally(doubles=1), 1, id="double"),
        pytest.param(Tally(lost=1), 1, id="lost"),
        pytest.param(Tally(overshoots=1), 1, id="overshoot"),
        pytest.param(Tally(surprises=("exit 70",)), 1, id="surprise"),
    ],
)
def test_the_verdict(
    found: Tally, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anything that was double, lost, overspent or not as documented is exit 1, and surprises are shown."""
    monkeypatch.setattr(command, "_FAMILIES", {"made-up": lambda _rig: found})
    assert command.main([]) == code
    printed = capsys.readouterr().out
    assert all(words in printed for words in found.surprises)


def test_a_family_that_breaks_off_is_not_sound(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error in the middle is a surprise with its place, not a table of zeros."""

    def broken(rig: Rig) -> Tally:
        raise KeyError(rig.name)

    monkeypatch.setattr(command, "_FAMILIES", {"broken": broken})
    assert command.main([]) == 1
    assert "KeyError: 'campaign.yaml'" in capsys.readouterr().out


def test_a_family_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt family is a usage error that names the right ones."""
    with pytest.raises(SystemExit) as end:
        command.main(["every-momnet"])
    assert end.value.code == 2
    assert "every-moment" in capsys.readouterr().err


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """`-h` shows how to run one family, for longer, and with JSON."""
    with pytest.raises(SystemExit):
        command.main(["-h"])
    printed = capsys.readouterr().out
    assert "python -m tests.crash --kills 2000 random-moments" in printed
    assert "--json" in printed
