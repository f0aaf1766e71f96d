"""Templates of a manifest: compiled once, their names checked before rendering, rendered many times.

A text that is one whole expression keeps the expression's own type; any other renders to a text. What goes wrong while
rendering is a `Fault`: a code, a message and a hint, without a place, since the same text serves many jobs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import FunctionLoader, TemplateError, TemplateNotFound, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError

from kbatch.manifest.sandbox import MissingName, NotText, Sandbox, TooMuch
from kbatch.problems import Unreadable, did_you_mean

_WHOLE = re.compile(r"\s*\{\{[-+]?(?P<inner>.*?)[-+]?\}\}\s*\Z", re.DOTALL)
_MARKS = ("{{", "{%", "{#")
_SOURCE_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a template; `word` is what to look for in its source, `line` counts from 1 within it."""

    code: str
    message: str
    hint: str | None = None
    word: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text: `names` are the free names that it uses, `render` makes a value or a Fault of a scope."""

    source: str
    names: frozenset[str]
    render: Callable[[Mapping[str, Any]], Any]


def is_template(value: Any) -> bool:
    """Whether a value is a text with template marks in it."""
    return isinstance(value, str) and any(mark in value for mark in _MARKS)


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

    def _compile(self, source: str) -> Template | Fault:
        if not is_template(source):
            return Template(source, frozenset(), lambda _scope: source)
        self._sandbox.start()
        try:
            tree = self._sandbox.parse(source)
            names = frozenset(meta.find_undeclared_variables(tree)) - frozenset(self._sandbox.globals)
            whole = _WHOLE.match(source)
            if whole and _is_one_expression(tree):
                evaluate = self._sandbox.compile_expression(whole["inner"].strip(), undefined_to_none=False)
                return Template(source, names, self._guarded(lambda scope: _defined(evaluate(scope))))
            template = self._sandbox.from_string(tree)
            return Template(source, names, self._guarded(template.render))
        except TemplateSyntaxError as error:
            return Fault("template-syntax", f"the template is wrong: {error.message}", line=error.lineno)
        except (TemplateError, RecursionError, SyntaxError, ValueError, OverflowError) as error:
            return Fault("template-syntax", f"the template cannot be compiled: {type(error).__name__}")
        except MissingName as error:
            return _missing(error)

    def _guarded(self, evaluate: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
        def render(scope: Mapping[str, Any]) -> Any:
            self._sandbox.start()
            try:
                return evaluate(scope)
            except MissingName as error:
                return _missing(error)
            except NotText as error:
                fields = ", ".join(f"`{name}`" for name in error.fields[:8])
                hint = f"name one of its fields: {fields}" if fields else None
                return Fault("not-text", f"{error.kind} cannot stand inside a text", hint)
            except TooMuch as error:
                return Fault("template-too-much", str(error))
            except SecurityError as error:
                return Fault("template-unsafe", f"not allowed in a template: {error}")
            except TemplateNotFound as error:
                return Fault("file-not-found", f"the template imports `{error.name}`: {error.message}")
            except TemplateSyntaxError as error:
                return Fault("template-syntax", f"the imported template `{error.name}` is wrong: {error.message}")
            except RecursionError:
                return Fault("template-too-much", "the template calls itself without an end")
            except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
                return Fault("template-failed", f"the template cannot be rendered: {_plain(error)}")

        return render

    def _load(self, name: str) -> tuple[str, str | None, Callable[[], bool]]:
        try:
            source = self._read(name).decode("utf-8")
        except Unreadable as error:
            raise TemplateNotFound(name, error.message) from error
        except UnicodeDecodeError as error:
            raise TemplateNotFound(name, "it is not UTF-8") from error
        if len(source) > _SOURCE_LIMIT:
            raise TemplateNotFound(name, "it is over 256 KiB")
        return source, name, lambda: True


def check_names(template: Template, known: frozenset[str]) -> list[Fault]:
    """Return a fault for each name that no scope of this template will have, before anything is rendered."""
    return [
        Fault("unknown-name", f"unknown name `{name}` in a template", did_you_mean(name, sorted(known)), word=name)
        for name in sorted(template.names - known)
    ]


def _missing(error: MissingName) -> Fault:
    if error.known is None:
        where = f"{error.holder} has no `{error.name}`" if error.holder else f"unknown name `{error.name}` in a template"
        return Fault("unknown-name", where, word=error.name)
    return Fault(
        "unknown-name", f"there is no `{error.name}` here", did_you_mean(error.name, error.known), word=error.name
    )


def _is_one_expression(tree: nodes.Template) -> bool:
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return False
    parts = [part for part in tree.body[0].nodes if not (isinstance(part, nodes.TemplateData) and part.data.isspace())]
    return len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData)


def _defined(value: Any) -> Any:
    """Raise what an undefined value raises when it is used; a whole expression would otherwise hand it on."""
    if type(value).__name__ == "_Missing":
        str(value)
    return value


def _plain(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200]
