"""Whose account: three answers, and a team alone proves nothing of the user."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.receipts.account import (
    Account,
    AccountMatch,
    StoredAccount,
    account_of,
    compare_accounts,
    join_accounts,
    key_prefix,
)


def stored(team: str | None = None, user: str | None = None, key: str | None = None) -> Account:
    """Return an account as receipts store it."""
    return Account(team=team, user=user, key=key)


SAME, OTHER, UNPROVEN = AccountMatch

CASES = [
    pytest.param(stored("t", "u", "k"), stored("t", "u", "k"), SAME, SAME, id="same-key"),
    pytest.param(stored("t", "u", "k"), stored("t", "u", "l"), SAME, OTHER, id="second-key-of-one-user"),
    pytest.param(stored("t", "u", "k"), stored("t", "v", "l"), OTHER, OTHER, id="colleague"),
    pytest.param(stored("t", "u", "k"), stored("t", "v", "k"), OTHER, OTHER, id="colleague-with-like-key"),
    pytest.param(stored("t", "u", "k"), stored("s", "u", "k"), OTHER, OTHER, id="another-team"),
    pytest.param(stored("t", "u", None), stored("t", "u", "k"), SAME, UNPROVEN, id="key-not-told"),
    pytest.param(stored("t", "u", None), stored("t", "u", None), SAME, UNPROVEN, id="no-key-told"),
    pytest.param(stored(None, "u", "k"), stored("t", "u", "k"), SAME, SAME, id="team-not-told"),
    pytest.param("t", stored("t", "u", "k"), UNPROVEN, UNPROVEN, id="earlier-version-same-team"),
    pytest.param("t", stored("s", "u", "k"), OTHER, OTHER, id="earlier-version-another-team"),
    pytest.param("t", "t", UNPROVEN, UNPROVEN, id="two-teams-alone"),
    pytest.param(None, stored("t", "u", "k"), UNPROVEN, UNPROVEN, id="nothing-told"),
    pytest.param(None, None, UNPROVEN, UNPROVEN, id="neither-told"),
    pytest.param("", stored("", "", ""), UNPROVEN, UNPROVEN, id="empty"),
]  # fmt: skip


@pytest.mark.parametrize(("bought", "now", "same", "same_key"), CASES)
def test_two_accounts(bought: StoredAccount, now: StoredAccount, same: AccountMatch, same_key: AccountMatch) -> None:
    """User and team decide who sees a job, the key too who may send again; the answer is the same both ways."""
    assert compare_accounts(bought, now) is compare_accounts(now, bought) is same
    assert compare_accounts(bought, now, key=True) is compare_accounts(now, bought, key=True) is same_key


def test_an_account_in_words() -> None:
    """A message names all that is known, and nothing else."""
    assert str(account_of(stored("t-1", "u-1", "afk_12"))) == "team t-1, user u-1, key afk_12"
    assert str(account_of("t-1")) == "team t-1"
    assert str(stored()) == "an account that the provider does not name"
    assert key_prefix("afk_0123456789abcdef") == "afk_01234567"


WORDS = st.none() | st.sampled_from(["", "a", "b"])
ACCOUNTS = st.none() | st.sampled_from(["", "a", "b"]) | st.builds(stored, WORDS, WORDS, WORDS)


@given(ACCOUNTS, ACCOUNTS, ACCOUNTS)
def test_joining_is_the_same_in_any_order(one: StoredAccount, other: StoredAccount, third: StoredAccount) -> None:
    """Commutative, associative and idempotent, and what says more of itself stays."""
    joined = {str(join_accounts(join_accounts(a, b), c)) for a, b, c in permutations((one, other, third))}
    assert len({word for word in joined if word not in ("None", "")}) <= 1
    assert join_accounts(one, one) == one
    assert join_accounts("t", stored("t", "u", None)) == stored("t", "u", None)
