"""Templates of a manifest: compiled once, their names checked before rendering, rendered many times.

A text that is one whole expression keeps the expression's own type; any other renders to a text. What goes wrong while
rendering is a `Fault`: a code, a message and a hint, without a place, since the same text serves many jobs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import FunctionLoader, TemplateError, TemplateSyntaxError, Undefined, meta, nodes
from msgspec import Struct
from msgspec.structs import replace

from kbatch.manifest.budget import TooMuch
from kbatch.manifest.drafts import FrameCall, Path
from kbatch.manifest.faults import Fault
from kbatch.manifest.joins import ELSEWHERE, Join, read_join
from kbatch.manifest.sandbox import Sandbox
from kbatch.manifest.source import read_text
from kbatch.manifest.texts import MissingName, NotText, as_text, kind_of
from kbatch.manifest.wording import NotLoaded, plain, word_error, word_missing, word_not_text, word_syntax
from kbatch.problems import Problem, Unreadable, did_you_mean

_WHOLE = re.compile(r"\s*\{\{[-+]?(?P<inner>.*?)[-+]?\}\}\s*\Z", re.DOTALL)
_MARKS = ("{{", "{%", "{#")
_NO_NAMES: frozenset[str] = frozenset()
_SOURCE_LIMIT = 64 * 1024
_NATIVE = (str, int, float, FrameCall, type(None))

Render = Callable[[Mapping[str, Any]], Any]


class Template(Struct, frozen=True):
    """A compiled text: `names` are the free names that it uses, `render` makes a value or a Fault of a scope."""

    source: str
    names: frozenset[str]
    render: Render


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
        self._sandbox = Sandbox(loader=FunctionLoader(self._load))
        self._read = read
        self._compiled: dict[str, Template | Fault] = {}

    def compile(self, source: str) -> Template | Fault:
        """Return the compiled template, or what is wrong with its syntax."""
        if source not in self._compiled:
            self._compiled[source] = self._compile(source)
        return self._compiled[source]

    def expression(self, source: str) -> Template | Fault:
        """Return a bare expression, as `when` has it, compiled to keep its own type."""
        inner = _WHOLE.match(source)
        return self.compile("{{ " + (inner["inner"] if inner else source) + " }}")

    def structure(self, value: Any) -> Template | Fault:
        """Return a value compiled with the texts that it holds, at whatever depth."""
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
        if len(source) > _SOURCE_LIMIT:
            return Fault("template-too-much", f"the template has {len(source):,} characters, at most {_SOURCE_LIMIT:,}")
        join = read_join(source)
        if join is not None and not join.names & self._sandbox.globals.keys():
            return Template(source, join.names, self._joining(source, join))
        return self._compile_with_jinja(source)

    def _joining(self, source: str, join: Join) -> Render:
        """Return a render that compiles the text only when a scope has something that a plain join cannot take."""
        compiled: list[Template | Fault] = []

        def render(scope: Mapping[str, Any]) -> Any:
            value = join.render(scope)
            if value is not ELSEWHERE:
                return value
            if not compiled:
                compiled.append(self._compile_with_jinja(source))
            known = compiled[0]
            return known if isinstance(known, Fault) else known.render(scope)

        return render

    def _compile_with_jinja(self, source: str) -> Template | Fault:
        try:
            self._sandbox.budget.start()
            tree = self._sandbox.parse(source)
            names = self._free_names(tree)
            whole = _WHOLE.match(source)
            if whole and _is_one_expression(tree):
                evaluate = self._sandbox.compile_expression(whole["inner"].strip(), undefined_to_none=False)
                return Template(source, names, self._guarded(lambda scope: _native(evaluate(scope)), names))
            template = self._sandbox.from_string(tree)
            return Template(source, names, self._guarded(template.render, names))
        except TemplateSyntaxError as error:
            return word_syntax(error, self._sandbox.filters, self._sandbox.tests)
        except TooMuch as error:
            return Fault("template-too-much", str(error))
        except NotText as error:
            return word_not_text(error)
        except (TemplateError, RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            return Fault("template-syntax", f"the template cannot be compiled: {plain(error)}")

    def _free_names(self, tree: nodes.Template) -> frozenset[str]:
        """Return the names that a template looks up, as `meta.find_undeclared_variables` does without its optimizer."""
        generator = meta.TrackingCodeGenerator(self._sandbox)
        generator.optimizer = None
        generator.visit(tree)
        return frozenset(generator.undeclared_identifiers) - frozenset(self._sandbox.globals)

    def _guarded(self, evaluate: Render, names: frozenset[str]) -> Render:
        """Return a render that makes a Fault of whatever goes wrong; what did too much work once is not tried again."""
        spent: list[Fault] = []

        def render(scope: Mapping[str, Any]) -> Any:
            if spent:
                return spent[0]
            try:
                self._sandbox.budget.start()
                return evaluate(scope)
            except (TooMuch, RecursionError, MemoryError) as error:
                said = str(error) if isinstance(error, TooMuch) else "the template calls itself without an end"
                spent.append(Fault("template-too-much", said))
                return spent[0]
            except MissingName as error:
                return word_missing(error, names)
            except NotText as error:
                alike = (name for name in sorted(names) if name in scope and kind_of(scope[name]) == error.kind)
                return replace(word_not_text(error), word=next(alike, None))
            except TemplateError as error:
                return word_error(error)
            except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
                return Fault("template-failed", f"the template cannot be rendered: {plain(error)}")

        return render

    def _load(self, name: str) -> tuple[str, str | None, Callable[[], bool]]:
        try:
            source = read_text(self._read(name), name)
        except Unreadable as error:
            raise NotLoaded(name, Fault(error.code, error.message, error.hint, word=name)) from error
        if isinstance(source, Problem):
            raise NotLoaded(name, Fault(source.code, source.message, source.hint, mark=source.mark))
        if len(source) > _SOURCE_LIMIT:
            raise NotLoaded(name, Fault("template-too-much", f"`{name}` is over 64 KiB", word=name))
        return source, name, lambda: True


def check_names(template: Template, known: frozenset[str]) -> list[Fault]:
    """Return a fault for each name that no scope of this template will have, before anything is rendered."""
    if not template.names:
        return []
    return [
        Fault("unknown-name", f"unknown name `{name}` in a template", did_you_mean(name, sorted(known)), word=name)
        for name in sorted(template.names - known)
    ]


def _is_one_expression(tree: nodes.Template) -> bool:
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return False
    parts = [part for part in tree.body[0].nodes if not (isinstance(part, nodes.TemplateData) and part.data.isspace())]
    return len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData)


def _native(value: Any) -> Any:
    """Return an expression's value as YAML could have written it; what is none of that is a NotText."""
    if isinstance(value, Undefined):
        return as_text(value)
    if isinstance(value, list | tuple | range | Iterator):
        return [_native(part) for part in value]
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else as_text(key): _native(part) for key, part in value.items()}
    if not isinstance(value, _NATIVE):
        raise NotText(kind_of(value))
    return value


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
