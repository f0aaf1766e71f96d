"""Differences between two requests, field by field; a changed prompt is shown by its changed words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

_SHORT = 40
_LONGEST_PIECE = 60
_MOST_PIECES = 3
_MOST_WORDS = 2000
_PICTURE = ("sha256:", "frame:")


class FieldChange(Struct, frozen=True, kw_only=True):
    """One changed field with both values (None: not set); `words` describe the change."""

    name: str
    before: Any
    after: Any
    words: str


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Return every field that differs, sorted by name; nested parameters appear under their own names.

    >>> [field.words for field in differences({"klingParams": {"duration": 5}}, {"klingParams": {"duration": 10}})]
    ['duration 5 → 10']
    """
    return tuple(sorted(_fields(before, after), key=lambda field: field.name))


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for name in {*before, *after}:
        one, other = before.get(name), after.get(name)
        if isinstance(one, Mapping) or isinstance(other, Mapping):
            yield from _fields(_mapping(one), _mapping(other))
        elif one != other or isinstance(one, bool) != isinstance(other, bool):
            yield FieldChange(name=name, before=one, after=other, words=_words(name, one, other))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(name: str, one: Any, other: Any) -> str:
    if name != "prompt" and (_is_picture(one) or _is_picture(other)):
        return _picture_words(name, one, other)
    if isinstance(one, str) and isinstance(other, str) and max(len(one), len(other)) > _SHORT:
        return f"{name} {text_change(one, other)}"
    shown = [_word(value) for value in (one, other)]
    if max(map(len, shown)) > _SHORT:
        return f"{name} {'set' if one is None else 'removed' if other is None else 'changed'}"
    return f"{name} {shown[0]} → {shown[1]}"


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_PICTURE)


def _picture_words(name: str, one: Any, other: Any) -> str:
    if one is None:
        return f"{name} added"
    if other is None:
        return f"{name} removed"
    if str(one).startswith("frame:") and str(other).startswith("frame:"):
        return f"{name} from another clip"
    return f"{name} is another picture"


def _word(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, str):
        return value or "empty"
    return json.dumps(value, ensure_ascii=False)


def text_change(before: str, after: str) -> str:
    """Return the change between two texts: removed and added words, or `rewritten` when most words changed.

    >>> text_change("a ridge above Lisbon, golden hour, slow", "a ridge above Lisbon, blue hour, slow")
    '“golden” → “blue”'
    """
    one, other = before.split(), after.split()
    if one == other:
        return "differs in white space"
    if max(len(one), len(other)) > _MOST_WORDS:
        return "rewritten"
    from difflib import SequenceMatcher  # noqa: PLC0415 - 1 ms of a start, for a request that changed

    matcher = SequenceMatcher(None, one, other, autojunk=False)
    pieces = [
        _piece(" ".join(one[i1:i2]), " ".join(other[j1:j2]))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]
    same = sum(block.size for block in matcher.get_matching_blocks())
    if len(pieces) > _MOST_PIECES or 2 * same < min(len(one), len(other)) or any(piece is None for piece in pieces):
        return "rewritten"
    return ", ".join(filter(None, pieces))


def _piece(gone: str, came: str) -> str | None:
    if max(len(gone), len(came)) > _LONGEST_PIECE:
        return None
    if not gone:
        return f"with “{came}”"
    return f"“{gone}” → “{came}”" if came else f"without “{gone}”"
