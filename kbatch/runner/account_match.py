"""Whose key bought a purchase, held against the key that asks now: what only the buyer can know no other may say.

A provider's answer "no such job" says nothing of a colleague's job, and a list lacks it. So the account is asked for
before either counts, and a message names whose key it takes.
"""

from kbatch.receipts.account import Same, account_of, compare
from kbatch.receipts.receipt import Receipt
from kbatch.runner.session import ProviderSession


async def same_account(session: ProviderSession, receipt: Receipt, *, key: bool = False) -> Same:
    """Say whether this key's account bought it, asking for the account where it is not known yet; `key`: this very key.

    What another origin or a simulator has sold is not asked here: such receipts are refused before.
    """
    if session.account is None:
        await session.ask_balance()
    return compare(receipt.account, session.account, key=key)


async def not_visible_reason(session: ProviderSession, receipt: Receipt) -> str | None:
    """Return why this key may not see a job that is there, in words; None when it is the buyer's own."""
    match await same_account(session, receipt):
        case Same.SAME:
            return None
        case Same.OTHER:
            return f"it was {bought_by(receipt)}, and this key's user does not see it: a key of that user does"
        case Same.UNPROVEN:
            told = account_of(receipt.account)
            return f"its receipt does not prove whose key bought it ({told}), and only that user sees it"


def bought_by(receipt: Receipt) -> str:
    """Return whose key bought it: team, user and how the key begins, as far as they are known.

    >>> from kbatch.receipts.receipt import ReceiptState
    >>> account = {"team": "t-1", "user": "u-1", "key": "afk_12"}
    >>> bought_by(Receipt(state=ReceiptState.SUBMITTED, attempt=1, account=account))
    "bought with another account's key (team t-1, user u-1, key afk_12)"
    """
    return f"bought with another account's key ({account_of(receipt.account)})"
