"""How often requests are repeated, and how long kbatch waits before a retry.

No clock, no sleep, no randomness of its own (`jitter` is a number from 0 to 1). A provider's `Retry-After` is never
shortened: it is waited in full, or the retry is given up when it is too long.

Own loops remain where an answer changes more than the wait: a purchase (`submit`: each reason has its own tries, and
all refusals together a bound), an unknown purchase (each resend must be safe anew), a download (new bytes begin the
count anew), the poll of a render and the list of ended jobs (both follow estimates), the request log (rows come late,
and their absence is no failure).
"""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from kbatch.errors import Problem
from kbatch.providers.base import NotAccepted, NotNow, Reason

_log = logging.getLogger(__name__)

_Outcome = TypeVar("_Outcome")

# How often a request is sent at most, the first time included. By kbatch's own back-off 4 tries take 7 s, 6 take 31.
BALANCE_TRIES = 4  # before anything is spent, and a person waits for it
DIAGNOSIS_TRIES = 2  # `doctor` says what is wrong now, and need not wait for it to pass
LIST_TRIES = 4  # a page of jobs, ledger or log: what it settles stays open, and the next command asks again
CHARGE_TRIES = 4  # others of the model wait for the charge of its first job
URL_TRIES = 4  # of a clip that was rendered earlier; `kbatch pull` asks again
FRESH_URL_TRIES = 3  # of a clip whose URL has just failed: the provider signs one for each answer
UPLOAD_TRIES = 6  # costs nothing, and its purchase waits for it
RESEND_TRIES = 5  # of an unknown purchase; then its job list is read
PRICE_LIST_TRIES = 2  # nothing depends on it but a warning, or with `--live` a refusal that says so
SUBMIT_TRIES: Mapping[Reason, int] = MappingProxyType(
    {
        Reason.RATE: 30,  # other users of the key may fill its rate for minutes; `LONGEST_REFUSAL_S` ends it
        Reason.UNAVAILABLE: 6,
        Reason.NO_CONNECTION: 5,
    }
)
"""By what the provider said, each counted by itself; all other refusals are final."""
DOWNLOAD_TRIES = 6  # in a row without new bytes
STALE_TRIES = 2  # the same, of a URL that does not lead to the clip: another URL is asked for instead
DOWNLOADS_IN_ALL = 200  # of a host that cuts each answer after a few bytes

LONGEST_WAIT_S = 600.0
"""The longest `Retry-After` that is waited for: rate limits are per minute (Apiframe: about 500 calls), times ten.

A longer one is an outage or a mistake: paid jobs stay owed, and a later command continues.
"""
LONGEST_REFUSAL_S = 1800.0
"""How long a provider may refuse all submits before submitting ends: 30 tries with kbatch's own back-off.

An upload lives for an hour at least, so images that were uploaded before the first refusal are still valid after it.
"""


def backoff(attempt: int, jitter: float, *, first_s: float = 1.0, cap_s: float = 60.0) -> float:
    """Return the seconds before retry number `attempt`, from 0: doubled each time up to a cap, half of it jittered.

    `backoff(3, 0.5)` is 6.0: eight seconds, of which four are fixed and four are multiplied by the jitter.
    """
    whole = min(cap_s, first_s * 2.0 ** min(max(attempt, 0), 60))
    return whole * (0.5 + 0.5 * jitter)


def retry_wait(attempt: int, jitter: float, *, retry_after_s: float | None, scale: float = 1.0) -> float:
    """Return the seconds before a retry: at least `retry_after_s`; only kbatch's own back-off is scaled."""
    return max(backoff(attempt, jitter) * scale, retry_after_s or 0.0)


async def pause(  # noqa: PLR0913 - each is one property of the wait
    attempt: int,
    asked_s: float | None,
    *,
    name: str,
    scale: float,
    jitter: float,
    sleep: Callable[[float], Awaitable[None]],
) -> bool:
    """Wait before retry number `attempt`, from 0, of a request to `name`; False at once when it asks for too long."""
    if asked_s is not None and asked_s > LONGEST_WAIT_S:
        return False
    wait_s = retry_wait(attempt, jitter, retry_after_s=asked_s, scale=scale)
    _log.info("%s is asked again in %.1f s, try %d", name, wait_s, attempt + 2)
    await sleep(wait_s)
    return True


def temporary(outcome: object) -> float | None:
    """Return the `Retry-After` of an outcome that a retry may change, 0 without one; None for a final outcome."""
    match outcome:
        case NotNow(stop=None, retry_after_s=asked_s):
            return asked_s or 0.0
        case NotAccepted(reason=Reason.RATE | Reason.UNAVAILABLE | Reason.NO_CONNECTION, retry_after_s=asked_s):
            return asked_s or 0.0
    return None


async def retry(
    tries: int,
    ask: Callable[[], Awaitable[_Outcome]],
    wait: Callable[[int, float], Awaitable[bool]],
    *,
    again: Callable[[_Outcome], float | None] = temporary,
) -> _Outcome:
    """Ask until an outcome is final by `again`, the tries are used up or `wait` refuses; return the last outcome."""
    for attempt in range(tries - 1):
        outcome = await ask()
        asked_s = again(outcome)
        if asked_s is None or not await wait(attempt, asked_s):
            return outcome
    return await ask()


def poll_scale(text: str | None, *, loopback: bool) -> float | Problem:
    """Read `KBATCH_POLL_SCALE`, 0.001 to 1, which multiplies kbatch's own waits; 1 where the API is not on loopback."""
    if text is None or not text.strip() or not loopback:
        return 1.0
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0.001 <= scale <= 1:
        message = f"KBATCH_POLL_SCALE is `{text}`, not a number from 0.001 to 1"
        return Problem(code="poll-scale", message=message)
    return scale
