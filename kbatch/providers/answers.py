"""What the answers of both APIs are read with: JSON that may be anything, credits, ids, URLs, waits and dates.

Rules it keeps: nothing that a server sends makes a function here raise; a value that is not what it should be is None,
never a guess. It has no clock: a date is only ever measured against the answer's own `Date`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from kbatch.providers.base import NoAnswer, Reply

_LONGEST_ID = 512
_LONGEST_URL = 8192
_LONGEST_WAIT_S = 86_400.0
_LARGEST = 10**15
_SENT = "!#$%&'()*+,/:;=?@[]~-._"
"""What a URL's path, query and fragment may hold as it is (RFC 3986, and the brackets that many hosts take)."""


def read_object(body: bytes, *, exact: bool = False) -> dict[str, Any] | None:
    """Return the JSON object of a body, None for anything else; `exact` reads decimals as `Decimal`."""
    try:
        value = json.loads(
            body.decode("utf-8-sig"), parse_constant=_no_number, parse_float=_decimal if exact else _finite
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_number(word: str) -> float:
    raise ValueError(word)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise ValueError(text) from error


def succeeded(reply: Reply, *, exact: bool = False) -> dict[str, Any] | None:
    """Return the JSON object of a 2xx answer, None for every other reply; `exact` as in `read_object`."""
    if isinstance(reply, NoAnswer) or not 200 <= reply.status < 300:
        return None
    return read_object(reply.body, exact=exact)


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
    """Return a job id of any form, a JSON integer as its digits; None for what could not be sent back."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**64:
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        return None
    return value if value.strip(" .") else None


def encoded(text: str) -> str:
    """Return a text as one component of a path or query, `/` and `:` encoded too."""
    return quote(text, safe="", errors="replace")


def first_url(value: Any) -> str | None:
    """Return the clip's URL from a text, an object or a list of either; the first one where there are several."""
    return next(_urls(value, depth=0), None)


def as_sent(url: str) -> str:
    """Return a URL with percent-encoding for what no request can carry, such as a blank or `é`; all else as it stands.

    A signature covers every letter of a URL, so what is encoded already, or need not be, is never touched.

    >>> as_sent("https://a.example/b c.mp4?s=%2F+é")
    'https://a.example/b%20c.mp4?s=%2F+%C3%A9'
    """
    head, mark, rest = url.strip().partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{mark}{host}{slash}{quote(path, safe=_SENT, errors='replace')}"


def _urls(value: Any, *, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        value = value.strip()
        if len(value) <= _LONGEST_URL and value.isprintable() and re.match(r"https?://[^ /]", value, re.IGNORECASE):
            yield as_sent(value)
    elif depth < 4:
        if isinstance(value, dict):
            value = [value.get(name) for name in ("videoUrl", "url", "videos")]
        for item in value if isinstance(value, list) else ():
            yield from _urls(item, depth=depth + 1)


def date_of(headers: Mapping[str, str], name: str = "date") -> datetime | None:
    """Return an HTTP date of the answer in UTC, by default its own `Date`; None outside the years 1970 to 8999."""
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
