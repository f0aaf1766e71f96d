"""Checks before the first submit: the provider answers, accepts the key, and the balance covers the plan's maximum."""

from collections.abc import Iterable, Mapping
from functools import partial

import anyio

from kbatch.errors import ProviderStopped, Refused
from kbatch.planner.actions import Action
from kbatch.planner.plan import Plan
from kbatch.providers.account_keys import key_variable_of
from kbatch.providers.base import Balance, NotAccepted, Reason
from kbatch.receipts.account import account_of
from kbatch.runner.accounts.sessions import Sessions
from kbatch.runner.limits.retry import BALANCE_TRIES, pause, retry
from kbatch.runner.session import ProviderSession

_Team = list[tuple[ProviderSession, Balance]]


async def ask_balance(session: ProviderSession, *, tries: int = BALANCE_TRIES) -> Balance | NotAccepted:
    """Read the balance, with retries after temporary errors."""
    wait = partial(pause, name=session.provider.name, scale=session.scale, jitter=0.5, sleep=anyio.sleep)
    return await retry(tries, session.ask_balance, wait)


async def check_accounts(sessions: Sessions, provider: str, plan: Plan, *, buy: bool) -> None:
    """Compare each account's balance with its share of the plan's maximum, a team's once.

    Refused when one is too low, ProviderStopped when one that pays is not known. Where several accounts are open, the
    others are asked who they are.
    """
    spends = buy and any(entry.job.provider == provider for entry in plan.spends)
    paying = {id(session) for session in sessions.paying().values()} if spends else set()
    several = len(sessions.of(provider)) > 1
    balances: _Team = []
    for session in sessions.of(provider):
        pays = id(session) in paying
        if not pays and not several:
            continue
        answer = await ask_balance(session)
        if isinstance(answer, Balance):
            balances.append((session, answer))
        elif pays:
            message = f"{session.title}: {_what(answer)}: {answer.message}"
            raise ProviderStopped(message, hint=_hint(answer, session))
    shares = _shares(sessions, provider, plan) if spends else {}
    for team in _teams(balances):
        _compare(team, shares, several=several)


def _shares(sessions: Sessions, provider: str, plan: Plan) -> dict[str, int]:
    """Return what each paying account may be charged, by its session's name."""
    shares = {session.name: 0 for session in sessions.paying().values() if session.provider.name == provider}
    for entry in plan.entries:
        if entry.job.provider != provider or entry.shared_with is not None:
            continue
        if entry.buys:
            payer = sessions.buyer(provider, entry.job.fingerprint)
        elif entry.action is Action.UNKNOWN and entry.receipt is not None:
            payer = sessions.owner(entry.receipt)
        else:
            continue
        if payer is not None:
            shares[payer.name] = shares.get(payer.name, 0) + ((entry.credits if entry.buys else entry.held) or 0)
    return shares


def _teams(balances: _Team) -> Iterable[_Team]:
    teams: dict[str, _Team] = {}
    for session, balance in balances:
        teams.setdefault(account_of(session.account).team or f"account {session.name}", []).append((session, balance))
    return teams.values()


def _compare(team: _Team, shares: Mapping[str, int], *, several: bool) -> None:
    """Raise Refused when a team has less than its accounts' shares; of several answers the lowest counts."""
    paying = [session for session, _ in team if session.name in shares]
    wanted, left = sum(shares[session.name] for session in paying), min(balance.credits for _, balance in team)
    if left >= wanted:
        return
    names, unit = " and ".join(session.title for session in paying), paying[0].provider.unit
    message = f"{names} has {left:,} {unit}, the plan's maximum is {wanted:,}"
    hint = "top up, or select fewer jobs with --only or --first"
    if several:
        has = "has" if len(paying) == 1 else "are one team, which has"
        message = f"{names} {has} {left:,} {unit}, {wanted:,} of the plan's maximum fall to it"
        hint = "top up, or choose who pays with --account or other weights; nothing was sent"
    raise Refused("balance-too-low", message, hint=hint)


def _what(answer: NotAccepted) -> str:
    words = {
        Reason.KEY: "the key is refused",
        Reason.FORBIDDEN: "the key may not do this",
        Reason.CREDITS: "out of credits",
    }
    return words.get(answer.reason, "the balance cannot be asked")


def _hint(answer: NotAccepted, session: ProviderSession) -> str:
    if answer.reason in (Reason.KEY, Reason.FORBIDDEN):
        return f"check {key_variable_of(session.provider, session.name)}; `kbatch doctor` tries it"
    return f"check the network and {session.provider.url_variable}; nothing was sent"
