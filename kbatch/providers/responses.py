"""What the answers of both APIs are read with: JSON that may be anything, credits, ids, URLs, waits and dates.

Rules it keeps: nothing that a server sends makes a function here raise; a value that is not what it should be is None,
never a guess. It has no clock: a date is only ever measured against the answer's own `Date`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from kbatch.providers.base import NoAnswer, Reply
from kbatch.providers.bodies import Twice, read_object, read_objects

__all__ = [
    "date_of", "encoded", "first_url", "identifier", "inner", "job_ids", "read_object", "retry_after", "same_id",
    "succeeded", "whole",
]  # fmt: skip

_LONGEST_ID = 512
_LONGEST_URL = 8192
_LONGEST_WAIT_S = 86_400.0
_LARGEST = 10**15
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SENT = "!#$%&'()*+,/:;=?@[]~-._"
"""What a URL's path, query and fragment may hold as it is (RFC 3986, and the brackets that many hosts take)."""


def succeeded(reply: Reply, *, exact: bool = False) -> dict[str, Any] | None:
    """Return the JSON object of a 2xx answer, None for every other reply; `exact` as in `read_object`."""
    if isinstance(reply, NoAnswer) or not 200 <= reply.status < 300:
        return None
    told = read_object(reply.body, exact=exact)
    return _unwrapped(told) if told is not None else None


def _unwrapped(told: dict[str, Any]) -> dict[str, Any]:
    """Return what stands in an envelope `{"data": {…}}`, which some gateways put around an answer."""
    data = told.get("data")
    if isinstance(data, dict) and "id" in data and "id" not in told and "jobId" not in told:
        return data
    return told


def job_ids(reply: Reply, *names: str) -> tuple[str, ...]:
    """Return the different ids that a 2xx answer has under these names, in it or in its envelope `data`."""
    if isinstance(reply, NoAnswer) or not 200 <= reply.status < 300:
        return ()
    told = [level for one in read_objects(reply.body) for level in (one, one.get("data")) if isinstance(level, dict)]
    values = [level[name] for level in told for name in names if name in level]
    flat = [one for value in values for one in (value if isinstance(value, Twice) else [value])]
    return tuple(dict.fromkeys(job_id for job_id in map(identifier, flat) if job_id is not None))


def same_id(asked: str, told: object) -> bool:
    """Whether an answer's id is the one that was asked for: as it is, URL-encoded, or a UUID in other letters."""
    found = identifier(told)
    if found is None:
        return False
    if asked == found or unquote(found) == asked or unquote(asked) == found:
        return True
    return _UUID.fullmatch(asked) is not None and asked.lower() == found.lower()


def inner(value: Any, *names: str) -> Any:
    """Return what nested objects hold under the names, None where one of them is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def whole(value: Any) -> int | None:
    """Return a count of credits: a whole number from 0 up, `5.0` too; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if not 0 <= value <= _LARGEST or value != int(value):
        return None
    return int(value)


def identifier(value: Any) -> str | None:
    """Return a job id of any form, a JSON integer as its digits; None for what could not be sent back.

    A blank or a line end around it is no part of it.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**64:
        return str(value)
    if not isinstance(value, str) or len(value) > 2 * _LONGEST_ID:
        return None
    value = value.strip()
    if not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        return None
    return value if value.strip(" .") else None


def encoded(text: str) -> str:
    """Return a text as one component of a path or query, `/` and `:` encoded too."""
    return quote(text, safe="", errors="replace")


def first_url(value: Any, *, relative: bool = False) -> str | None:
    """Return the clip's URL from a text, an object or a list of either; the first one where there are several.

    With `relative` one that leaves the host, or the scheme too, to the API that it came from (`/a.mp4`, `//b/a.mp4`).
    """
    return next(_urls(value, relative=relative, depth=0), None)


def as_sent(url: str) -> str:
    """Return a URL with percent-encoding for what no request can carry, such as a blank or `é`; all else as it stands.

    A signature covers every letter of a URL, so what is encoded already, or need not be, is never touched.

    >>> as_sent("https://a.example/b c.mp4?s=%2F+é")
    'https://a.example/b%20c.mp4?s=%2F+%C3%A9'
    """
    head, mark, rest = url.strip().partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{mark}{host}{slash}{quote(path, safe=_SENT, errors='replace')}"


def _urls(value: Any, *, relative: bool, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        value = value.strip()
        usable = len(value) <= _LONGEST_URL and value.isprintable()
        if usable and re.match(r"https?://[^ /]", value, re.IGNORECASE):
            yield as_sent(value)
        elif usable and relative and re.match(r"//?[^ /]", value):
            yield value
    elif depth < 4:
        if isinstance(value, dict):
            value = [value.get(name) for name in ("videoUrl", "video_url", "url", "videos")]
        for item in value if isinstance(value, list) else ():
            yield from _urls(item, relative=relative, depth=depth + 1)


def date_of(headers: Mapping[str, str], name: str = "date") -> datetime | None:
    """Return an HTTP date of the answer in UTC, by default its own `Date`; None outside the years 1970 to 8999."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 5 ms of a start, for what the network answers

    try:
        date = parsedate_to_datetime(headers[name])
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if 1970 <= date.year < 9000 else None  # beyond it no journal keeps a time, and reckoning overflows


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wanted wait in seconds, 0 to a day; a date counts from the answer's own `Date`."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", text):
        wait = float(text)
    else:
        until, answered = date_of(headers, "retry-after"), date_of(headers)
        if until is None or answered is None:
            return None
        wait = (until - answered).total_seconds()
    return min(max(wait, 0.0), _LONGEST_WAIT_S)
