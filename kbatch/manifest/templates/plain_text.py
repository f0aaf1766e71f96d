"""Renders texts with only names in double braces without Jinja: most prompts, and nearly all output names.

Without it the plan of 10,000 jobs from a matrix takes 1.25 times the CPU time, that of the quickstart 1.1 times. The
result equals the sandbox's, which `tests/manifest/test_plain_text_templates.py` checks. A text that the sandbox would
refuse or read otherwise (an unknown name, a list, a text that grows too long) is `ELSEWHERE`: the sandbox renders it.
"""

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from kbatch.manifest.templates.work_budget import LONGEST_TEXT

ELSEWHERE: Final = object()
"""What a join returns when the sandbox has to render the text."""

_OPENING = re.compile(r"\{[{%#]")
_NAMES = re.compile(r"\{\{[ \t]*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)[ \t]*\}\}")
GLOBALS = ("range", "dict", "namespace")
"""What every template has without being given it."""

_JINJAS_OWN = frozenset(("true", "false", "none", "self", "super", "loop", "caller", "varargs", "kwargs"))

Parts = tuple[str | tuple[str, ...], ...]


class PlainText(Struct, frozen=True):
    """A text as its parts: `names` are those that it looks up, `render` joins it with a scope's values."""

    names: frozenset[str]
    render: Callable[[Mapping[str, Any]], Any]


def read_plain_text(source: str) -> PlainText | None:
    """Return a text that only looks names up; None for any other, which is Jinja's."""
    parts = _parts(source)
    if parts is None:
        return None
    paths = [part for part in parts if isinstance(part, tuple)]
    alone = len(paths) == 1 and all(isinstance(part, tuple) or part.isspace() for part in parts)
    render = _native(paths[0]) if alone else _joined(parts)
    return PlainText(frozenset(path[0] for path in paths), render)


def _parts(source: str) -> Parts | None:
    """Return texts and paths of names in turn; None when the text holds more than these."""
    if "\r" in source:
        return None
    source = source.removesuffix("\n")  # as Jinja does with a template's last line break
    parts: list[str | tuple[str, ...]] = []
    at = 0
    while opening := _OPENING.search(source, at):
        found = _NAMES.match(source, opening.start())
        if found is None:
            return None
        path = tuple(found[1].split("."))
        if path[0] in GLOBALS or any(name in _JINJAS_OWN or keyword.iskeyword(name) for name in path):
            return None
        parts += [source[at : found.start()], path] if found.start() > at else [path]
        at = found.end()
    return (*parts, source[at:]) if at < len(source) else tuple(parts)


def _native(path: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
    def render(scope: Mapping[str, Any]) -> Any:
        value = _look_up(path, scope)
        return value if isinstance(value, str | int | float) else ELSEWHERE

    return render


def _joined(parts: Parts) -> Callable[[Mapping[str, Any]], Any]:
    fixed = [part if isinstance(part, str) else "" for part in parts]
    names = [(at, part) for at, part in enumerate(parts) if not isinstance(part, str)]

    def render(scope: Mapping[str, Any]) -> Any:
        texts = fixed.copy()
        for at, path in names:
            value = scope.get(path[0], ELSEWHERE) if len(path) == 1 else _look_up(path, scope)
            if isinstance(value, str):
                texts[at] = value
            elif isinstance(value, int | float) and not isinstance(value, bool):
                texts[at] = str(value)
            else:
                return ELSEWHERE
        text = "".join(texts)
        return text if len(text) <= LONGEST_TEXT else ELSEWHERE

    return render


def _look_up(path: tuple[str, ...], scope: Mapping[str, Any]) -> Any:
    value: Any = scope
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ELSEWHERE
        value = value[name]
    return value
