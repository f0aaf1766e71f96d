"""Words for the waits that a server asks for: until when, and for how long."""

from datetime import datetime, timedelta

from kbatch.runner.limits.retry import LONGEST_WAIT_S

_A_DAY_S = 86_400.0


def until(wait_s: float, now: datetime) -> str:
    """Return the end and the length of a wait in words, in the time zone of `now`.

    >>> until(90, datetime.fromisoformat("2026-11-30T14:00:00+01:00"))
    'until 14:01:30 (90 s)'
    >>> until(86400, datetime.fromisoformat("2026-11-30T14:00:00+01:00"))
    'until 2026-12-01 14:00 UTC+01:00 (24 h or longer)'
    """
    end = now + timedelta(seconds=wait_s)
    if wait_s >= _A_DAY_S:
        return f"until {end:%Y-%m-%d %H:%M %Z} (24 h or longer)"
    clock = f"{end:%H:%M:%S}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M %Z}"
    return f"until {clock} ({_length(wait_s)})"


def asked_for(title: str, wait_s: float, now: datetime | None = None) -> str:
    """Return the message for a wait that a server asks for; one above `LONGEST_WAIT_S` says that it is too long."""
    message = f"{title} asks to wait {until(wait_s, now or datetime.now().astimezone())}"
    return (
        message
        if wait_s <= LONGEST_WAIT_S
        else f"{message}, longer than the {_length(LONGEST_WAIT_S)} that kbatch waits"
    )


def _length(wait_s: float) -> str:
    if wait_s < 120:
        return f"{wait_s:.0f} s"
    return f"{wait_s / 60:.0f} min" if wait_s < 7200 else f"{wait_s / 3600:.0f} h"
