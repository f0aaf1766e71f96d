"""Templates of a manifest: compiled once, their names checked before rendering, rendered many times.

A text that is one whole expression keeps the expression's own type; any other renders to a text. What goes wrong while
rendering is a `Fault`: a code, a message and a hint, without a place, since the same text serves many jobs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import FunctionLoader, TemplateError, TemplateNotFound, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.exceptions import SecurityError

from kbatch.manifest.budget import TooMuch
from kbatch.manifest.drafts import FrameCall, Path
from kbatch.manifest.faults import Fault
from kbatch.manifest.sandbox import Sandbox
from kbatch.manifest.source import Source
from kbatch.manifest.texts import Forbidden, MissingName, NotText, as_text, kind_of
from kbatch.problems import Unreadable, did_you_mean

_WHOLE = re.compile(r"\s*\{\{[-+]?(?P<inner>.*?)[-+]?\}\}\s*\Z", re.DOTALL)
_UNKNOWN = re.compile(r"No (?P<kind>filter|test) named '(?P<name>[^']*)'")
_OPEN_BLOCK = re.compile(r"innermost block that needs to be closed is '(?P<name>\w+)'")
_MARKS = ("{{", "{%", "{#")
_SOURCE_LIMIT = 64 * 1024
_NATIVE = (str, int, float, FrameCall, type(None))

_NOT_TEXT_HINTS = {
    "a list": "`| join(', ')` makes a text of a list",
    "a function": "call it: `()` is missing",
    "an empty value": "`| default('…', true)` gives a value that may be empty another one",
    "a clip's frame": "a frame is the whole value of a picture parameter",
}

Render = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text: `names` are the free names that it uses, `render` makes a value or a Fault of a scope."""

    source: str
    names: frozenset[str]
    render: Render


class _NotLoaded(TemplateNotFound):
    """An imported file that cannot be read, with the reason."""

    def __init__(self, name: str, fault: Fault) -> None:
        super().__init__(name, fault.message)
        self.fault = fault


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
            return self._syntax(error)
        except TooMuch as error:
            return Fault("template-too-much", str(error))
        except NotText as error:
            return _not_text(error)
        except (TemplateError, RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            return Fault("template-syntax", f"the template cannot be compiled: {_plain(error)}")

    def _free_names(self, tree: nodes.Template) -> frozenset[str]:
        """Return the names that a template looks up, as `meta.find_undeclared_variables` does without its optimizer."""
        generator = meta.TrackingCodeGenerator(self._sandbox)
        generator.optimizer = None
        generator.visit(tree)
        return frozenset(generator.undeclared_identifiers) - frozenset(self._sandbox.globals)

    def _syntax(self, error: TemplateSyntaxError) -> Fault:
        unknown = _UNKNOWN.match(error.message or "")
        if unknown is None:
            return Fault("template-syntax", f"the template is wrong: {_syntax_words(error)}", line=error.lineno)
        kind, name = unknown["kind"], unknown["name"]
        hint = did_you_mean(name, self._sandbox.filters if kind == "filter" else self._sandbox.tests)
        return Fault("template-syntax", f"there is no {kind} `{name}`", hint, word=name, line=error.lineno)

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
                return _missing(error, names)
            except NotText as error:
                alike = (name for name in sorted(names) if name in scope and kind_of(scope[name]) == error.kind)
                return replace(_not_text(error), word=next(alike, None))
            except TemplateError as error:
                return _fault(error)
            except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
                return Fault("template-failed", f"the template cannot be rendered: {_plain(error)}")

        return render

    def _load(self, name: str) -> tuple[str, str | None, Callable[[], bool]]:
        try:
            source = self._read(name).decode("utf-8-sig")
        except Unreadable as error:
            raise _NotLoaded(name, Fault(error.code, error.message, error.hint, word=name)) from error
        except UnicodeDecodeError as error:
            fault = Fault("encoding", f"`{name}` is not UTF-8", "save it as UTF-8", word=name)
            raise _NotLoaded(name, fault) from error
        if len(source) > _SOURCE_LIMIT:
            raise _NotLoaded(name, Fault("template-too-much", f"`{name}` is over 64 KiB", word=name))
        return source, name, lambda: True


def check_names(template: Template, known: frozenset[str]) -> list[Fault]:
    """Return a fault for each name that no scope of this template will have, before anything is rendered."""
    return [
        Fault("unknown-name", f"unknown name `{name}` in a template", did_you_mean(name, sorted(known)), word=name)
        for name in sorted(template.names - known)
    ]


def text_of(value: Any) -> str | Fault:
    """Return how a rendered value stands in a text field, such as a prompt or a model's name."""
    try:
        text = as_text(value)
        text.encode()
    except NotText as error:
        return _not_text(error)
    except UnicodeEncodeError:
        return Fault("not-unicode", "the text has half a character (a lone surrogate), which cannot be sent")
    return text


def _fault(error: TemplateError) -> Fault:
    match error:
        case Forbidden():
            return Fault("template-unsafe", str(error), did_you_mean(error.name, error.allowed), word=error.name)
        case SecurityError():
            return Fault("template-unsafe", f"not allowed in a template: {error}")
        case _NotLoaded():
            return error.fault
        case TemplateSyntaxError():
            mark = Source(error.name or "", error.source or "").of_line(error.lineno - 1)
            return Fault("template-syntax", f"the imported template is wrong: {_syntax_words(error)}", mark=mark)
        case _:
            return Fault("template-failed", f"the template cannot be rendered: {_plain(error)}")


def _syntax_words(error: TemplateSyntaxError) -> str:
    message = error.message or "it cannot be read"
    open_block = _OPEN_BLOCK.search(message)
    return f"`{{% {open_block['name']} %}}` is not closed" if open_block else message[:1].lower() + message[1:]


def _missing(error: MissingName, names: frozenset[str]) -> Fault:
    """Word a name that is not there: in a value, in this combination of several, or in an imported macro."""
    word = error.name
    if error.known is not None:
        return Fault("unknown-name", f"there is no `{word}` here", did_you_mean(word, error.known), word=word)
    if error.holder:
        return Fault("unknown-name", f"{error.holder} has no `{word}`", word=word)
    if word in names:
        hint = f"`{word} is defined` asks for it, `{word} | default('…')` stands in for it"
        return Fault("unknown-name", f"not every combination has `{word}`", hint, word=word)
    hint = "a macro sees what it is given: pass the value as an argument"
    return Fault("unknown-name", f"unknown name `{word}` in an imported template", hint)


def _not_text(error: NotText) -> Fault:
    fields = ", ".join(f"`{name}`" for name in error.fields[:8])
    hint = f"name one of its fields: {fields}" if fields else _NOT_TEXT_HINTS.get(error.kind)
    return Fault("not-text", f"{error.kind} cannot stand inside a text", hint)


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


def _plain(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200]
