"""The fingerprint: a hash that identifies what a job buys, made with the JSON encoder of every request body.

Two requests that are the same to a provider have one encoding; any other difference changes it. Labels, ids, order
and output names are not part of it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from kbatch.models.cards import Card

PREFIX = b"kbatch-1\n"
"""The hash input starts with this version, so that no later form of the document can have the same hash."""


def canonical(value: object) -> bytes:
    """Encode a JSON value: keys sorted, no spaces, UTF-8, `5.0` as `5`, `-0.0` as `0`.

    ValueError for NaN, an infinity or a text that is not Unicode; TypeError for what JSON does not have.

    >>> canonical({"b": 5.0, "a": [True, "é"]}).decode()
    '{"a":[true,"é"],"b":5}'
    """
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def identity_of(provider: str, model: str, request: Mapping[str, Any], take: int, card: Card) -> dict[str, Any]:
    """Return the hashed document: provider, model, body, and the take from 2 on.

    A parameter that a later version of the card added (`since`) is left out at its default.
    """
    document: dict[str, Any] = {"provider": provider, "model": model, "request": _without_added_defaults(request, card)}
    if take > 1:
        document["take"] = take
    return document


def fingerprint(provider: str, model: str, request: Mapping[str, Any], take: int, card: Card) -> str:
    """Return the SHA-256 in hex of what a job buys; `request` is the body with tokens, its frames bound.

    A take counts from 2 on, so that adding takes does not change the first. A parameter that a later version of the
    card added (`since`) does not count at its default.
    """
    return hashlib.sha256(PREFIX + canonical(identity_of(provider, model, request, take, card))).hexdigest()


def _without_added_defaults(request: Mapping[str, Any], card: Card) -> Mapping[str, Any]:
    added = {name: spec["default"] for name, spec in card.parameters.items() if "since" in spec and "default" in spec}
    if not added:
        return request
    inner = request if card.body_key is None else request[card.body_key]
    kept = {name: value for name, value in inner.items() if not (name in added and _same(value, added[name]))}
    return kept if card.body_key is None else {**request, card.body_key: kept}


def _same(one: object, other: object) -> bool:
    return canonical(one) == canonical(other)


_LEAVES = frozenset((str, int, bool, type(None)))


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key that is not text has no place in JSON")
        return {key: item if type(item) in _LEAVES else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _LEAVES else _plain(item) for item in value]
    return value
