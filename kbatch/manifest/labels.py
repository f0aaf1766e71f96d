"""Slugs and labels: how a value is named inside an address and how an address becomes a file name."""

import re
import unicodedata
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

_AS_SLUG = bytes(
    ord(char.lower()) if char.isascii() and (char.isalnum() or char in "._") else 45 for char in map(chr, range(256))
)
_DASHES = re.compile(r"-+")
_LABEL_KEYS = ("id", "key", "slug", "name")
_LONGEST_NAME = 160


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
    return _DASHES.sub("-", "".join(char if _stays(char) else "-" for char in text)).strip("-")


def _stays(char: str) -> bool:
    """Whether a character is a letter or digit of some script; marks belong to the letters they stand on."""
    return char.isalnum() or char in "._" or unicodedata.category(char).startswith("M")


def label_of(value: Any) -> str | None:
    """Return the label of an axis value: a mapping is named by its `id`, `key`, `slug` or `name`; None without one."""
    if isinstance(value, Mapping):
        named = next((value[key] for key in _LABEL_KEYS if value.get(key) not in (None, "")), None)
        if named is None or isinstance(named, Mapping | list):
            return None
        return slug(named) or None
    if value is None or isinstance(value, list):
        return None
    return slug(value) or None


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
