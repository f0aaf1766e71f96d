"""Strict YAML with positions: bytes become plain values, and every key and value keeps its place.

Refused with a place, never with a traceback: duplicate keys, tags, `<<`, a second document, other encodings than UTF-8,
files over 10 MB, nesting deeper than 100, aliases that multiply. Values and positions come from one walk over the nodes
that libyaml composes; a position is looked up in the nodes only when a problem needs it.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import yaml
from msgspec import Struct, field

from kbatch.errors import Mark, Problem
from kbatch.manifest.yaml.scalars import read_scalar
from kbatch.manifest.yaml.source import SourceText
from kbatch.manifest.yaml.syntax import DEPTH_LIMIT, MAP, PLAIN, QUOTED, SEQUENCE, compose, mark_node

ALIAS_LIMIT = 100_000
PROBLEM_LIMIT = 1000

Where = tuple[str | int, ...]


class Document(Struct, frozen=True):
    """A YAML text that was read: its `value`, and the place of each part of it."""

    source: SourceText
    value: Any
    root: Any
    _children: dict[int, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The name used in marks."""
        return self.source.file

    def beside(self, name: str) -> str:
        """Return how marks name a file that the manifest names, relative to its folder."""
        return str(PurePath(self.file).parent / name)

    def mark(self, where: Where = (), *, key: bool = False) -> Mark:
        """Return the place of the value at `where` (keys and indices from the root), or of its key.

        Where no such part was written, the place is that of the nearest part around it.
        """
        key_node, node = self._find(where)
        return mark_node(self.source, key_node if key and key_node is not None else node)

    def mark_word(self, where: Where, word: str) -> Mark:
        """Return the place of the first `word` inside the value at `where`, else the value's own place."""
        _, node = self._find(where)
        start, end = node.start_mark, node.end_mark
        found = self.source.find(word, (start.line, start.column), (end.line, end.column))
        return mark_node(self.source, node) if found is None else found

    def mark_line(self, where: Where, line: int) -> Mark:
        """Return the place of a line, from 1, of the text at `where`; only a literal block shows its lines as such."""
        _, node = self._find(where)
        if getattr(node, "style", None) != "|" or line < 1:
            return mark_node(self.source, node)
        return self.source.of_line(node.start_mark.line + line)

    def _find(self, where: Where) -> tuple[Any, Any]:
        key_node, node = None, self.root
        for step in where:
            found = self._child(node, step)
            if found is None:
                break
            key_node, node = found
        return key_node, node

    def _child(self, node: Any, step: str | int) -> tuple[Any, Any] | None:
        if isinstance(node, yaml.MappingNode):
            if id(node) not in self._children:
                self._children[id(node)] = {key.value: (key, value) for key, value in node.value}
            return self._children[id(node)].get(str(step))
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
            return None, node.value[step]
        return None


def read_document(data: bytes, file: str) -> Document | tuple[Problem, ...]:
    """Return the document in `data`, or its problems; `file` is the name used in marks."""
    composed = compose(data, file)
    if isinstance(composed, Problem):
        return (composed,)
    source, root = composed
    walk = _Walk(source)
    value = walk.read(root, 0)
    return tuple(walk.problems) if walk.problems else Document(source, value, root)


class _Done(Struct, frozen=True):
    """A collection that was read: its value, how many values it holds, how many levels it has below itself."""

    value: Any
    size: int
    height: int


class _Walk(Struct):
    """The walk that turns nodes into values and collects the problems of strict reading."""

    source: SourceText
    problems: list[Problem] = field(default_factory=list)
    inside: set[int] = field(default_factory=set)
    done: dict[int, _Done] = field(default_factory=dict)
    repeated: int = 0

    def read(self, node: Any, depth: int) -> Any:
        return self._scalar(node) if isinstance(node, yaml.ScalarNode) else self._collection(node, depth).value

    def _collection(self, node: Any, depth: int) -> _Done:
        if id(node) in self.done:
            return self._alias(node, depth)
        if id(node) in self.inside:
            self._say(node, "too-deep", "an alias inside this value repeats the value itself")
            return _Done(None, 1, 0)
        if node.tag not in (MAP, SEQUENCE):
            self._tag(node)
        self.inside.add(id(node))
        parts = self._mapping(node, depth) if isinstance(node, yaml.MappingNode) else self._sequence(node, depth)
        self.inside.remove(id(node))
        self.done[id(node)] = parts
        return parts

    def _alias(self, node: Any, depth: int) -> _Done:
        known = self.done[id(node)]
        self.repeated += known.size
        if depth + known.height >= DEPTH_LIMIT:
            self._say(node, "too-deep", f"aliases nest this value deeper than {DEPTH_LIMIT} levels")
        elif self.repeated > ALIAS_LIMIT:
            if self.repeated - known.size <= ALIAS_LIMIT:
                message = f"aliases of this value and others repeat more than {ALIAS_LIMIT:,} values"
                self._say(node, "alias-bomb", message)
        else:
            return known
        return _Done(None, known.size, 0)

    def _sequence(self, node: Any, depth: int) -> _Done:
        values, size, height = [], 1, 0
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                values.append(self._scalar(item))
                size += 1
            else:
                part = self._collection(item, depth + 1)
                values.append(part.value)
                size, height = size + part.size, max(height, part.height + 1)
        return _Done(values, size, height)

    def _mapping(self, node: Any, depth: int) -> _Done:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        size, height = 1, 0
        for key_node, value_node in node.value:
            key = self._key(key_node, lines)
            if isinstance(value_node, yaml.ScalarNode):
                value, size = self._scalar(value_node), size + 1
            else:
                part = self._collection(value_node, depth + 1)
                value, size, height = part.value, size + part.size, max(height, part.height + 1)
            if key is not None:
                values[key] = value
        return _Done(values, size, height)

    def _key(self, node: Any, lines: dict[str, int]) -> str | None:
        """Return a valid key; `lines` are those of the keys before it, from 1."""
        if not isinstance(node, yaml.ScalarNode):
            template = isinstance(node, yaml.MappingNode)
            hint = 'a template needs quotes: "{{ … }}"' if template else None
            self._say(node, "bad-key", "a key must be a plain word", hint)
            return None
        key: str = node.value
        if node.tag not in (PLAIN, QUOTED) or self._has_bare_tag(node):
            self._tag(node)
        elif key == "<<" and node.tag == PLAIN:
            hint = "write the fields out, or put what is shared under `defaults`"
            self._say(node, "merge-key", "`<<` is not supported", hint)
        elif key == "":
            self._say(node, "bad-key", "a key is empty")
        elif key in lines:
            hint = "only one can count: remove the other"
            self._say(node, "duplicate-key", f"`{key}` stands already in line {lines[key]}", hint)
        else:
            lines[key] = self.source.at(node.start_mark.line).line
            return key
        return None

    def _scalar(self, node: Any) -> Any:
        if node.tag == QUOTED:
            return node.value
        if node.tag != PLAIN or self._has_bare_tag(node):
            self._tag(node)
            return None
        try:
            return read_scalar(node.value)
        except ValueError as error:
            shown = node.value if len(node.value) <= 40 else node.value[:39] + "…"
            hint = "quotes make it a text" if node.value[-1].isdigit() else None
            self._say(node, "bad-number", f"`{shown}` cannot be read: {error}", hint)
            return None

    def _has_bare_tag(self, node: Any) -> bool:
        """Whether a plain scalar has the tag `!` alone, which libyaml does not report."""
        return node.style in (None, "") and self.source.text.startswith("!", node.start_mark.index)

    def _tag(self, node: Any) -> None:
        """Report that a node has a tag."""
        name = "!" if node.tag in (PLAIN, QUOTED) else str(node.tag).replace("tag:yaml.org,2002:", "!!")
        hint = "a text that begins with `!` needs quotes; a quoted value is a text without any tag"
        self._say(node, "yaml-tag", f"tags are not supported, here `{name}`", hint)

    def _say(self, node: Any, code: str, message: str, hint: str | None = None) -> None:
        if len(self.problems) < PROBLEM_LIMIT:
            mark = mark_node(self.source, node)
            self.problems.append(Problem(code=code, message=message, mark=mark, hint=hint))
