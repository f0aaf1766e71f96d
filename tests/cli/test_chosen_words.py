"""The command that agrees to a plan repeats each flag that chose its jobs, or it would mean another plan."""

import pytest

from kbatch.cli.consent import chosen_words
from kbatch.pipeline.load import MOST_JOBS


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        pytest.param({"profile": "draft", "max_jobs": MOST_JOBS}, ("--profile", "draft"), id="default-left-out"),
        pytest.param({"max_jobs": 20_000}, ("--max-jobs", "20000"), id="more-jobs"),
        pytest.param({"models": "cards"}, ("--models", "cards"), id="cards-of-the-user"),
        pytest.param({"only": ("a", "b"), "simulate": True}, ("--only", "a", "--only", "b", "--simulate"), id="many"),
    ],
)
def test_flags_are_repeated(flags: dict[str, object], words: tuple[str, ...]) -> None:
    """Each flag with its value, in one order."""
    assert chosen_words(flags) == words
