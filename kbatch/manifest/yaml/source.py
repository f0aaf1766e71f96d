"""A text by its lines: marks inside it, and the place of a word that a caret should point at."""

import re
from collections.abc import Iterator

from msgspec import Struct, field

from kbatch.errors import Mark, Problem

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_ODD_BREAKS = ("\x85", "\u2028", "\u2029")
"""Line ends of YAML 1.1 only: NEL, the line separator, the paragraph separator."""

Position = tuple[int, int]
"""Line and column, both from 0."""

_ENCODINGS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
LFS_POINTER = "this is a pointer of Git LFS, not the file itself"
LFS_HINT = "`git lfs pull` brings the file"
_OPEN = ("{{", "{%")
_CLOSED = ("}}", "%}")


class SourceText(Struct, frozen=True):
    """A text with the name that marks give it; lines and columns count from 0 here, from 1 in marks.

    YAML ends lines at more characters than editors, git and compilers do. Places come in YAML's count, unless the text
    is `plain` (CSV, JSON, a template); marks are in an editor's.
    """

    file: str
    text: str
    plain: bool = False
    _lines: list[str] = field(default_factory=list)
    _before: list[Position] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The text's lines without their ends, broken where YAML breaks them, or a plain text at line feeds only."""
        if not self._lines:
            self._lines.extend(self.text.split("\n") if self.plain else _BREAK.split(self.text))
        return self._lines

    def at(self, line: int, column: int = 0, width: int = 1) -> Mark:
        """Return the mark of a place."""
        source = self.lines[line] if 0 <= line < len(self.lines) else ""
        if not self.plain and has_odd_breaks(self.text):
            line, more = self._place_of(line)
            column += more
            source = self.text.split("\n")[line] if line >= 0 else ""
        return Mark(file=self.file, line=line + 1, column=column + 1, width=max(1, width), source=source)

    def _place_of(self, line: int) -> Position:
        """Return where a line of YAML begins as an editor counts."""
        if not self._before:
            self._before.append((0, 0))
            number = begin = 0
            for found in _BREAK.finditer(self.text):
                if found.group() in _ODD_BREAKS:
                    self._before.append((number, found.end() - begin))
                else:
                    number, begin = number + 1, found.end()
                    self._before.append((number, 0))
        return self._before[min(line, len(self._before) - 1)]

    def of_line(self, line: int) -> Mark:
        """Return the mark of a whole line without its indentation."""
        source = self.lines[line] if 0 <= line < len(self.lines) else ""
        start = len(source) - len(source.lstrip())
        return self.at(line, start, len(source.strip()))

    def find(self, word: str, start: Position = (0, 0), end: Position | None = None) -> Mark | None:
        """Return the place of `word` between two positions: inside a template's braces if it can be, else anywhere."""
        found = list(self._found(word, start, end or (len(self.lines) - 1, len(self.lines[-1]))))
        return next((mark for inside, mark in found if inside), found[0][1] if found else None)

    def _found(self, word: str, start: Position, end: Position) -> Iterator[tuple[bool, Mark]]:
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        open_before = False
        for number in range(start[0], min(end[0] + 1, len(self.lines))):
            line = self.lines[number]
            first = start[1] if number == start[0] else 0
            last = end[1] if number == end[0] else len(line)
            for match in pattern.finditer(line, first, last):
                inside = _is_open(line[first : match.start()], open_before)
                yield inside, self.at(number, match.start(), match.end() - match.start())
            open_before = _is_open(line[first:last], open_before)


def read_text(data: bytes, file: str) -> str | Problem:
    """Return the text of UTF-8 bytes, or the place of the first byte that is none.

    It has no byte order mark, and its line ends are line feeds, whichever machine or git wrote the file.
    """
    start = Mark(file=file, line=1, column=1)
    encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), None)
    if encoding is not None:
        message = f"the file is written in {encoding}"
        return Problem(code="encoding", message=message, mark=start, hint="save it as UTF-8")
    if is_lfs_pointer(data):
        return Problem(code="git-lfs-pointer", message=LFS_POINTER, mark=start, hint=LFS_HINT)
    body = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return with_line_feeds(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = with_line_feeds(body[: error.start].decode("utf-8")).split("\n")
        text = with_line_feeds(body.decode("utf-8", "replace"))
        mark = SourceText(file, text, plain=True).at(len(before) - 1, len(before[-1]))
        message = f"byte 0x{body[error.start]:02x} is not UTF-8"
        return Problem(code="encoding", message=message, mark=mark, hint="save the file as UTF-8")


def has_odd_breaks(text: str) -> bool:
    """Whether a text has characters that end a line to YAML only."""
    return not text.isascii() and any(mark in text for mark in _ODD_BREAKS)


def odd_break(text: str) -> str:
    """Return the first character of a text that ends a line to YAML only; the text must have one."""
    return min((mark for mark in _ODD_BREAKS if mark in text), key=text.index)


def is_lfs_pointer(data: bytes) -> bool:
    """Whether these bytes stand in for a file that Git LFS keeps elsewhere (its specification, v1)."""
    return data.startswith(b"version https://git-lfs.github.com/spec/")


def with_line_feeds(text: str) -> str:
    """Return a text whose every line end is a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _is_open(text: str, before: bool) -> bool:
    """Whether a template's braces are open after `text`, given whether they were before it."""
    opened = max(text.rfind(mark) for mark in _OPEN)
    closed = max(text.rfind(mark) for mark in _CLOSED)
    return before if opened == closed == -1 else opened > closed
