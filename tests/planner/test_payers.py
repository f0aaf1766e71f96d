"""Who pays for a purchase: the same on every machine, in proportion to the weights, and moved as little as can be."""

from collections import Counter
from hashlib import sha256

import pytest

from kbatch.planner.payers import DEFAULT, ONLY_DEFAULT, account_for, choose_payers

FINGERPRINTS = [sha256(str(number).encode()).hexdigest() for number in range(2_000)]
EVEN = {DEFAULT: 1, "bob": 1}


def test_the_payer_is_the_same_whatever_else_is_bought() -> None:
    """It follows from the fingerprint and the weights alone, not from their order; these are fixed for all versions."""
    assert [account_for(one, EVEN) for one in ("f1", "f2", "f3", "f4")] == ["default", "default", "bob", "default"]
    for one in FINGERPRINTS[:50]:
        assert account_for(one, EVEN) == account_for(one, dict(reversed(EVEN.items())))


@pytest.mark.parametrize("weights", [EVEN, {DEFAULT: 3, "bob": 1}, {"a": 1, "b": 2, "c": 5}], ids=str)
def test_shares_are_as_the_weights(weights: dict[str, int]) -> None:
    """Of 2,000 purchases each account has its part, to within a tenth of all."""
    found = Counter(account_for(one, weights) for one in FINGERPRINTS)
    for name, weight in weights.items():
        assert abs(found[name] / len(FINGERPRINTS) - weight / sum(weights.values())) < 0.05


@pytest.mark.parametrize("more", [{"eve": 1}, {"bob": 2}], ids=["another-account", "a-higher-weight"])
def test_more_weight_takes_purchases_and_moves_no_others(more: dict[str, int]) -> None:
    """A purchase that changes its payer goes to the account that has come, or has more weight."""
    for one in FINGERPRINTS:
        before, after = account_for(one, EVEN), account_for(one, {**EVEN, **more})
        assert after in (before, *more)


CHOICES = {
    "nothing-said": ({}, {}, {}),
    "the-default-account-alone": ({"apiframe": {DEFAULT: 7}}, {}, {}),
    "by-the-manifest": ({"apiframe": EVEN}, {}, {"apiframe": EVEN}),
    "by-the-command-line": ({"apiframe": EVEN}, {None: {"eve": 1}}, {"apiframe": {"eve": 1}, "aimlapi": {"eve": 1}}),
    "for-one-provider": ({"apiframe": EVEN}, {"aimlapi": {"eve": 1}}, {"apiframe": EVEN, "aimlapi": {"eve": 1}}),
    "back-to-the-default": ({"apiframe": EVEN}, {None: ONLY_DEFAULT}, {}),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_command_line_comes_before_the_manifest(case: str) -> None:
    """What is said for a provider comes before what is said for all; the default account alone is not mentioned."""
    stated, chosen, expected = CHOICES[case]
    assert choose_payers(("apiframe", "aimlapi"), stated, chosen) == expected
