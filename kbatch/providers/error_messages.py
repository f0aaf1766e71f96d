"""Messages from error answers: the text of every documented error, made harmless before it is shown or stored.

Harmless is: one line, at most 500 characters, no control characters or terminal escapes, no key, no signed query.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from kbatch.providers.base import Answer, NoAnswer, Reply
from kbatch.providers.responses import inner, read_object

MESSAGE_LENGTH = 500

# Few and plain words: to take a wrong parameter for a refusal would block a job that only needs another value.
_MODERATION = re.compile(
    r"\b(moderat(ion|ed)|content[ _-]polic(y|ies)|safety[ _-](system|filter|policy)|nsfw|risk control"
    r"|(sensitive|prohibited|inappropriate) (content|words?))\b",
    re.IGNORECASE,
)
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}([.\[][A-Za-z0-9_\]]{1,64}){0,9}")
_MOST_FIELDS = 20  # more than any request of a model has; a server may send any number
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL)
_SECRETS = re.compile(r"(\bafk_|\bBearer\s+)[^\s\"'<>,;]+", re.IGNORECASE)
_QUERIES = re.compile(r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*", re.IGNORECASE)


def harmless(text: str) -> str:
    """Return a server's text on one line of at most 500 characters: no escapes, keys or signed queries of URLs."""
    text = _ESCAPES.sub("", text[: 20 * MESSAGE_LENGTH])
    text = "".join(letter if unicodedata.category(letter)[0] != "C" else " " for letter in text)
    text = _QUERIES.sub(r"\1?…", _SECRETS.sub(r"\1***", text))
    text = " ".join(text.split())
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"


def describe(value: Any) -> str:
    """Return the words of an error of any documented shape on one line, empty when it has none."""
    return harmless("; ".join(dict.fromkeys(_words(value, depth=0))))


def _words(value: Any, *, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value.strip()[: 2 * MESSAGE_LENGTH]
    elif isinstance(value, list) and depth < 5:
        for item in value[:10]:
            yield from _words(item, depth=depth + 1)
    elif isinstance(value, dict) and depth < 5:
        yield from _words_of_object(value, depth=depth + 1)


def _words_of_object(value: dict[str, Any], *, depth: int) -> Iterator[str]:
    saying = [name for name in ("message", "msg", "error", "detail", "details", "data", "title") if value.get(name)]
    place = value.get("path", value.get("loc")) if "message" in value or "msg" in value else None
    if isinstance(place, list):
        place = ".".join(str(part) for part in place[:10] if isinstance(part, str | int))
    # The older envelope of AI/ML has a `path` too, the URL's, beside a status code.
    before = f"{place}: " if isinstance(place, str) and place and "statusCode" not in value else ""
    for name in saying:
        for word in _words(value[name], depth=depth):
            yield f"{before}{word}"
            before = ""
    if not saying:
        for name, item in list(value.items())[:10]:
            for word in _words(item, depth=depth):
                yield f"{name}: {word}"


def message_of(reply: Reply, lack: str = "") -> str:
    """Return what to tell of a reply that was not the hoped-for one; `lack` is what a 2xx should have had."""
    if isinstance(reply, NoAnswer):
        return harmless(reply.message)
    told = read_object(reply.body)
    if told is None:
        words = "the body is no JSON object"
    elif 200 <= reply.status < 300:
        words = ": ".join(filter(None, (lack, describe([told.get("message"), told.get("error")]))))
    else:
        words = describe(told)
    return harmless(f"HTTP {reply.status}: {words}" if words else f"HTTP {reply.status}")


def refused_fields(reply: Reply) -> tuple[str, ...]:
    """Return the paths of the fields that a 400 names: keys of `details`, paths of `error.data` and `detail`.

    An unknown key is named in the words of its parent ("Unrecognized key: 'cfg_scale'"), so quoted names count too.
    """
    told = read_object(reply.body) if isinstance(reply, Answer) else None
    found = list(_fields(told)) if told is not None else []
    return tuple(dict.fromkeys(name for name in found if _FIELD.fullmatch(name)))[:_MOST_FIELDS]


def _fields(told: dict[str, Any]) -> Iterator[str]:
    details = told.get("details")
    for path, words in list(details.items())[:_MOST_FIELDS] if isinstance(details, dict) else ():
        yield path
        yield from _quoted(words)
    for listed in (inner(told, "error", "data"), told.get("details"), told.get("detail"), told.get("error")):
        for one in listed[:_MOST_FIELDS] if isinstance(listed, list) else ():
            if isinstance(one, dict):
                place = one.get("path", one.get("loc", ""))
                yield ".".join(map(str, place[:10])) if isinstance(place, list) else str(place)
                yield from _quoted(one.get("message", one.get("msg")))
    for words in (told.get("error"), told.get("message")):  # `details` and `data` may be missing
        yield from _quoted(words)


def _quoted(words: Any) -> Iterator[str]:
    for text in words[:_MOST_FIELDS] if isinstance(words, list) else [words]:
        if isinstance(text, str):
            yield from re.findall(r"[\"'`]([A-Za-z_][A-Za-z0-9_]{0,63})[\"'`]", text[:MESSAGE_LENGTH])


def is_moderation(reply: Reply) -> bool:
    """Whether a 400 reads like a refusal of the content; one that lists parameters is about these."""
    told = read_object(reply.body) if isinstance(reply, Answer) and reply.status == 400 else None
    if told is None or told.get("details") or isinstance(inner(told, "error", "data"), list):
        return False
    return _MODERATION.search(describe(told)) is not None
