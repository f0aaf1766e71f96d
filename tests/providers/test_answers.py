"""Waits, dates, ids, numbers and messages that both APIs' answers are read with."""

from datetime import UTC, datetime

import pytest

from kbatch.providers.answers import date_of, first_url, identifier, read_object, retry_after, whole
from kbatch.providers.messages import describe, harmless

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry-after": "120"}, 120.0, id="seconds"),
        pytest.param({"retry-after": " 0 "}, 0.0, id="zero"),
        pytest.param({"retry-after": "1.5"}, 1.5, id="fraction"),
        pytest.param({"retry-after": "-3"}, 0.0, id="negative-is-now"),
        pytest.param({"retry-after": "99999999"}, 86_400.0, id="more-than-a-day"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30.0, id="date"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 09:28:30 +0200", "date": DATE}, 30.0, id="date-with-offset"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": DATE}, 0.0, id="date-passed"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None, id="date-without-the-answers-own"),
        pytest.param({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "x"}, None, id="own-date-unreadable"),
        pytest.param({"retry-after": "soon", "date": DATE}, None, id="words"),
        pytest.param({"retry-after": "nan"}, None, id="nan"),
        pytest.param({"retry-after": "1e3"}, None, id="exponent"),
        pytest.param({"retry-after": "5, 6"}, None, id="two"),
        pytest.param({}, None, id="absent"),
    ],
)
def test_retry_after_is_read_in_both_forms_without_a_clock(headers, seconds):
    """Seconds, or a date measured against the answer's own `Date`; else None."""
    assert retry_after(headers) == seconds


def test_the_providers_own_date_is_utc():
    """The window of an idempotency key is measured with it."""
    assert date_of({"date": DATE}) == datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    assert date_of({"date": "Wed, 21 Oct 2026 07:28:00 -0000"}) == datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    assert date_of({"date": "Wed, 99 Oct 2026 07:28:00 GMT"}) is None
    assert date_of({}) is None
    assert date_of({"date": "Fri, 31 Dec 9999 23:59:59 GMT"}) is None
    assert date_of({"date": "Mon, 01 Jan 1900 00:00:00 GMT"}) is None


@pytest.mark.parametrize(
    ("value", "count"),
    [(5, 5), (5.0, 5), (0, 0), (5.5, None), (-1, None), (True, None), ("5", None), (None, None), (1e30, None)],
)
def test_credits_are_whole_numbers_or_not_known(value, count):
    """Nothing is rounded, and a bool or a text is no number."""
    assert whole(value) == count


@pytest.mark.parametrize("value", [None, "", "..", " ", "a\nb", "\x1b[1m", "\ud800", "x" * 513, 1.0, True, -1, [], {}])
def test_what_could_not_be_sent_back_is_no_id(value):
    """An id that is empty, has control characters or is no text or integer is not taken."""
    assert identifier(value) is None


@pytest.mark.parametrize(
    "value", [None, "", "clip.mp4", "ftp://x/y", "https://", "https://a\nb", {"a": "https://x"}, 7]
)
def test_what_is_no_url_is_not_taken_for_one(value):
    """Only an http or https URL on one line names a clip."""
    assert first_url(value) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"NaN",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 9999,
    ],
)
def test_what_is_no_json_object_is_none(body):
    """Other JSON, numbers beyond JSON, deep nesting and bytes are all the same None."""
    assert read_object(body) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("red \x1b[31malert\x1b[0m", "red alert", id="colour"),
        pytest.param("\x1b]0;title\x07hi \x1b]8;;http://x\x1b\\link", "hi link", id="title-and-link"),
        pytest.param("a\r\nb\tc\x00d", "a b c d", id="controls"),
        pytest.param("abc\u202egnp\u2066", "abc gnp", id="direction-overrides"),
        pytest.param("\ud800x", "x", id="lone-surrogate"),
        pytest.param("key afk_abcDEF-123_x is bad", "key afk_*** is bad", id="a-key"),
        pytest.param("Authorization: Bearer abc.def is bad", "Authorization: Bearer *** is bad", id="a-bearer"),
        pytest.param("get https://h/p.mp4?sig=1&x=2 failed", "get https://h/p.mp4?… failed", id="a-signed-url"),
        pytest.param("x" * 501, "x" * 499 + "…", id="long"),
    ],
)
def test_a_servers_text_is_harmless(text, shown):
    """No escapes, keys or signatures reach a terminal or a receipt."""
    assert harmless(text) == shown


def test_words_are_told_once_and_in_order():
    """Nested errors give one line; repeated words are said once."""
    told = {"message": "Bad", "error": {"message": "Bad", "details": {"a": ["x", "y"], "b": 3}}}
    assert describe(told) == "Bad; a: x; a: y"
    assert describe({"a": {"b": {"c": {"d": {"e": {"f": {"g": "deep"}}}}}}}) == ""
    assert describe(None) == ""
