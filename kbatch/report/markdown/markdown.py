"""Markdown for pull requests and job summaries: text from elsewhere cannot become markup, and a page fits its limit.

Foreign text stands in code, where no Markdown, no mention and no link is read: between backticks when it is plain,
else in `<code>` with every sign that could mean something as a character reference. A page is cut by whole rows, and
says so.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from kbatch.report.data.format import count, one_line

COMMENT_LIMIT = 65_536 - 1_024
"""Bytes of a comment: GitHub takes 65,536 characters, and the script that posts it may add a few."""
SUMMARY_LIMIT = 1024 * 1024
"""Bytes that GitHub keeps of a step's summary."""

_MEANING = re.compile(r"[\\`*_{}\[\]()#+!|~<>&@$^]|:(?=\S)")
_FIRST_ROWS = 12
_UNSAFE_IN_BACKTICKS = re.compile(r"[`|\\]")


class Table(Struct, frozen=True, kw_only=True):
    """A table of finished cells; `align` has `l` or `r` a column, `fold` is the line that opens it.

    `fold` is HTML and may hold nothing foreign. Rows that did not fit are counted by the `noun`; `elsewhere` says where
    they are.
    """

    head: tuple[str, ...]
    align: str
    rows: tuple[tuple[str, ...], ...]
    fold: str | None = None
    noun: str = "row"
    elsewhere: str = ""

    def rest(self, hidden: int) -> str:
        """Return the line for rows that did not fit."""
        more = f"… and {count(hidden, f'more {self.noun}')}"
        return f"{more}; {self.elsewhere}" if self.elsewhere else more


Block = str | Table


def code(text: object, limit: int = 200) -> str:
    """Return foreign text as code, on one line of at most `limit` characters; nothing gives an en dash.

    >>> code("hero[city=oslo]"), code("a | b")
    ('`hero[city=oslo]`', '<code>a &#124; b</code>')
    """
    line = one_line(str(text), limit)
    if not line:
        return "–"
    if _UNSAFE_IN_BACKTICKS.search(line):
        return f"<code>{_referenced(line)}</code>"
    return f"`{line}`"


def prose(text: str, limit: int = 400) -> str:
    """Return a sentence of kbatch's own with foreign words in it; what stands between backticks becomes code."""
    parts = one_line(text, limit).split("`")
    if len(parts) % 2 == 0:
        return _plain("`".join(parts))
    return "".join(code(part, limit) if index % 2 else _plain(part) for index, part in enumerate(parts))


def _plain(text: str) -> str:
    """Return text in which nothing is markup, and `@name`, `#1` and `www.` notify no user and link nowhere."""
    escaped = _referenced(text)
    for sign in ("@", "#"):
        escaped = escaped.replace(f"&#{ord(sign)};", f"&#{ord(sign)};&#8203;")
    return re.sub(r"(?i)\bwww\.", lambda found: f"{found[0][:-1]}&#46;", escaped)


def _referenced(text: str) -> str:
    return _MEANING.sub(lambda sign: f"&#{ord(sign[0])};", text)


def marker(kind: str, name: str, profile: str | None) -> str:
    """Return the hidden line by which a comment is found again to be updated.

    >>> marker("plan", "campaign.yaml", None)
    '<!-- kbatch:plan campaign.yaml -->'
    """
    words = " ".join((name, *((profile,) if profile else ())))
    return f"<!-- kbatch:{kind} {re.sub(r'[-<>]*[<>][-<>]*|-{2,}', '-', one_line(words))} -->"


def quote(word: str, sentences: Iterable[str]) -> str:
    """Return a warning as a block quote; a sentence is Markdown already."""
    return "\n".join(f"> **{word}:** {sentence}  " for sentence in sentences)


def render(blocks: Sequence[Block], limit: int) -> str:
    """Return the page in at most `limit` bytes of UTF-8: every text, and of each table the rows that find room.

    The first rows of every table come before the others of any, so that a long table takes no later one's place.
    """
    room = limit - sum(_size(_fixed(block)) + 2 for block in blocks)
    kept: list[list[str]] = [[] for _ in blocks]
    for most in (_FIRST_ROWS, None):
        for block, lines in zip(blocks, kept, strict=True):
            if isinstance(block, Table):
                room -= _fill(lines, block.rows[:most], room)
    shown = [
        block if isinstance(block, str) else _table(block, lines) for block, lines in zip(blocks, kept, strict=True)
    ]
    page = "\n\n".join(part for part in shown if part) + "\n"
    return page if _size(page) <= limit else _cut(page, limit)


def _fill(lines: list[str], rows: Sequence[tuple[str, ...]], room: int) -> int:
    """Add the rows behind those that are there while there is room; return the bytes that they take."""
    taken = 0
    for row in rows[len(lines) :]:
        line = _line(row)
        if taken + _size(line) + 1 > room:
            break
        taken += _size(line) + 1
        lines.append(line)
    return taken


def _fixed(block: Block) -> str:
    if isinstance(block, str):
        return block
    return _table(block, []) + block.rest(len(block.rows))


def _table(table: Table, rows: Sequence[str]) -> str:
    marks = {"l": ":--", "r": "--:"}
    lines = [_line(table.head), _line([marks[side] for side in table.align]), *rows]
    hidden = len(table.rows) - len(rows)
    if hidden:
        lines += ["", table.rest(hidden)]
    body = "\n".join(lines)
    return f"<details><summary>{table.fold}</summary>\n\n{body}\n\n</details>" if table.fold else body


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cut(page: str, limit: int) -> str:
    """Return as many whole lines as fit; only a page without a row of a table comes here."""
    note = "\n… cut to the size that can be shown\n"
    return "".join(_while_room(page.splitlines(keepends=True), limit - _size(note))) + note


def _while_room(lines: Iterable[str], room: int) -> Iterator[str]:
    for line in lines:
        room -= _size(line)
        if room < 0:
            return
        yield line


def _size(text: str) -> int:
    return len(text.encode("utf-8", errors="replace"))
