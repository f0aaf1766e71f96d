"""Waits before a retry, as arithmetic: takes the attempt and a random number, returns seconds.

No clock, no sleep, no randomness (`jitter` is a number from 0 to 1). A provider's `Retry-After` is never shortened:
it is waited in full, or the retry is given up when it is too long.
"""

import math

from kbatch.errors import Problem

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
