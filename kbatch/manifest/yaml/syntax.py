"""From bytes to YAML nodes: the encoding, the bounds that protect libyaml, and syntax errors in kbatch's own words.

A pass over the parser's events comes before the nodes are composed: libyaml's composer calls itself for each level, so
what nests too deeply would end the process.
"""

import re
from typing import Any

import yaml

from kbatch.errors import Mark, Problem
from kbatch.manifest.yaml.source import SourceText, has_odd_breaks, odd_break, read_text

SIZE_LIMIT = 10 * 1024 * 1024
DEPTH_LIMIT = 100
VALUE_LIMIT = 1_000_000

PLAIN, QUOTED, MAP, SEQUENCE = "\0plain", "\0quoted", "\0map", "\0sequence"
"""Tags for nodes without a tag, by their style. No text can spell them."""

_LIBYAMLS_DEPTH = "exceeded maximum nesting depth"
"""libyaml 0.2.6 refuses depth itself, beyond 1,000 levels; since it reads ahead, before it reports level 101."""

_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAB_INDENT = re.compile(r" *\t")
_KEY = re.compile(r" *(?:- +)*[\w.-]+")
_BARE_TEMPLATE = re.compile(r"(?:[:-]|^)\s+\{\{")
_INDENTATION = "look at the indentation of this line and the one before"
_HINTS = (
    ("mapping values are not allowed", "a text with `: ` in it needs quotes"),
    ("found character that cannot start any token", "a text that begins with this character needs quotes"),
    ("did not find expected key", _INDENTATION),
    ("did not find expected '-' indicator", _INDENTATION),
    ("could not find expected ':'", "a key needs a colon and a space after it"),
    ("found undefined alias", "a text that begins with `*` needs quotes"),
    ("while scanning an alias", "a text that begins with `*` needs quotes"),
    ("while scanning an anchor", "a text that begins with `&` needs quotes"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("did not find expected ',' or", "a bracket is not closed, or a comma is missing"),
    ("found unknown escape character", "in double quotes write `\\\\` for a backslash, or use single quotes"),
    (
        "found invalid Unicode character escape code",
        'write the character itself, or "\\U0001F600" for one above U+FFFF',
    ),
    ("exceeds 1024", "a key is at most 1,024 characters long"),
)


class Excess(yaml.YAMLError):
    """The text holds more values, or nests them deeper, than is read; composing it further might end the process."""


class Nodes(yaml.cyaml.CParser):  # type: ignore[name-defined,misc]
    """libyaml's composer with tags that only say how a node was written, up to a depth; it constructs nothing."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0
        self.deepest = 0

    def resolve(self, kind: type, _value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none."""
        if kind is yaml.ScalarNode:
            return PLAIN if implicit[0] else QUOTED
        return MAP if kind is yaml.MappingNode else SEQUENCE

    def descend_resolver(self, _parent: Any, _index: Any) -> None:
        """Count a node that begins; Excess when there are too many, or too many within each other."""
        self._depth += 1
        self._values += 1
        self.deepest = max(self.deepest, self._depth)
        if self._depth > DEPTH_LIMIT + 1 or self._values > VALUE_LIMIT:
            raise Excess

    def ascend_resolver(self) -> None:
        """Count a node that ends."""
        self._depth -= 1


def compose(data: bytes, file: str) -> tuple[SourceText, Any] | Problem:
    """Return the text in `data` and the root node of its only document, or its problems."""
    text = decode(data, file)
    if isinstance(text, Problem):
        return text
    source = SourceText(file, text)
    if not text.strip():
        return Problem(code="empty-file", message="the file is empty", mark=source.at(0))
    nodes = Nodes(text)
    try:
        root = nodes.get_single_node()
    except yaml.YAMLError as error:
        return _excess_or(error, source)
    if root is None:
        return Problem(code="empty-file", message="the file has no content", mark=source.at(0))
    excess = _find_excess(source) if nodes.deepest > DEPTH_LIMIT else None  # the innermost may be a plain value
    return excess or (source, root)


def mark_node(source: SourceText, node: Any) -> Mark:
    """Return the place of a node: its first line, a block to the end of that line."""
    start, end = node.start_mark, node.end_mark
    line = source.lines[start.line] if start.line < len(source.lines) else ""
    block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    stop = end.column if end.line == start.line and not block else len(line.rstrip())
    return source.at(start.line, start.column, stop - start.column)


def decode(data: bytes, file: str) -> str | Problem:
    """Return the text of at most 10 MB of UTF-8, all of it characters that YAML allows."""
    if len(data) > SIZE_LIMIT:
        message = f"the file has {len(data) / 1_000_000:.1f} MB, at most 10 are read"
        hint = "rows belong in a CSV or JSONL file under `data`"
        return Problem(code="file-too-large", message=message, mark=Mark(file=file, line=1, column=1), hint=hint)
    text = read_text(data, file)
    found = None if isinstance(text, Problem) else _NOT_PRINTABLE.search(text)
    if isinstance(text, Problem) or found is None:
        return text
    before = text[: found.start()].split("\n")
    mark = SourceText(file, text, plain=True).at(len(before) - 1, len(before[-1]))
    message = f"the character U+{ord(found.group()):04X} cannot stand in YAML"
    hint = f'remove it, or write it as "\\u{ord(found.group()):04X}" in double quotes'
    return Problem(code="control-character", message=message, mark=mark, hint=hint)


def _excess_or(error: yaml.YAMLError, source: SourceText) -> Problem:
    """Return the place of an excess or of a second document, else that of the error."""
    try:
        return _find_excess(source) or _word(error, source)
    except yaml.YAMLError as first:
        at = getattr(first, "problem_mark", None)
        if at is None or getattr(first, "problem", None) != _LIBYAMLS_DEPTH:
            return _word(first, source)
        return _find_excess(source, at.index) or _too_deep(source, at)


def _too_deep(source: SourceText, at: Any) -> Problem:
    message = f"nested deeper than {DEPTH_LIMIT} levels"
    return Problem(code="too-deep", message=message, mark=source.at(at.line, at.column))


def _find_excess(source: SourceText, stop: int | None = None) -> Problem | None:
    """Return the first excess before index `stop`: nesting too deep, too many values, a second document."""
    depth = values = documents = 0
    for event in yaml.parse(source.text[:stop], Loader=Nodes):
        at: Any = event.start_mark
        if isinstance(event, yaml.NodeEvent):
            values += 1
            if values > VALUE_LIMIT:
                message = f"the file has more than {VALUE_LIMIT:,} values"
                mark, hint = source.at(at.line, at.column), "rows belong in a CSV or JSONL file under `data`"
                return Problem(code="too-many-values", message=message, mark=mark, hint=hint)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                return _too_deep(source, at)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                mark, hint = source.of_line(at.line), "one file holds one manifest"
                return Problem(code="second-document", message="a second document begins here", mark=mark, hint=hint)
    return None


def _word(error: yaml.YAMLError, source: SourceText) -> Problem:
    """Return an error of libyaml in words, with the place where the unfinished part begins."""
    at, begin = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem, context = str(getattr(error, "problem", None) or error).strip(), getattr(error, "context", None)
    if at is None or (begin is not None and not source.text[at.index :].strip()):
        at = begin  # at the end of the file, what was not closed is the better place
    line, column = (0, 0) if at is None else (at.line, at.column)
    mark = source.at(line, column)
    tab = _TAB_INDENT.match(mark.source)
    if tab is not None and tab.end() >= column:
        mark = source.at(line, tab.end() - 1)
        return Problem(code="tab", message="a tab cannot indent", mark=mark, hint="use spaces")
    begins = f" that begins in line {source.at(begin.line).line}" if begin is not None and begin.line != line else ""
    message = f"this is not YAML: {problem}" + (f" {context}{begins}" if context else "")
    hint = next((hint for words, hint in _HINTS if words in message), None)
    if "mapping values" in problem and _KEY.fullmatch(mark.source, 0, column):
        hint = _INDENTATION
    if hint == _INDENTATION and _BARE_TEMPLATE.search(mark.source):
        hint = "a text that begins with `{{` needs quotes"
    around = mark.source + (source.at(begin.line).source if begin is not None else "")
    if has_odd_breaks(around):
        hint = f"YAML ends a line at U+{ord(odd_break(around)):04X}, which stands there unseen: remove it"
    return Problem(code="yaml-syntax", message=message, mark=mark, hint=hint)
