"""The fingerprint: a hash that identifies what a job buys, made with the JSON encoder of every request body.

Two requests that are the same to a provider have one encoding; any other difference changes it. Labels, ids, order
and output names are not part of it.
"""

import hashlib
import json
from collections.abc import Mapping
from json.encoder import encode_basestring
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


class PromptFingerprints:
    """Fingerprints of requests that differ in their prompt only; the common part is encoded and hashed once.

    Without it the plan of 10,000 or 100,000 jobs from a matrix takes 1.2 times the CPU time. `tests/models/
    test_fingerprint.py` holds it equal to `fingerprint`.
    """

    def __init__(self, provider: str, model: str, request: Mapping[str, Any], take: int, card: Card) -> None:
        """Prepare from any one of the requests; ValueError when it has no prompt."""
        identity = identity_of(provider, model, {**request, "prompt": _GAP}, take, card)
        before, gap, after = canonical(identity).partition(canonical(_GAP))
        if not gap or "prompt" not in request or canonical(_GAP) in after:
            raise ValueError("no single place for the prompt")
        self._before = hashlib.sha256(PREFIX + before)
        self._after = after

    def of(self, prompt: str) -> str:
        """Return the fingerprint of the request with this prompt, equal to that of `fingerprint`."""
        whole = self._before.copy()
        whole.update(encode_basestring(prompt).encode("utf-8") + self._after)
        return whole.hexdigest()


_GAP = "\x00 the prompt stands here \x00"


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
