"""The sessions of a run by provider and account: who buys a purchase, and who is asked about a receipt.

A purchase falls to an account by its fingerprint (`planner/payers`). A receipt stays with the account that bought it,
recognised by team, user and key wherever its key is now; where none of the keys here is its buyer's, the answer of
another account is never taken for the buyer's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from kbatch.planner.payers import DEFAULT, ONLY_DEFAULT, Weights, account_for
from kbatch.receipts.account import AccountMatch, account_of, compare_accounts, is_colleague
from kbatch.receipts.receipt import Receipt
from kbatch.runner.session import ProviderSession


class Sessions(Struct, frozen=True, kw_only=True):
    """The open sessions by provider and account name; `payers` are the weights where not only the default one pays.

    Two names of one key are one session.
    """

    by_provider: Mapping[str, Mapping[str, ProviderSession]]
    payers: Mapping[str, Weights] = {}

    def __contains__(self, provider: str) -> bool:
        return provider in self.by_provider

    def __iter__(self) -> Iterator[ProviderSession]:
        """Yield each session once."""
        for sessions in self.by_provider.values():
            yield from {id(session): session for session in sessions.values()}.values()

    def of(self, provider: str) -> Sequence[ProviderSession]:
        """Return the sessions of a provider, each once."""
        return [session for session in self if session.provider.name == provider]

    def buyer(self, provider: str, fingerprint: str) -> ProviderSession | None:
        """Return the session of the account that pays for a purchase; None when it takes no part in the run."""
        name = account_for(fingerprint, self.payers.get(provider, ONLY_DEFAULT))
        return self.by_provider.get(provider, {}).get(name)

    def owner(self, receipt: Receipt) -> ProviderSession | None:
        """Return the session of the account that bought it, else the one that may know most of it."""
        sessions = self.of(receipt.provider)
        return max(sessions, key=lambda session: _nearness(session, receipt), default=None)

    def paying(self) -> dict[str, ProviderSession]:
        """Return the sessions that may buy by their labels: `apiframe`, `apiframe/bob`."""
        found = {}
        for provider, sessions in self.by_provider.items():
            for name in self.payers.get(provider, ONLY_DEFAULT):
                if name in sessions:
                    found[label_of(provider, name)] = sessions[name]
        return found


def label_of(provider: str, account: str) -> str:
    """Return an account's label in claims and messages: the provider alone stands for its default account."""
    return provider if account == DEFAULT else f"{provider}/{account}"


def _nearness(session: ProviderSession, receipt: Receipt) -> tuple[bool, ...]:
    """Rank a session by what speaks for its being the buyer's: its key, its user, its name, its team's list."""
    same_user = compare_accounts(receipt.account, session.account)
    same_key = compare_accounts(receipt.account, session.account, key=True)
    named = same_user is AccountMatch.UNPROVEN and (account_of(receipt.account).name or DEFAULT) == session.name
    return (
        same_key is AccountMatch.SAME,
        same_user is AccountMatch.SAME,
        named,
        is_colleague(receipt.account, session.account) and session.role not in ("", "MEMBER"),
        is_colleague(receipt.account, session.account),
        session.name == DEFAULT,
    )


def share_limits(sessions: Iterable[ProviderSession]) -> None:
    """Let the accounts of one team share its slots and its rate; before any work has begun."""
    leaders: dict[tuple[str, str], ProviderSession] = {}
    for session in sessions:
        team = account_of(session.account).team
        leader = leaders.setdefault((session.provider.name, team), session) if team else session
        if leader is not session:
            session.slots, session.submit_turn, session.leader = leader.slots, leader.submit_turn, leader
