"""The account of a purchase: team, user and key prefix, as far as the provider reports them.

A job may belong to a user while its credits belong to a team, so two keys of one team may see different jobs. An answer
that only the buyer's account can give counts only when `compare_accounts` returns `SAME`. Receipts of earlier versions
hold only a team, as a string, which does not identify the user.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

StoredAccount = Mapping[str, Any] | str | None
"""An account in events and receipts: an object of team, user and key, a team alone (earlier versions), or null."""

_KEY_SHOWN = 12


class AccountMatch(Enum):
    """The result of comparing two accounts."""

    SAME = "same"
    OTHER = "other"
    UNPROVEN = "unproven"


class Account(Struct, frozen=True, kw_only=True):
    """Ids of team and user, and the key prefix that the provider shows; None: not reported.

    `name` is the account's name in the environment of its buyer, None for the default account. It identifies nothing:
    elsewhere the same key may have another name, and the name another key.
    """

    team: str | None = None
    user: str | None = None
    key: str | None = None
    name: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object of events and receipts."""
        named = {} if self.name is None else {"name": self.name}
        return {"team": self.team, "user": self.user, "key": self.key, **named}

    def __str__(self) -> str:
        words = [f"{'account' if name == 'name' else name} {value}" for name, value in self.as_json().items() if value]
        return ", ".join(words) or "an account that the provider does not name"


def account_of(stored: StoredAccount) -> Account:
    """Return the account stored in an event or a receipt."""
    if stored is None or isinstance(stored, str):
        return Account(team=stored or None)
    return Account(**{name: stored.get(name) or None for name in ("team", "user", "key", "name")})


def payer_of(stored: StoredAccount) -> str | None:
    """Return the id of the team, else of the user: credits belong to the team, whichever key spends them."""
    account = account_of(stored)
    return account.team or account.user


def key_prefix(prefix: str) -> str:
    """Return the first 12 characters of a key: enough to identify it, too few to use it.

    >>> key_shown("afk_0123456789abcdef")
    'afk_01234567'
    """
    return prefix[:_KEY_SHOWN]


def compare_accounts(bought: StoredAccount, now: StoredAccount, *, key: bool = False) -> AccountMatch:
    """Compare the buyer's account with the present one; with `key` the API key must be the same too.

    The user decides, since users see their own jobs. When a user is unknown, different teams give OTHER, else UNPROVEN;
    where a provider names neither, the same key is the same account.
    """
    one, other = account_of(bought), account_of(now)
    if one.team and other.team and one.team != other.team:
        return AccountMatch.OTHER
    if not one.user or not other.user:
        nameless = not (one.user or other.user or one.team or other.team)
        return AccountMatch.SAME if nameless and one.key and one.key == other.key else AccountMatch.UNPROVEN
    if one.user != other.user:
        return AccountMatch.OTHER
    if not key or one.key == other.key:
        return AccountMatch.SAME if not key or one.key else AccountMatch.UNPROVEN
    return AccountMatch.OTHER if one.key and other.key else AccountMatch.UNPROVEN


def is_colleague(bought: StoredAccount, now: StoredAccount) -> bool:
    """Whether both accounts are known to be of one team and of different users."""
    one, other = account_of(bought), account_of(now)
    same_team = one.team is not None and one.team == other.team
    return same_team and one.user is not None and other.user is not None and one.user != other.user


def join_accounts(one: StoredAccount, other: StoredAccount) -> StoredAccount:
    """Return the account with more known fields; commutative, ties are broken by their JSON."""
    if one == other or not other:
        return one
    return max(one, other, key=_rank) if one else other


def _rank(stored: StoredAccount) -> tuple[int, str]:
    known = sum(1 for value in account_of(stored).as_json().values() if value)
    return known, json.dumps(stored, sort_keys=True)
