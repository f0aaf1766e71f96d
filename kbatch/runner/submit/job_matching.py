"""Whether a provider's job is the one that was sent: its model and its input against the body of the send.

Two questions with two burdens of proof. To claim a job of a list, its input must be the body, picture for picture
(`likeness`). To take a poll's answer, nothing in it may contradict what was bought (`contradiction`): a provider may
show less of the input, or a number as a text, and may keep pictures on a host of its own.
"""

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from kbatch.providers.base import Listed
from kbatch.providers.responses import same_id
from kbatch.receipts.receipt import Receipt, without_queries

PICTURES = frozenset(("start_image", "end_image", "image_url", "static_mask", "tail_image_url"))
"""Parameters that hold the address of a picture, or the picture."""

_ASIDE = frozenset(("webhookUrl", "webhookEvents"))


class Likeness(Enum):
    """What a job's input is to a body; `UNSURE` where it lacks something, or has more, and nothing differs."""

    SAME = "same"
    OTHER = "other"
    UNSURE = "unsure"


def sent_body(receipt: Receipt) -> Mapping[str, Any] | None:
    """Return the body of a send; None where it is not known exactly.

    A lockfile keeps no bodies. Without pictures the request is the body; with one its address was another, or may have
    lost its query.
    """
    if receipt.body:
        try:
            body = json.loads(receipt.body)
        except (ValueError, RecursionError):
            return None
        agrees = isinstance(body, dict) and likeness(body, receipt.request, pictures=False) is Likeness.SAME
        return body if agrees else None
    return None if PICTURES & _flat(receipt.request).keys() else receipt.request


def likeness(theirs: Mapping[str, Any] | None, ours: Mapping[str, Any], *, pictures: bool = True) -> Likeness:
    """Return what a job's input is to a body, whatever the nesting; `pictures` False leaves all of these aside."""
    if theirs is None:
        return Likeness.UNSURE
    mine = {name: value for name, value in _flat(ours).items() if pictures or name not in PICTURES}
    found = {
        name: value
        for name, value in _flat(theirs).items()
        if value is not None and (pictures or name not in PICTURES) and (name in mine or name not in _ASIDE)
    }
    if any(name in mine and not _equal(value, mine[name]) for name, value in found.items()):
        return Likeness.OTHER
    return Likeness.SAME if found.keys() | {"model"} == mine.keys() | {"model"} else Likeness.UNSURE


def contradiction(found: Listed, receipt: Receipt) -> str | None:
    """Return why an answer cannot be about the receipt's job, in words; None when nothing in it says so."""
    asked = receipt.job_id or ""
    if not same_id(asked, found.job_id):
        return f"the answer is about job {found.job_id}, not about {asked}"
    if found.model and receipt.model and found.model != receipt.model:
        return f"job {asked} is of {found.model}, and {receipt.model} was bought"
    differing = next(_differing(found.input or {}, receipt), None)
    return f"job {asked} has another `{differing}` than what was bought" if differing else None


def _differing(theirs: Mapping[str, Any], receipt: Receipt) -> Iterator[str]:
    mine = _flat(receipt.request)
    for name, value in _flat(theirs).items():
        if value is None or name not in mine or name == "model":
            continue
        if name in PICTURES:
            if _other_picture(value, mine[name]):
                yield name
        elif not _alike(value, mine[name]):
            yield name


def _other_picture(theirs: Any, ours: Any) -> bool:
    """Whether a picture's address is another one on the same host.

    A provider may keep a picture on a host of its own, a receipt has no query, and each upload of one picture has
    another address: of these nothing is said.
    """
    if not (_is_url(theirs) and _is_url(ours)):
        return False
    one, other = without_queries(theirs), without_queries(ours)
    return bool(one != other and _host(one) == _host(other))


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None


def _flat(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a body without the nesting."""
    flat: dict[str, Any] = {}
    for name, value in request.items():
        flat.update(_flat(value) if isinstance(value, Mapping) else {name: value})
    return flat


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; 5 and 5.0 are, `true` and 1 are not."""
    if isinstance(one, bool) or isinstance(other, bool) or not (_is_number(one) and _is_number(other)):
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    return bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _alike(theirs: Any, ours: Any) -> bool:
    """Whether a value may be shown for ours: a text trimmed, a number as a text, a list as the JSON that was sent."""
    return _equal(theirs, ours) or _equal(_plain(theirs), _plain(ours))


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value.strip()
