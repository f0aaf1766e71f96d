"""Whose account a purchase belongs to: team, user and the beginning of the key, as far as the provider tells them.

A job may belong to a user while its credits belong to a team: then two keys of one team see different jobs. What only
the buyer's account can know is believed only when `compare` says `SAME`. Receipts of earlier versions name a team only,
as a text: that proves nothing of the user.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

StoredAccount = Mapping[str, Any] | str | None
"""An account as events and receipts keep it: an object of these three, a team as a text (earlier versions), or null."""

_KEY_SHOWN = 12


class AccountMatch(Enum):
    """What two accounts are to one another."""

    SAME = "same"
    OTHER = "other"
    UNPROVEN = "unproven"


class Account(Struct, frozen=True, kw_only=True):
    """Ids of team and user, and the beginning of the key with which the provider names it; None: not told."""

    team: str | None = None
    user: str | None = None
    key: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the form in which events and receipts keep it."""
        return {"team": self.team, "user": self.user, "key": self.key}

    def __str__(self) -> str:
        words = [f"{name} {value}" for name, value in self.as_json().items() if value]
        return ", ".join(words) or "an account that the provider does not name"


def account_of(stored: StoredAccount) -> Account:
    """Return the account that an event or a receipt keeps."""
    if stored is None or isinstance(stored, str):
        return Account(team=stored or None)
    return Account(team=stored.get("team") or None, user=stored.get("user") or None, key=stored.get("key") or None)


def payer_of(stored: StoredAccount) -> str | None:
    """Return who pays, the team or else the user: credits belong to a team, whichever of its keys spends them."""
    account = account_of(stored)
    return account.team or account.user


def key_prefix(prefix: str) -> str:
    """Return as much of a key's beginning as names it and can never serve as the key.

    >>> key_shown("afk_0123456789abcdef")
    'afk_01234567'
    """
    return prefix[:_KEY_SHOWN]


def compare_accounts(bought: StoredAccount, now: StoredAccount, *, key: bool = False) -> AccountMatch:
    """Say whether the account that asks now is the one that bought; with `key` it must be the same key too.

    Users decide: they see their own jobs. Where either user is not known, two teams can only differ.
    """
    one, other = account_of(bought), account_of(now)
    if one.team and other.team and one.team != other.team:
        return AccountMatch.OTHER
    if not one.user or not other.user:
        return AccountMatch.UNPROVEN
    if one.user != other.user:
        return AccountMatch.OTHER
    if not key or one.key == other.key:
        return AccountMatch.SAME if not key or one.key else AccountMatch.UNPROVEN
    return AccountMatch.OTHER if one.key and other.key else AccountMatch.UNPROVEN


def join_accounts(one: StoredAccount, other: StoredAccount) -> StoredAccount:
    """Return, whichever comes first, the account that says more of itself, of two that say as much always the same."""
    if one == other or not other:
        return one
    return max(one, other, key=_rank) if one else other


def _rank(stored: StoredAccount) -> tuple[int, str]:
    known = sum(1 for value in account_of(stored).as_json().values() if value)
    return known, json.dumps(stored, sort_keys=True)
