"""Splits a text with git's conflict markers into its two sides.

A marker is a line of seven or more of one character: `<` starts a hunk with our lines, `|` the base's (if git is
configured to write them), `=` theirs, `>` ends it. Longer markers inside the base belong to an earlier merge and are
part of its text. Another order is an error with its line.
"""

import re
from enum import Enum

from kbatch.errors import StateUnreadable

_BEGINS = re.compile(r"^(<{7,})(?: |\r?$)", re.MULTILINE)
_BOTH_SIDES = "take both sides out of git (`git show :2:./FILE` and `:3:./FILE`) and `kbatch lock merge` them"


class _Part(Enum):
    """A part of a conflict; the value lists the markers that may end it."""

    COMMON = "<"
    OURS = "|="
    BASE = "="
    THEIRS = ">"


_AFTER = {"<": _Part.OURS, "|": _Part.BASE, "=": _Part.THEIRS, ">": _Part.COMMON}


def has_markers(text: str) -> bool:
    """Whether a text contains the start of a conflict."""
    return _BEGINS.search(text) is not None


def split_sides(text: str, name: str) -> tuple[str, str]:
    """Return our text and theirs; both are the text itself where it has no conflict. StateUnreadable names the line."""
    begins = _BEGINS.search(text)
    if begins is None:
        return text, text
    marker = re.compile(rf"([<|=>])\1{{{len(begins[1]) - 1}}}(?: .*|\r)?", re.DOTALL)
    ours: list[str] = []
    theirs: list[str] = []
    part, began = _Part.COMMON, 0
    for number, line in enumerate(_lines(text), start=1):
        found = marker.fullmatch(line.removesuffix("\n"))
        if found is None:
            if part in (_Part.COMMON, _Part.OURS):
                ours.append(line)
            if part in (_Part.COMMON, _Part.THEIRS):
                theirs.append(line)
            continue
        if found[1] not in part.value:
            message = f"{name}:{number}: a conflict marker `{found[0][:7]}` stands where none belongs"
            raise StateUnreadable(message, hint=_BOTH_SIDES)
        part = _AFTER[found[1]]
        began = number if part is _Part.OURS else began
    if part is not _Part.COMMON:
        raise StateUnreadable(f"{name}:{began}: a conflict begins here and does not end", hint=_BOTH_SIDES)
    return "".join(ours), "".join(theirs)


def _lines(text: str) -> list[str]:
    """Return the lines with their ends, split at line feeds only: JSON strings may contain other line breaks."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
