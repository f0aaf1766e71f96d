"""Typesets a prompt in a box: wraps it, reduces its size, and at the smallest size splits it over pages.

Pure arithmetic over a text's measured width; no part of a prompt is left out.
"""

import math
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LEADING = 1.32
Measure = Callable[[str, float], float]
"""Width of a text in pixels at a size in points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """One line of text; `quiet` for secondary text, which is drawn paler."""

    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A typeset text: its size in points and the lines of each page; there is at least one page."""

    points: float
    pages: tuple[tuple[TextLine, ...], ...]


def clean(text: str) -> str:
    """Return the text as it can be drawn: no control characters, no half of a surrogate pair, paragraphs kept."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    kept = (sign if sign.isprintable() or sign == "\n" or unicodedata.category(sign) == "Cf" else " " for sign in whole)
    return "".join(kept).strip()


def set_text(paragraphs: list[TextLine], box: tuple[float, float], measure: Measure, sizes: range) -> Setting:
    """Return the paragraphs at the largest of `sizes` (rising) at which all fit into `box`; at the least size on pages.

    Lines of a single page are balanced: as narrow as their number allows, so that no word stands alone.
    """
    width, height = box
    low, high, found = 0, len(sizes) - 1, -1
    while low <= high:
        middle = (low + high) // 2
        if len(_lines(paragraphs, width, sizes[middle], measure)) <= _room(height, sizes[middle]):
            low, found = middle + 1, middle
        else:
            high = middle - 1
    if found >= 0:
        lines = _balanced(paragraphs, width, sizes[found], measure)
        return Setting(points=sizes[found], pages=(tuple(lines),))
    lines, room = _lines(paragraphs, width, sizes[0], measure), _room(height, sizes[0])
    even = math.ceil(len(lines) / math.ceil(len(lines) / room))
    pages = tuple(tuple(lines[at : at + even]) for at in range(0, len(lines), even))
    return Setting(points=sizes[0], pages=pages)


def _room(height: float, points: float) -> int:
    return max(1, int(height // (points * LEADING)))


def _balanced(paragraphs: list[TextLine], width: float, points: float, measure: Measure) -> list[TextLine]:
    lines = _lines(paragraphs, width, points, measure)
    for share in (0.6, 0.7, 0.8, 0.85, 0.9, 0.95):
        narrow = _lines(paragraphs, width * share, points, measure)
        if len(narrow) == len(lines):
            return narrow
    return lines


def _lines(paragraphs: list[TextLine], width: float, points: float, measure: Measure) -> list[TextLine]:
    return [
        TextLine(text=text, quiet=paragraph.quiet)
        for paragraph in paragraphs
        for row in paragraph.text.split("\n")
        for text in _wrapped(row, width, points, measure)
    ]


def _wrapped(text: str, width: float, points: float, measure: Measure) -> Iterator[str]:
    """Yield the lines of one row; words are measured one by one, since kerning never crosses a space."""
    line, used = "", 0.0
    for word in _words(text):
        bare = measure(word.rstrip(), points)
        if used + bare <= width:
            line, used = line + word, used + measure(word, points)
            continue
        if line:
            yield line.rstrip()
        *full, line = _broken(word, width, points, measure)
        yield from full
        used = measure(line, points)
    yield line.rstrip()


def _words(text: str) -> Iterator[str]:
    """Yield the pieces between which a line may break: words with the space after them, and single wide characters."""
    word = ""
    for sign in text:
        wide = unicodedata.east_asian_width(sign) in "WF"
        if word and (wide or (word[-1] == " " and sign != " ")):
            yield word
            word = ""
        word += sign
    if word:
        yield word


def _broken(word: str, width: float, points: float, measure: Measure) -> Iterator[str]:
    """Yield a word in pieces that fit, its letters measured one by one; a single letter always counts as fitting."""
    piece, used = "", 0.0
    for sign in word:
        wide = 0.0 if sign == " " else measure(sign, points)
        if piece and used + wide > width:
            yield piece
            piece, used = "", 0.0
        piece, used = piece + sign, used + wide
    yield piece
