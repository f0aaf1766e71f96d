"""Slugs and labels: the names of values inside addresses, and the file names of addresses."""

import re
import unicodedata
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

_AS_SLUG = bytes(
    ord(char.lower()) if char.isascii() and (char.isalnum() or char in "._") else 45 for char in map(chr, range(256))
)
_DASHES = re.compile(r"-+")
LABEL_KEYS = ("id", "key", "slug", "name")
_LONGEST_NAME = 160
LONGEST_LABEL = 2_500
"""Characters of a label, and of what it is made of: as many as a prompt has at most. Every job's name repeats them."""


class _LockfileJson(dict[int, str]):
    """The slug of each letter, computed once: `str.translate` then walks a long text quickly."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = char if _stays(char) else "-"
        return self[code]


_KEPT = _LockfileJson()


def slug(value: Any) -> str:
    """Return lower case, letters and digits of any script, `.` and `_`, all else one `-`; no `-` at the ends.

    >>> slug("Golden Hour"), slug("16:9"), slug(True), slug("São Paulo")
    ('golden-hour', '16-9', 'true', 'são-paulo')
    """
    text = str(value)
    if text.isascii():
        name = text.encode("ascii").translate(_AS_SLUG).decode("ascii").strip("-")
        return _DASHES.sub("-", name) if "--" in name else name
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text.lower()).lower())
    return _DASHES.sub("-", text.translate(_KEPT)).strip("-")


def _stays(char: str) -> bool:
    """Whether a character is a letter or digit of some script; marks belong to the letters they stand on."""
    return char.isalnum() or char in "._" or unicodedata.category(char).startswith("M")


def label_of(value: Any) -> str | None:
    """Return the label of an axis value: a mapping is named by its `id`, `key`, `slug` or `name`; None without one."""
    named = _named(value)
    return None if named is None else slug(named) or None


def is_long(value: Any) -> bool:
    """Whether an axis value would get a label of more than `LONGEST_LABEL` characters; in constant time.

    Some letters are a whole phrase once they are written out.
    """
    text = str(_named(value) or "")
    return len(text) > LONGEST_LABEL or (not text.isascii() and len(slug(text)) > LONGEST_LABEL)


def _named(value: Any) -> Any:
    """Return the text that labels an axis value, None without one."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in LABEL_KEYS if value.get(key) not in (None, "")), None)
    return None if isinstance(value, Mapping | list) else value


def file_name(address: str) -> str:
    """Return an address as a portable file name of at most 160 bytes; a longer one ends in a digest of the whole.

    >>> file_name("hero[city=lisbon,light=dusk]@2")
    'hero-city-lisbon-light-dusk-2'
    """
    name = slug(address)
    if len(name if name.isascii() else name.encode()) <= _LONGEST_NAME:
        return name
    digest = sha256(address.encode()).hexdigest()[:12]
    return name.encode()[: _LONGEST_NAME - 13].decode(errors="ignore").rstrip("-") + "-" + digest
