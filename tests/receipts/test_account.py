"""Whose account: three answers, and a team alone proves nothing of the user."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbatch.receipts.account import Account, Kept, Same, account_of, compare, join_accounts, key_shown


def kept(team: str | None = None, user: str | None = None, key: str | None = None) -> Kept:
    """Return an account as a receipt keeps it."""
    return {"team": team, "user": user, "key": key}


CASES = [
    pytest.param(kept("t", "u", "k"), kept("t", "u", "k"), Same.SAME, Same.SAME, id="same-key"),
    pytest.param(kept("t", "u", "k"), kept("t", "u", "l"), Same.SAME, Same.OTHER, id="second-key-of-one-user"),
    pytest.param(kept("t", "u", "k"), kept("t", "v", "l"), Same.OTHER, Same.OTHER, id="colleague"),
    pytest.param(kept("t", "u", "k"), kept("t", "v", "k"), Same.OTHER, Same.OTHER, id="colleague-with-like-key"),
    pytest.param(kept("t", "u", "k"), kept("s", "u", "k"), Same.OTHER, Same.OTHER, id="another-team"),
    pytest.param(kept("t", "u", None), kept("t", "u", "k"), Same.SAME, Same.UNPROVEN, id="key-not-told"),
    pytest.param(kept("t", "u", None), kept("t", "u", None), Same.SAME, Same.UNPROVEN, id="no-key-told"),
    pytest.param(kept(None, "u", "k"), kept("t", "u", "k"), Same.SAME, Same.SAME, id="team-not-told"),
    pytest.param("t", kept("t", "u", "k"), Same.UNPROVEN, Same.UNPROVEN, id="earlier-version-same-team"),
    pytest.param("t", kept("s", "u", "k"), Same.OTHER, Same.OTHER, id="earlier-version-another-team"),
    pytest.param("t", "t", Same.UNPROVEN, Same.UNPROVEN, id="two-teams-alone"),
    pytest.param(None, kept("t", "u", "k"), Same.UNPROVEN, Same.UNPROVEN, id="nothing-told"),
    pytest.param(None, None, Same.UNPROVEN, Same.UNPROVEN, id="neither-told"),
    pytest.param("", kept("", "", ""), Same.UNPROVEN, Same.UNPROVEN, id="empty"),
]  # fmt: skip


@pytest.mark.parametrize(("bought", "now", "same", "same_key"), CASES)
def test_two_accounts(bought: Kept, now: Kept, same: Same, same_key: Same) -> None:
    """User and team decide who sees a job, the key too who may send again; the answer is the same both ways."""
    assert compare(bought, now) is compare(now, bought) is same
    assert compare(bought, now, key=True) is compare(now, bought, key=True) is same_key


def test_an_account_in_words() -> None:
    """A message names all that is known, and nothing else."""
    assert str(account_of(kept("t-1", "u-1", "afk_12"))) == "team t-1, user u-1, key afk_12"
    assert str(account_of("t-1")) == "team t-1"
    assert str(Account()) == "an account that the provider does not name"
    assert key_shown("afk_0123456789abcdef") == "afk_01234567"


WORDS = st.none() | st.sampled_from(["", "a", "b"])
ACCOUNTS = st.none() | st.sampled_from(["", "a", "b"]) | st.builds(kept, WORDS, WORDS, WORDS)


@given(ACCOUNTS, ACCOUNTS, ACCOUNTS)
def test_joining_is_the_same_in_any_order(one: Kept, other: Kept, third: Kept) -> None:
    """Commutative, associative and idempotent, and what says more of itself stays."""
    joined = {str(join_accounts(join_accounts(a, b), c)) for a, b, c in permutations((one, other, third))}
    assert len({word for word in joined if word not in ("None", "")}) <= 1
    assert join_accounts(one, one) == one
    assert join_accounts("t", kept("t", "u", None)) == kept("t", "u", None)
