"""When a send may be repeated under its key: by the provider's clock alone, and well within what is documented."""

from datetime import UTC, datetime, timedelta

import pytest

from kbatch.providers.apiframe import APIFRAME
from kbatch.runner.submit.resolve_unknown import within_window

SENT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("later", "known"),
    [
        pytest.param(timedelta(0), True, id="at-once"),
        pytest.param(timedelta(hours=19, minutes=59, seconds=59), True, id="just-within"),
        pytest.param(timedelta(hours=20), False, id="twenty-hours"),
        pytest.param(timedelta(hours=24, seconds=1), False, id="forgotten"),
        pytest.param(timedelta(days=365), False, id="a-year"),
        pytest.param(timedelta(minutes=-5), True, id="servers-that-differ-a-little"),
        pytest.param(timedelta(minutes=-5, seconds=-1), False, id="before-it-was-sent"),
        pytest.param(timedelta(days=-400), False, id="a-clock-of-the-past"),
    ],
)
def test_how_long_a_key_is_relied_on(later: timedelta, known: bool) -> None:
    """Less than 20 of the 24 hours; a provider's clock that says "before the send" proves nothing, so it is no."""
    assert within_window(f"{SENT:%Y-%m-%dT%H:%M:%SZ}", SENT + later, APIFRAME.resend_within) is known


def test_without_the_provider_s_time_of_sending_nothing_is_repeated() -> None:
    """This machine's own clock is not asked instead."""
    assert not within_window(None, SENT, timedelta(hours=20))


def test_each_provider_says_how_long_its_keys_hold() -> None:
    """What one API documents is not relied on at another: after an hour of one, or at none, nothing is repeated."""
    sent, later = f"{SENT:%Y-%m-%dT%H:%M:%SZ}", SENT + timedelta(hours=2)
    assert within_window(sent, later, APIFRAME.resend_within)
    assert not within_window(sent, later, timedelta(hours=1))
    assert not within_window(sent, SENT, None)
