"""Waits, dates, ids, numbers and messages that both APIs' answers are read with."""

from datetime import UTC, datetime

import pytest

from kbatch.providers.bodies import Twice, read_object, read_objects
from kbatch.providers.error_messages import describe, harmless
from kbatch.providers.responses import date_of, first_url, identifier, retry_after, same_id, whole

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
        b'[{"a": 1}]',
        b'{"a": 1}{"a": 2}',
        b'{"a": 1, "b',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 9999,
    ],
)
def test_what_is_no_json_object_is_none(body):
    """Other JSON, two objects, half of one, deep nesting and bytes are all the same None."""
    assert read_object(body) is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b'{"a": NaN, "b": -Infinity, "c": 1}', {"a": None, "b": None, "c": 1}, id="no-numbers"),
        pytest.param(b'{"a": 1e999, "c": 1}', {"a": None, "c": 1}, id="beyond-a-float"),
        pytest.param(b'{"a": %s, "c": 1}' % (b"9" * 5000), {"a": None, "c": 1}, id="five-thousand-digits"),
        pytest.param(b'\xef\xbb\xbf{"c": 1}', {"c": 1}, id="byte-order-mark"),
        pytest.param(b'\x00\r\n{"c": 1}\x00', {"c": 1}, id="stray-bytes-around"),
        pytest.param(b'{"c": 1} // served by edge-7', {"c": 1}, id="trailing-comment"),
        pytest.param(b'{"c": "x\xff\n"}', {"c": "x\ufffd\n"}, id="stray-bytes-inside-a-text"),
        pytest.param(b'{"c": 1, "c": 1}', {"c": 1}, id="the-same-twice"),
        pytest.param(b'{"c": 1, "c": 2}', {"c": Twice([1, 2])}, id="different-twice"),
    ],
)
def test_what_is_not_needed_hides_nothing(body, told):
    """What JSON forbids is read as null, what stands around an object is passed over."""
    assert read_object(body) == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b'{"id": "x", "status": "que', [{"id": "x"}], id="breaks-off"),
        pytest.param(b'{"id": "x", "deep": %s' % (b"[" * 100_000), [{"id": "x"}], id="too-deep"),
        pytest.param(b'{"id": 29563', [], id="a-number-that-may-go-on"),
        pytest.param(b'{"id": "x", oops}', [{"id": "x"}], id="damaged-later"),
        pytest.param(b'{"id": "x"', [], id="a-text-without-what-follows"),
        pytest.param(b'data: {"id": "x"}', [{"id": "x"}], id="an-event-stream"),
        pytest.param(b'{"id": "x"}{"id": "y"}', [{"id": "x"}, {"id": "y"}], id="two"),
        pytest.param(b'[{"id": "x"}, 3]', [{"id": "x"}], id="a-list"),
        pytest.param(b"<html>{no}</html>", [], id="html"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_the_beginning_of_a_damaged_object_is_read(body, told):
    """Members before the damage count when their comma is there; a text that breaks off may have gone on."""
    assert read_objects(body) == told


@pytest.mark.parametrize(
    ("asked", "told", "same"),
    [
        ("a:b/c", "a:b/c", True),
        ("a:b/c", "a%3Ab%2Fc", True),
        ("a%3Ab", "a:b", True),
        ("295632514238816352", 295632514238816352, True),
        ("2B0C7F0E-8D7A-4B43-9A3E-0F6F7D1C2A11", "2b0c7f0e-8d7a-4b43-9a3e-0f6f7d1c2a11", True),
        ("V1StGXR8", "v1stgxr8", False),
        ("g", "h", False),
        ("g", None, False),
        ("g", ["g"], False),
    ],
)
def test_an_id_is_the_one_that_was_asked_for(asked, told, same):
    """As it is, URL-encoded, as a number; a UUID in any letters, nothing else in others."""
    assert same_id(asked, told) is same


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
