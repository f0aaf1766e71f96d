"""The account of a purchase: team, user and key prefix, as far as the provider reports them.

A job may belong to a user while its credits belong to a team, so two keys of one team may see different jobs. An answer
that only the buyer's account can give counts only when `compare_accounts` returns `SAME`. Receipts of earlier versions
hold only a team, as a string, which does not identify the user.
"""

import json
from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from kbatch.receipts.shapes import NonEmpty

_KEY_SHOWN = 12


class AccountMatch(Enum):
    """The result of comparing two accounts."""

    SAME = "same"
    OTHER = "other"
    UNPROVEN = "unproven"


class Account(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The account of a key; null where the provider does not report a field.

    `name` identifies nothing: elsewhere the same key may have another name, and the name another key.
    """

    team: Annotated[str | None, Meta(description="The provider's id of the team that pays")]
    user: Annotated[str | None, Meta(description="The provider's id of the user whose jobs they are")]
    key: Annotated[str | None, Meta(description="The prefix by which the provider names the key; never the key")]
    name: Annotated[
        NonEmpty | None,
        Meta(description="The account's name in the environment of its buyer; left out for the default account"),
    ] = None

    def __str__(self) -> str:
        known = msgspec.structs.asdict(self)
        words = [f"{'account' if name == 'name' else name} {value}" for name, value in known.items() if value]
        return ", ".join(words) or "an account that the provider does not name"


StoredAccount = Annotated[
    Account | str | None,
    Meta(description="Whose key bought it, as far as the provider reports; a text is a team alone (earlier versions)"),
]
"""An account in events and receipts."""


def account_of(stored: StoredAccount) -> Account:
    """Return the account stored in an event or a receipt."""
    if isinstance(stored, Account):
        return Account(**{name: value or None for name, value in msgspec.structs.asdict(stored).items()})
    return Account(team=stored or None, user=None, key=None)


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
    fields = msgspec.to_builtins(stored)
    known = sum(1 for value in msgspec.structs.astuple(account_of(stored)) if value)
    return known, json.dumps(fields, sort_keys=True)
