"""Compares the account that bought a purchase with the account of the present key.

A provider answers "no such job" for another user's job and leaves it out of the job list. Such an answer counts only
when the accounts match; a message names the account whose key is needed.
"""

from kbatch.receipts.account import AccountMatch, account_of, compare_accounts, is_colleague
from kbatch.receipts.receipt import Receipt
from kbatch.runner.session import ProviderSession


async def match_account(session: ProviderSession, receipt: Receipt, *, key: bool = False) -> AccountMatch:
    """Return whether this key's account bought it; asks for the balance once where the account is not known yet.

    With `key` the API key itself must match. Receipts of another origin or of the simulator are refused earlier.
    """
    if session.account is None:
        await session.ask_balance()
    return compare_accounts(receipt.account, session.account, key=key)


async def not_visible_reason(session: ProviderSession, receipt: Receipt) -> str | None:
    """Return why an existing job may be invisible to this key; None when the key belongs to the buyer."""
    match await match_account(session, receipt):
        case AccountMatch.SAME:
            return None
        case AccountMatch.OTHER:
            keys = "an admin's key of the team, or that user's" if _colleague(session, receipt) else "that user's key"
            helps = f"`kbatch pull` with {keys} collects it, `kbatch adopt-file ADDRESS FILE` takes the clip from them"
            return f"it was {bought_by(receipt, session)}, and this key's user does not see it: {helps}"
        case AccountMatch.UNPROVEN:
            known = account_of(receipt.account)
            whose = f"its receipt does not prove whose key bought it ({known}), and only that user sees it"
            return f"{whose}: `kbatch pull` with that user's key collects it"


def bought_by(receipt: Receipt, session: ProviderSession | None = None) -> str:
    """Return the buyer's account in words, as far as it is known; `session` tells whether that is a colleague.

    >>> from kbatch.receipts.account import Account
    >>> from kbatch.receipts.receipt import ReceiptState
    >>> account = Account(team="t-1", user="u-1", key="afk_12")
    >>> bought_by(Receipt(state=ReceiptState.SUBMITTED, attempt=1, account=account))
    "bought with another account's key (team t-1, user u-1, key afk_12)"
    """
    whose = (
        "by another user of the team"
        if session is not None and _colleague(session, receipt)
        else "with another account's key"
    )
    return f"bought {whose} ({account_of(receipt.account)})"


def _colleague(session: ProviderSession, receipt: Receipt) -> bool:
    return is_colleague(receipt.account, session.account)
