"""`kbatch help`: the help of a command by its name, the same as with `--help`."""

import pytest

from kbatch.cli.main import COMMANDS
from tests.cli.conftest import Run


@pytest.mark.parametrize(
    "words", [pytest.param((), id="all"), *[pytest.param((name,), id=name) for name in COMMANDS], ("lock", "merge")]
)
def test_help_is_what_the_flag_shows(words: tuple[str, ...], run: Run) -> None:
    """Word for word, also for a command of a command."""
    assert run("help", *words) == run(*words, "--help")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("pln",), "did you mean `plan`?", id="near"),
        pytest.param(("lock", "marge"), "No such command 'marge'", id="of-a-command"),
        pytest.param(("plan", "x"), "`kbatch plan` has no commands", id="no-group"),
    ],
)
def test_what_has_no_help_is_said(words: tuple[str, ...], said: str, run: Run) -> None:
    """A name that is none is refused as it is without `help`."""
    ended = run("help", *words)
    assert ended.code == 2
    assert said in ended.err
