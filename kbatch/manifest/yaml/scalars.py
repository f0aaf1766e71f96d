"""Values of plain YAML scalars by the YAML 1.2 core schema, with leading zeros kept as text.

`16:9`, `no`, `on`, `012` and dates are strings; PyYAML alone would read YAML 1.1 and make 969, False and 10 of them.
"""

import re

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_MAY_BE_SPECIAL = frozenset("+-.0123456789~nNtTfF")
_MOST_DIGITS = 300


def read_scalar(text: str) -> str | int | float | bool | None:
    """Return the value of a plain scalar; ValueError for infinities, NaN and numbers out of range."""
    if text and text[0] not in _MAY_BE_SPECIAL:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        if len(text) > _MOST_DIGITS:
            raise ValueError("a number of more than 300 digits")
        return int(text)
    if _BASED.match(text):
        if len(text) > _MOST_DIGITS:
            raise ValueError("a number of more than 300 digits")
        return int(text, 0)
    if _FLOAT.match(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError("a number too large to hold")
        return value
    if _NOT_FINITE.match(text):
        raise ValueError("neither infinity nor NaN can be sent to a provider")
    return text
