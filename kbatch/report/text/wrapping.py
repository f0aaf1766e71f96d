"""Lines broken between words where a terminal would tear them anywhere, in the middle of a price too."""

import re
import shlex
from collections.abc import Iterable, Iterator

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


def wrap_words(words: Iterable[str], width: int) -> Iterator[str]:
    """Yield rows of at most `width` characters; each of `words` stays whole, though it may hold spaces."""
    row = ""
    for word in words:
        if row and len(row) + 1 + len(word) > width:
            yield row
            row = word
        else:
            row = f"{row} {word}" if row else word
    yield row


def command_rows(command: str, width: int) -> Iterator[str]:
    """Yield a command that can be copied: on one row, else in rows that a shell joins; an argument stays whole.

    >>> list(command_rows("kbatch run a.yaml --approve sha256:00", 30))
    ['kbatch run a.yaml --approve \\\\', '  sha256:00']
    """
    if len(command) <= width:
        yield command
        return
    first, *others = wrap_words(map(shlex.quote, shlex.split(command)), width - 4)
    ends = (" \\", *(" \\" for _ in others[:-1]), "")
    for row, end in zip((first, *(f"  {row}" for row in others)), ends, strict=True):
        yield f"{row}{end}"


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
