"""What a failed job cost, in words: an unknown charge is never told as none."""

import pytest

from kbatch.receipts.receipt import describe_remaining_charge


@pytest.mark.parametrize(
    ("credits", "words"),
    [(0, "not charged"), (None, "its charge was not told"), (1, "1 credit stays charged"),
     (1200, "1,200 credits stay charged")],
    ids=["refunded", "unknown", "one", "many"],
)  # fmt: skip
def test_what_stays_charged_is_said(credits: int | None, words: str) -> None:
    """Nothing, something, or nobody told."""
    assert describe_remaining_charge(credits) == words
