"""Strict YAML with positions: bytes become plain values, and every key and value keeps its place.

Refused with a place, never with a traceback: duplicate keys, tags, `<<`, a second document, other encodings than UTF-8,
files over 10 MB, nesting deeper than 100, aliases that multiply. Values and positions come from one walk over the nodes
that libyaml composes; a position is looked up in the nodes only when a problem needs it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from kbatch.manifest.scalars import read_scalar
from kbatch.problems import Mark, Problem

SIZE_LIMIT = 10 * 1024 * 1024
DEPTH_LIMIT = 100
ALIAS_LIMIT = 100_000

Where = tuple[str | int, ...]
_PLAIN, _QUOTED, _MAP, _SEQUENCE = "plain", "quoted", "map", "sequence"
_BRACKET = re.compile(r"[\[\]{}]")
_LEAD = re.compile(r"^[ \t]*(?:[-?:][ \t]+)*", re.MULTILINE)
_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class _Nodes(yaml.cyaml.CParser):  # type: ignore[misc]
    """libyaml's composer with tags that only say how a node was written; it constructs nothing."""

    def resolve(self, kind: type, _value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _QUOTED
        return _MAP if kind is yaml.MappingNode else _SEQUENCE

    def descend_resolver(self, _parent: Any, _index: Any) -> None: ...

    def ascend_resolver(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML text that was read: its `value`, and the place of each part of it."""

    file: str
    text: str
    value: Any
    root: Any
    _lines: list[str] = field(default_factory=list)

    def mark(self, where: Where = (), *, key: bool = False) -> Mark:
        """Return the place of the value at `where` (keys and indices from the root), or of its key.

        Where no such part was written, the place is that of the nearest part around it.
        """
        node, key_node = self.root, None
        for step in where:
            found = _child(node, step)
            if found is None:
                break
            key_node, node = found
        return self._mark_of(key_node if key and key_node is not None else node)

    def mark_word(self, where: Where, word: str) -> Mark:
        """Return the place of the first `word` inside the value at `where`, else the value's own place."""
        mark = self.mark(where)
        found = next(self._words(where, word), None)
        return mark if found is None else found

    def _words(self, where: Where, word: str) -> Iterator[Mark]:
        node = self.root
        for step in where:
            found = _child(node, step)
            if found is None:
                return
            node = found[1]
        start, end = node.start_mark, node.end_mark
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        for line in range(start.line, min(end.line + 1, len(self._split()))):
            source = self._split()[line]
            first = start.column if line == start.line else 0
            last = end.column if line == end.line else len(source)
            match = pattern.search(source, first, last)
            if match:
                yield self._at(line, match.start(), match.end() - match.start())

    def _split(self) -> list[str]:
        if not self._lines:
            self._lines.extend(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", self.text))
        return self._lines

    def _mark_of(self, node: Any) -> Mark:
        if node is None:
            return Mark(file=self.file, line=1, column=1)
        start, end = node.start_mark, node.end_mark
        lines = self._split()
        source = lines[start.line] if start.line < len(lines) else ""
        stop = end.column if end.line == start.line else len(source)
        if isinstance(node, yaml.MappingNode | yaml.SequenceNode) and not node.flow_style:
            stop = len(source.rstrip())
        return self._at(start.line, start.column, max(1, stop - start.column))

    def _at(self, line: int, column: int, width: int) -> Mark:
        lines = self._split()
        source = lines[line] if line < len(lines) else ""
        return Mark(file=self.file, line=line + 1, column=column + 1, width=width, source=source)


def read_document(data: bytes, file: str) -> Document | tuple[Problem, ...]:
    """Return the document in `data`, or all that keeps it from being one; `file` is the name used in marks."""
    text = _decode(data, file)
    if isinstance(text, Problem):
        return (text,)
    if not text.strip():
        return (Problem(code="empty-file", message="the file is empty", mark=Mark(file=file, line=1, column=1)),)
    too_deep = _find_depth(text, file)
    if too_deep is not None:
        return (too_deep,)
    try:
        loader = _Nodes(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        return (_syntax_problem(error, text, file),)
    except RecursionError:
        return (_depth_problem(Mark(file=file, line=1, column=1)),)
    document = Document(file=file, text=text, value=None, root=root)
    if root is None:
        return (Problem(code="empty-file", message="the file has no content", mark=document.mark()),)
    walk = _Walk(document)
    value = walk.read(root, 0)
    if walk.problems:
        return tuple(walk.problems)
    return Document(file=file, text=text, value=value, root=root, _lines=document._lines)


@dataclass(slots=True)
class _Walk:
    """The one walk that makes values of nodes and collects what strict reading refuses."""

    document: Document
    problems: list[Problem] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    done: dict[int, tuple[Any, int, int]] = field(default_factory=dict)
    repeated: int = 0
    visited: int = 0
    deepest: int = 0

    def read(self, node: Any, depth: int) -> Any:
        if isinstance(node, yaml.ScalarNode):
            self.visited += 1
            return self._scalar(node)
        known = self.done.get(id(node))
        if known is not None:
            return self._alias(node, known, depth)
        if depth > DEPTH_LIMIT or id(node) in self.seen:
            self._say(node, "too-deep", f"nested deeper than {DEPTH_LIMIT} levels, or an alias that contains itself")
            return None
        self.seen[id(node)] = depth
        before, deepest_before = self.visited, self.deepest
        self.visited += 1
        self.deepest = depth
        value: Any
        if node.tag not in (_MAP, _SEQUENCE):
            self._tag(node)
            value = None
        elif isinstance(node, yaml.MappingNode):
            value = self._mapping(node, depth)
        else:
            value = [self.read(item, depth + 1) for item in node.value]
        del self.seen[id(node)]
        self.done[id(node)] = (value, self.visited - before, self.deepest - depth)
        self.deepest = max(self.deepest, deepest_before)
        return value

    def _alias(self, node: Any, known: tuple[Any, int, int], depth: int) -> Any:
        value, size, height = known
        if depth + height > DEPTH_LIMIT:
            self._say(node, "too-deep", f"aliases nest deeper than {DEPTH_LIMIT} levels")
            return None
        self.deepest = max(self.deepest, depth + height)
        self.repeated += size
        self.visited += size
        if self.repeated > ALIAS_LIMIT:
            if self.repeated - size <= ALIAS_LIMIT:
                self._say(node, "alias-bomb", f"aliases repeat more than {ALIAS_LIMIT} values")
            return None
        return value

    def _scalar(self, node: Any) -> Any:
        if node.tag == _QUOTED:
            return node.value
        if node.tag != _PLAIN:
            self._tag(node)
            return None
        try:
            return read_scalar(node.value)
        except ValueError as error:
            self._say(node, "bad-number", f"`{node.value[:40]}` cannot be read: {error}")
            return None

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                template = isinstance(key_node, yaml.MappingNode)
                hint = 'a template needs quotes: "{{ … }}"' if template else None
                self._say(key_node, "bad-key", "a key must be a plain word", hint)
                continue
            if key_node.tag not in (_PLAIN, _QUOTED):
                self._tag(key_node)
            elif key == "<<" and key_node.tag == _PLAIN:
                hint = "write the fields out, or put what is shared under `defaults`"
                self._say(key_node, "merge-key", "`<<` is not supported", hint)
            elif key == "":
                self._say(key_node, "bad-key", "a key is empty")
            elif key in value:
                first = next(k for k, _ in node.value if isinstance(k, yaml.ScalarNode) and k.value == key)
                line = first.start_mark.line + 1
                hint = "only one can count: remove the other"
                self._say(key_node, "duplicate-key", f"`{key}` stands already in line {line}", hint)
            value[key] = self.read(value_node, depth + 1)
        return value

    def _tag(self, node: Any) -> None:
        hint = "quote a value to make it text"
        name = str(node.tag).replace("tag:yaml.org,2002:", "!!")
        self._say(node, "yaml-tag", f"tags are not supported, here `{name}`", hint)

    def _say(self, node: Any, code: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(code=code, message=message, mark=self.document._mark_of(node), hint=hint))


def _child(node: Any, step: str | int) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if getattr(k, "value", None) == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
        return None, node.value[step]
    return None


def _decode(data: bytes, file: str) -> str | Problem:
    start = Mark(file=file, line=1, column=1)
    if len(data) > SIZE_LIMIT:
        size = f"{len(data) / 1_000_000:.1f} MB"
        hint = "rows belong in a file under `data`"
        return Problem(code="file-too-large", message=f"the file has {size}, at most 10 are read", mark=start, hint=hint)
    if data[:2] in _ENCODINGS:
        message = f"the file is written in {_ENCODINGS[data[:2]]}"
        return Problem(code="encoding", message=message, mark=start, hint="save it as UTF-8")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        mark = Mark(file=file, line=line, column=column)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        return Problem(code="encoding", message=message, mark=mark, hint="save the file as UTF-8")


def _find_depth(text: str, file: str) -> Problem | None:
    """Return a problem where nesting would overrun libyaml's recursion; a cheap bound first, exact when it is high."""
    if _depth_bound(text) <= DEPTH_LIMIT:
        return None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Nodes):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_LIMIT:
                    mark = event.start_mark
                    return _depth_problem(Mark(file=file, line=mark.line + 1, column=mark.column + 1))
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError as error:
        return _syntax_problem(error, text, file)
    return None


def _depth_bound(text: str) -> int:
    """Return a number that the nesting of `text` cannot exceed, brackets inside quotes counted too."""
    flow = deepest = 0
    for bracket in _BRACKET.finditer(text):
        if bracket.group() in "[{":
            flow += 1
            deepest = max(deepest, flow)
        else:
            flow = max(0, flow - 1)
    block = max((len(lead.group()) for lead in _LEAD.finditer(text)), default=0)
    return max(deepest, 0) + block


def _depth_problem(mark: Mark) -> Problem:
    return Problem(code="too-deep", message=f"nested deeper than {DEPTH_LIMIT} levels", mark=mark)


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    at = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    message = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).strip()
    document = Document(file=file, text=text, value=None, root=None)
    if at is not None:
        mark = document._at(at.line, at.column, 1)
    else:
        position = min(getattr(error, "position", 0) or 0, len(text))
        before = text[:position]
        mark = document._at(before.count("\n"), len(before.rpartition("\n")[2]), 1)
    if "expected a single document" in str(error) or "another document" in message:
        return Problem(code="second-document", message="a second document begins here", mark=mark, hint="one file holds one manifest")
    if "\t" in mark.source[: mark.column]:
        return Problem(code="tab", message="a tab cannot indent", mark=mark, hint="use spaces")
    return Problem(code="yaml-syntax", message=f"this is not YAML: {message}", mark=mark, hint=_syntax_hint(message))


def _syntax_hint(message: str) -> str | None:
    if "mapping values are not allowed" in message:
        return "a text with `: ` in it needs quotes"
    if "found character that cannot start any token" in message:
        return "a text that begins with this character needs quotes"
    if "did not find expected key" in message or "expected <block end>" in message:
        return "look at the indentation of this line and the one before"
    return None
