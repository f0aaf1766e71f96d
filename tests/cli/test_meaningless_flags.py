"""Flags that would mean nothing to a command are refused as usage, never taken and ignored."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("pull", "--replace", "hero"), "--replace", id="pull-buys-nothing-again"),
        pytest.param(("pull", "--cascade"), "--cascade", id="pull-has-no-cascade"),
        pytest.param(("pull", "--first", "1"), "--first", id="pull-has-no-purchases"),
        pytest.param(("pull", "--failed"), "--failed", id="pull-collects-nothing-that-failed"),
        pytest.param(("plan", "plan.json", "--check"), "--check is for the plan of a manifest", id="saved-check"),
        pytest.param(("plan", "plan.json", "--only", "x"), "--only is for the plan of a manifest", id="saved-only"),
        pytest.param(("plan", "plan.json", "--max-credits", "1"), "--max-credits is for", id="saved-ceiling"),
        pytest.param(("plan", "plan.json", "--out", "b.json"), "--out is for", id="saved-again"),
        pytest.param(("plan", "--cascade"), "--cascade needs --replace", id="cascade-alone"),
        pytest.param(("run", "--seed", "3"), "--seed needs --faults", id="seed-alone"),
        pytest.param(("reconcile", "--bought-with-this-key"), "needs --lost", id="whose-key-alone"),
        pytest.param(
            ("preview", "--silent", "--contact-sheet", "a.png"), "--silent is for the film", id="silent-sheet"
        ),
    ],
)
def test_a_flag_that_means_nothing_is_refused(
    words: tuple[str, ...], said: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with the flag's name, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    run("init", ".")
    run("plan", "--out", "plan.json")
    before = sorted(path.name for path in tmp_path.iterdir())
    ended = run(*words)
    assert ended.code == 2
    assert said in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
