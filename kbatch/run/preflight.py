"""Before the first submit: the account must be reachable, accept the key, and hold the plan's maximum."""

import anyio

from kbatch.plan.plan import Plan, Total
from kbatch.problems import ProviderStopped, Refused
from kbatch.providers.base import Balance, NotAccepted, Reason
from kbatch.run.line import Line
from kbatch.run.pacing import retry_wait

_TRIES = 4
_PASSING = (Reason.RATE, Reason.UNAVAILABLE, Reason.NO_CONNECTION)


async def ask_balance(line: Line, *, tries: int = _TRIES) -> Balance | NotAccepted:
    """Ask what the account holds, a few times where the trouble may pass."""
    answer = await line.ask_balance()
    for attempt in range(tries - 1):
        if isinstance(answer, Balance) or answer.reason not in _PASSING or line.shut:
            break
        await anyio.sleep(retry_wait(attempt, 0.5, retry_after_s=answer.retry_after_s, scale=line.scale))
        answer = await line.ask_balance()
    return answer


async def check_account(line: Line, plan: Plan) -> None:
    """Hold the balance against the plan's maximum: Refused when it is too little, ProviderStopped when not told."""
    total = plan.totals.get(line.provider.name)
    if total is None or not any(entry.job.provider == line.provider.name for entry in plan.spends):
        return
    answer = await ask_balance(line)
    if isinstance(answer, NotAccepted):
        raise ProviderStopped(f"{line.provider.title}: {_what(answer)}: {answer.message}", hint=_hint(answer, line))
    _compare(line, answer, total)


def _compare(line: Line, balance: Balance, total: Total) -> None:
    wanted = total.known + total.held
    if balance.credits < wanted:
        message = f"{line.provider.title} has {balance.credits:,} {total.unit}, the plan's maximum is {wanted:,}"
        raise Refused("balance-too-low", message, hint="top up, or select fewer jobs with --only or --first")


def _what(answer: NotAccepted) -> str:
    words = {
        Reason.KEY: "the key is refused",
        Reason.FORBIDDEN: "the key may not do this",
        Reason.CREDITS: "out of credits",
    }
    return words.get(answer.reason, "the balance cannot be asked")


def _hint(answer: NotAccepted, line: Line) -> str:
    if answer.reason in (Reason.KEY, Reason.FORBIDDEN):
        return f"check {line.provider.key_variable}; `kbatch doctor` tries it"
    return f"check the network and {line.provider.url_variable}; nothing was sent"
