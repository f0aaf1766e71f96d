"""Checks before the first submit: the provider answers, accepts the key, and the balance covers the plan's maximum."""

import anyio

from kbatch.errors import ProviderStopped, Refused
from kbatch.planner.plan import Plan, Total
from kbatch.providers.base import Balance, NotAccepted, Reason
from kbatch.runner.limits.retry import retry_wait
from kbatch.runner.session import ProviderSession

_TRIES = 4
_PASSING = (Reason.RATE, Reason.UNAVAILABLE, Reason.NO_CONNECTION)


async def ask_balance(session: ProviderSession, *, tries: int = _TRIES) -> Balance | NotAccepted:
    """Read the balance, with retries after temporary errors."""
    answer = await session.ask_balance()
    for attempt in range(tries - 1):
        if isinstance(answer, Balance) or answer.reason not in _PASSING or session.too_long_wait:
            break
        await anyio.sleep(retry_wait(attempt, 0.5, retry_after_s=answer.retry_after_s, scale=session.scale))
        answer = await session.ask_balance()
    return answer


async def check_account(session: ProviderSession, plan: Plan) -> None:
    """Compare the balance with the plan's maximum: Refused when it is too low, ProviderStopped when it is not known."""
    total = plan.totals.get(session.provider.name)
    if total is None or not any(entry.job.provider == session.provider.name for entry in plan.spends):
        return
    answer = await ask_balance(session)
    if isinstance(answer, NotAccepted):
        raise ProviderStopped(
            f"{session.provider.title}: {_what(answer)}: {answer.message}", hint=_hint(answer, session)
        )
    _compare(session, answer, total)


def _compare(session: ProviderSession, balance: Balance, total: Total) -> None:
    maximum = total.known + total.held
    if balance.credits < maximum:
        message = f"{session.provider.title} has {balance.credits:,} {total.unit}, the plan's maximum is {maximum:,}"
        raise Refused("balance-too-low", message, hint="top up, or select fewer jobs with --only or --first")


def _what(answer: NotAccepted) -> str:
    words = {
        Reason.KEY: "the key is refused",
        Reason.FORBIDDEN: "the key may not do this",
        Reason.CREDITS: "out of credits",
    }
    return words.get(answer.reason, "the balance cannot be asked")


def _hint(answer: NotAccepted, session: ProviderSession) -> str:
    if answer.reason in (Reason.KEY, Reason.FORBIDDEN):
        return f"check {session.provider.key_variable}; `kbatch doctor` tries it"
    return f"check the network and {session.provider.url_variable}; nothing was sent"
