"""Warnings of text that YAML drops or splits silently: after ` #`, a first word that is an anchor, U+2028.

A number or a word with a remark behind it is how comments are written, so a comment counts as lost text only where `#`
is glued to a word, as in a hashtag, or where a prompt ends. What YAML itself refuses is not repeated here.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from kbatch.errors import Severity
from kbatch.manifest.findings import Findings
from kbatch.manifest.yaml.document import Document
from kbatch.manifest.yaml.scalars import read_scalar
from kbatch.manifest.yaml.source import SourceText, has_odd_breaks, odd_break
from kbatch.manifest.yaml.syntax import PLAIN, Nodes

_COMMENT = re.compile(r"\s+(#.*\S)")
_ANCHOR = re.compile(r"(?:^|[\s\[{,])&[^\s,\[\]{}]", re.MULTILINE)
_QUOTES = "put the text in quotes; a comment can stand in a line of its own"


def warn_lost_text(document: Document, findings: Findings) -> None:
    """Add a warning for each text of the document that YAML reads only in part."""
    if " #" in document.source.text or "\t#" in document.source.text:
        for node, prompt in _texts(document.root, False, set()):
            _warn_comment(document, findings, node, prompt)
    if has_odd_breaks(document.source.text):
        _warn_separators(document, findings)
    if _ANCHOR.search(document.source.text):
        _warn_anchors(document, findings)


def _texts(node: yaml.Node, prompt: bool, seen: set[int]) -> Iterator[tuple[yaml.ScalarNode, bool]]:
    """Yield each unquoted text once, and whether it is a prompt or a part of one."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag == PLAIN:
            yield node, prompt
    elif id(node) in seen:
        return
    elif isinstance(node, yaml.MappingNode):
        seen.add(id(node))
        for key, value in node.value:
            yield from _texts(value, str(key.value).endswith("prompt"), seen)
    else:
        seen.add(id(node))
        for item in node.value:
            yield from _texts(item, prompt, seen)


def _warn_comment(document: Document, findings: Findings, node: yaml.ScalarNode, prompt: bool) -> None:
    end = node.end_mark
    line = document.source.lines[end.line] if end.line < len(document.source.lines) else ""
    found = _COMMENT.match(line, end.column)
    if found is None or (not prompt and found.group(1)[1:2] in ("", " ", "\t", "#", "!")):
        return
    if node.value and not isinstance(read_scalar(node.value), str):
        return  # a remark behind a number
    mark = document.source.at(end.line, found.start(1), len(found.group(1)))
    message = "the rest of this text is a comment to YAML and is not sent" if prompt else "YAML reads this as a comment"
    findings.say("lost-text", (str(mark),), message, hint=_QUOTES, severity=Severity.WARNING, mark=mark)


def _warn_separators(document: Document, findings: Findings) -> None:
    plain = SourceText(document.file, document.source.text, plain=True)
    for number, line in enumerate(plain.lines):
        if has_odd_breaks(line):
            odd = odd_break(line)
            mark, name = plain.at(number, line.index(odd)), f"U+{ord(odd):04X}"
            message = f"the character {name} ends a line to YAML, and not in an editor"
            hint = f'remove it, or write it as "\\u{ord(odd):04X}" in double quotes'
            findings.say("line-separator", (str(mark),), message, hint=hint, severity=Severity.WARNING, mark=mark)


def _warn_anchors(document: Document, findings: Findings) -> None:
    anchors: dict[str, Any] = {}
    used: set[str | None] = set()
    for event in yaml.parse(document.source.text, Loader=Nodes):
        if isinstance(event, yaml.AliasEvent):
            used.add(event.anchor)
        elif isinstance(event, yaml.NodeEvent) and event.anchor:
            anchors.setdefault(event.anchor, event.start_mark)
    for name, at in anchors.items():
        if name not in used:
            mark = document.source.at(at.line, at.column, len(name) + 1)
            message = f"nothing refers to the anchor `&{name}`, and it is not part of the text"
            hint = "a text that begins with `&` needs quotes"
            findings.say("unused-anchor", (str(mark),), message, hint=hint, severity=Severity.WARNING, mark=mark)
