"""Lines broken between words where a terminal would tear them anywhere, in the middle of a price too."""

import re
from collections.abc import Iterator

Line = list[tuple[str, str]]

_GAP = re.compile(r"(?<=\S) +(?=\S)")
_SUM = re.compile(r"(?:^|[\s(])[-+]?[\d,.]*\d$")
_UNIT = re.compile(r"[^\W\d_]")
_HANGING = 4


def wrap(line: Line, width: int) -> Iterator[Line]:
    """Yield the line in rows of at most `width` characters, the later ones indented.

    A row ends between words, never between a number and what it counts; a word that is wider than a row stays whole.
    """
    text = "".join(words for words, _ in line)
    if len(text) <= width:
        yield line
        return
    indent = min(len(text) - len(text.lstrip()) + _HANGING, width // 2)
    start, end, resume, room = 0, 0, 0, width
    for gap in _gaps(text):
        if gap.start() - start > room and end > start:
            yield _row(line, start, end, indent if start else 0)
            start, room = resume, width - indent
        end, resume = gap.start(), gap.end()
    if len(text.rstrip()) - start > room and end > start:
        yield _row(line, start, end, indent if start else 0)
        start = resume
    yield _row(line, start, len(text.rstrip()), indent if start else 0)


def _gaps(text: str) -> Iterator[re.Match[str]]:
    for gap in _GAP.finditer(text):
        counts = len(gap[0]) == 1 and _SUM.search(text[: gap.start()]) and _UNIT.match(text[gap.end() :])
        if not counts:
            yield gap


def _row(line: Line, start: int, end: int, indent: int) -> Line:
    """Return the pieces between two places of the whole line, behind an indent."""
    row: Line = [(" " * indent, "")] if indent else []
    at = 0
    for words, style in line:
        piece = words[max(0, start - at) : max(0, end - at)]
        if piece:
            row.append((piece, style))
        at += len(words)
    return row
