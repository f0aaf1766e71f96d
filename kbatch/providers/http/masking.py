"""Removes the API key from everything that a provider answers, in every spelling.

A provider that repeats a key writes it as its JSON, its URLs or its pages spell it, and half a line of escapes may hide
one until it is read. So a body is searched before it is read, for every letter in every usual spelling, and the words
that its reader makes of it once more.

A key of fewer than `SHORTEST` characters is refused on the network before anything is sent. One of fewer than eight,
which a rehearsal on loopback may have, is struck out of words only, where it stands alone: ids and prompts that hold
its letters must stay what they are.
"""

import base64
import re
from collections.abc import Callable
from typing import Any, cast

from msgspec.structs import replace

from kbatch.providers.base import Provider

SHORTEST = 4
"""Characters of the shortest key that is sent over the network; providers' own have 32 and more."""

_SHORTEST_ANYWHERE = 8

_STRUCK = "***"
_SHORTEST_OF_BASE64 = 10
_ESCAPES = ("\\", "%", "&")
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


class Mask:
    """What one key looks like; `repr` shows nothing of it."""

    def __init__(self, key: str) -> None:
        whole = "".join(map(_spellings, key))
        self._anywhere = len(key) >= _SHORTEST_ANYWHERE
        codes = _in_base64(key.encode("ascii", "replace"))
        alone = rf"(?<![0-9A-Za-z]){whole}(?![0-9A-Za-z])"
        pattern = "|".join((whole, *map(re.escape, codes))) if self._anywhere else alone
        self._words = re.compile(pattern) if key else None
        self._bytes = re.compile(pattern.encode("ascii", "replace"))
        self._signs = tuple(sign.encode("ascii", "replace") for sign in (key, *codes, *_ESCAPES))

    def __repr__(self) -> str:
        return "Mask(***)"

    def words(self, text: str) -> str:
        """Return words for people without the key; a short one is struck out where it stands alone."""
        return self._words.sub(_STRUCK, text) if self._words is not None else text

    def body(self, body: bytes) -> bytes:
        """Return an answer's bytes without the key, in its place three stars; a short one is left for the words."""
        if not self._anywhere or not any(sign in body for sign in self._signs):
            return body  # most answers: a search for every spelling takes as long as all else that is done with one
        return self._bytes.sub(_STRUCK.encode(), body)

    def header(self, value: str) -> str:
        """Return a header's value, as `body`."""
        return self.words(value) if self._anywhere else value


def with_masked_messages(provider: Provider, mask: Mask) -> Provider:
    """Return a provider whose `read_*` outcomes contain no key in their messages."""
    return cast(Provider, _MaskingProvider(provider, mask))


class _MaskingProvider:
    """A provider whose `read_*` results are masked; all else is passed through."""

    def __init__(self, provider: Provider, mask: Mask) -> None:
        self._provider, self._mask = provider, mask

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        return self._masked(found) if name.startswith("read_") else found

    def _masked(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(*args: Any, **more: Any) -> Any:
            outcome = read(*args, **more)
            said = getattr(outcome, "message", None)
            return replace(outcome, message=self._mask.words(said)) if said else outcome

        return reading


def _spellings(letter: str) -> str:
    """Return a pattern for one letter of a key: as it is, in JSON, in a URL, in HTML, and these within one another."""
    digits = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{ord(letter):02x}")
    forms = [re.escape(letter), rf"\\+u00{digits}", rf"%(?:25)*{digits}", rf"&#(?:0*{ord(letter)}|[xX]0*{digits});"]
    if not letter.isalnum():
        forms.append(rf"\\+{re.escape(letter)}")
    if letter in _NAMED:
        forms.append(rf"&{_NAMED[letter]};")
    return f"(?:{'|'.join(forms)})"


def _in_base64(key: bytes) -> list[str]:
    """Return what base64 makes of a key wherever it begins in a text, as `Basic` has it; what its ends share is cut."""
    found = []
    for before in range(3):
        code = base64.b64encode(b"\0" * before + key).decode("ascii").rstrip("=")
        code = code[-(-before * 8 // 6) :]
        code = code if (before + len(key)) % 3 == 0 else code[:-1]
        if len(code) >= _SHORTEST_OF_BASE64:
            found += [code, code.replace("+", "-").replace("/", "_")]
    return list(dict.fromkeys(found))
