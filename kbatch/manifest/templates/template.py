"""Templates of a manifest: compiled once, their names checked before rendering, rendered many times.

A text that is one whole expression keeps the expression's own type; any other renders to a text. An error while
rendering is a `Fault`: a code, a message and a hint, without a place, since the same text serves many jobs.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kbatch.errors import did_you_mean
from kbatch.manifest.drafts import Path
from kbatch.manifest.templates.compiled import SOURCE_LIMIT, WHOLE, Render, Template
from kbatch.manifest.templates.faults import Fault
from kbatch.manifest.templates.plain_text import ELSEWHERE, PlainText, read_plain_text

if TYPE_CHECKING:
    from kbatch.manifest.templates.environment import Jinja

__all__ = ["Template", "Templates", "check_names", "find_templates", "is_template"]

_MARKS = ("{{", "{%", "{#")
_NO_NAMES: frozenset[str] = frozenset()


def is_template(value: Any) -> bool:
    """Whether a value is a text with template marks in it."""
    return isinstance(value, str) and any(mark in value for mark in _MARKS)


def find_templates(value: Any, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield each text with template marks inside a value, with its place."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from find_templates(part, (*at, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from find_templates(part, (*at, index))
    elif is_template(value):
        yield at, value


class Templates:
    """Compiles the texts of one manifest; templates that import others read them from the manifest's tree."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._compiled: dict[str, Template | Fault] = {}

    @cached_property
    def _jinja(self) -> "Jinja":
        from kbatch.manifest.templates.environment import Jinja  # noqa: PLC0415 - a fifth of a start, which many a manifest can spare

        return Jinja(self._read)

    def compile(self, source: str) -> Template | Fault:
        """Return the compiled template, or what is wrong with its syntax."""
        if source not in self._compiled:
            self._compiled[source] = self._compile(source)
        return self._compiled[source]

    def expression(self, source: str) -> Template | Fault:
        """Return a bare expression, as `when` has it, compiled to keep its own type."""
        inner = WHOLE.match(source)
        return self.compile("{{ " + (inner["inner"] if inner else source) + " }}")

    def structure(self, value: Any) -> Template | Fault:
        """Return a value compiled with all texts inside it."""
        if isinstance(value, str):
            return self.compile(value)
        if not isinstance(value, Mapping | list):
            return Template("", _NO_NAMES, lambda _scope: value)
        parts: dict[Path, Template] = {}
        for at, text in find_templates(value):
            part = self.compile(text)
            if isinstance(part, Fault):
                return replace(part, at=at)
            parts[at] = part

        def render(scope: Mapping[str, Any]) -> Any:
            return _filled(value, parts, scope, ()) if parts else value

        return Template("", frozenset().union(*(part.names for part in parts.values())), render)

    def _compile(self, source: str) -> Template | Fault:
        if not is_template(source):
            text = source.removesuffix("\n")  # as Jinja does with a template's last line break
            return Template(source, frozenset(), lambda _scope: text)
        if len(source) > SOURCE_LIMIT:
            return Fault("template-too-much", f"the template has {len(source):,} characters, at most {SOURCE_LIMIT:,}")
        join = read_plain_text(source)
        if join is None:
            return self._jinja.compile(source)
        return Template(source, join.names, self._joining(source, join))

    def _joining(self, source: str, join: PlainText) -> Render:
        """Return a render that compiles the text only for a scope that `plain_text` cannot render."""
        compiled: list[Template | Fault] = []

        def render(scope: Mapping[str, Any]) -> Any:
            value = join.render(scope)
            if value is not ELSEWHERE:
                return value
            if not compiled:
                compiled.append(self._jinja.compile(source))
            known = compiled[0]
            return known if isinstance(known, Fault) else known.render(scope)

        return render


def check_names(template: Template, known: frozenset[str]) -> list[Fault]:
    """Return a fault for each name that no scope of this template will have, before anything is rendered."""
    if not template.names:
        return []
    return [
        Fault("unknown-name", f"unknown name `{name}` in a template", did_you_mean(name, sorted(known)), word=name)
        for name in sorted(template.names - known)
    ]


def _filled(value: Any, parts: Mapping[Path, Template], scope: Mapping[str, Any], at: Path) -> Any:
    """Return a value with its templates rendered, the first Fault instead if there is one."""
    if at in parts:
        rendered = parts[at].render(scope)
        return replace(rendered, at=at) if isinstance(rendered, Fault) else rendered
    steps = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    made = {step: _filled(part, parts, scope, (*at, step)) for step, part in steps}
    fault = next((part for part in made.values() if isinstance(part, Fault)), None)
    if fault is not None or isinstance(value, Mapping):
        return fault or made
    return list(made.values()) if isinstance(value, list) else value
