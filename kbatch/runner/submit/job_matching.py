"""Compares a provider's job with a send: its model and its input against the body.

Two questions with two burdens of proof. A job of a list is claimed only when its input equals the body, images
included (`likeness`). The answer to a poll is used unless it contradicts the purchase (`contradiction`): a provider may
show less of the input, or a number as a string, and may keep images on a host of its own.
"""

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from kbatch.providers.base import Listed
from kbatch.providers.responses import same_id
from kbatch.receipts.receipt import Receipt, without_queries

_IMAGE_FORMS = ("http://", "https://", "data:", "sha256:", "frame:")
"""How a text begins that stands for an image: an address, the image itself, or a token of the fingerprinted body."""

_ASIDE = frozenset(("webhookUrl", "webhookEvents"))


class Likeness(Enum):
    """How a job's input compares with a body; `UNSURE` when fields are missing or extra and none differs."""

    SAME = "same"
    OTHER = "other"
    UNSURE = "unsure"


def sent_body(receipt: Receipt) -> Mapping[str, Any] | None:
    """Return the body of a send; None when it is not known exactly.

    A lockfile keeps no bodies. Without images the request is the body; with an image the URL was another, or has lost
    its query.
    """
    if receipt.body:
        try:
            body = json.loads(receipt.body)
        except (ValueError, RecursionError):
            return None
        agrees = isinstance(body, dict) and likeness(body, receipt.request, pictures=False) is Likeness.SAME
        return body if agrees else None
    return None if any(_holds_image(name, value) for name, value in _flat(receipt.request).items()) else receipt.request


def likeness(theirs: Mapping[str, Any] | None, ours: Mapping[str, Any], *, pictures: bool = True) -> Likeness:
    """Compare a job's input with a body, ignoring the nesting and webhooks; `pictures` False ignores images."""
    if theirs is None:
        return Likeness.UNSURE
    mine, given = ({name: body[name] for name in body.keys() - _ASIDE} for body in (_flat(ours), _flat(theirs)))
    if not pictures:
        aside = {name for body in (mine, given) for name, value in body.items() if _holds_image(name, value)}
        mine, given = ({name: body[name] for name in body.keys() - aside} for body in (mine, given))
    found = {name: value for name, value in given.items() if value is not None}
    if any(name in mine and not _equal(value, mine[name]) for name, value in found.items()):
        return Likeness.OTHER
    return Likeness.SAME if found.keys() | {"model"} == mine.keys() | {"model"} else Likeness.UNSURE


def contradiction(found: Listed, receipt: Receipt) -> str | None:
    """Return why an answer cannot be about the receipt's job, in words; None when nothing contradicts it."""
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
        if _holds_image(name, mine[name]):
            if _other_picture(value, mine[name]):
                yield name
        elif not _alike(value, mine[name]):
            yield name


def _holds_image(name: str, value: Any) -> bool:
    """Whether a field is an image or holds some; the prompt is text whatever it begins with."""
    if isinstance(value, str):
        return name != "prompt" and value.lower().startswith(_IMAGE_FORMS)
    if isinstance(value, list | tuple):
        return any(_holds_image("", item) for item in value)
    return isinstance(value, Mapping) and any(_holds_image(key, item) for key, item in value.items())


def _other_picture(theirs: Any, ours: Any) -> bool:
    """Whether an image's URL is a different one on the same host, queries aside.

    URLs on different hosts are not compared, since a provider may copy an image to a host of its own.
    """
    if isinstance(theirs, list) and isinstance(ours, list | tuple) and len(theirs) == len(ours):
        return any(_other_picture(one, other) for one, other in zip(theirs, ours, strict=True))
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
    """Whether two values agree, allowing a trimmed string, a number as a string, and a list as JSON text."""
    return _equal(theirs, ours) or _equal(_plain(theirs), _plain(ours))


def _plain(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value.strip()
