"""When a send may be repeated under its key: by the provider's clock alone, and well within what is documented."""

from datetime import UTC, datetime, timedelta

import pytest

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
    assert within_window(f"{SENT:%Y-%m-%dT%H:%M:%SZ}", SENT + later) is known


def test_without_the_provider_s_time_of_sending_nothing_is_repeated() -> None:
    """This machine's own clock is not asked instead."""
    assert not within_window(None, SENT)
