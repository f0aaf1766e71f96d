"""Texts that need Jinja: compiled once in the sandbox, rendered many times; every error becomes a Fault.

Most texts only look names up and are rendered by `plain_text`, so that many manifests never load this module.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import FunctionLoader, TemplateError, TemplateSyntaxError, Undefined, meta, nodes
from msgspec.structs import replace

from kbatch.errors import Problem, Unreadable
from kbatch.manifest.drafts import FrameCall
from kbatch.manifest.faulty import Echo, Faulty, holds_faulty, sound_value
from kbatch.manifest.templates.compiled import SOURCE_LIMIT, WHOLE, Render, Template
from kbatch.manifest.templates.faults import ECHO, Fault
from kbatch.manifest.templates.messages import NotLoaded, plain, word_error, word_syntax, word_undefined
from kbatch.manifest.templates.sandbox import Sandbox
from kbatch.manifest.templates.undefined import UndefinedName, as_text
from kbatch.manifest.templates.value_text import (
    NotFinite,
    NotText,
    check_number,
    kind_of,
    word_not_finite,
    word_not_text,
)
from kbatch.manifest.templates.work_budget import TooMuch
from kbatch.manifest.yaml.source import read_text

_NATIVE = (str, int, float, FrameCall, type(None))


class Jinja:
    """Compiles the texts of one manifest; templates that import others read them from the manifest's tree."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._sandbox = Sandbox(loader=FunctionLoader(self._load))
        self._read = read

    def compile(self, source: str) -> Template | Fault:
        """Return the compiled template, or what is wrong with its syntax."""
        try:
            self._sandbox.budget.start()
            tree = self._sandbox.parse(source)
            for number in tree.find_all(nodes.Const):
                check_number(number.value)  # Python writes infinity as `inf`, which is no name here
            names = self._free_names(tree)
            whole = WHOLE.match(source)
            if whole and _is_one_expression(tree):
                evaluate = self._sandbox.compile_expression(whole["inner"].strip(), undefined_to_none=False)
                return Template(source, names, self._guarded(lambda scope: _native(evaluate(scope)), names))
            template = self._sandbox.from_string(tree)
            return Template(source, names, self._guarded(template.render, names))
        except TemplateSyntaxError as error:
            return word_syntax(error, self._sandbox.filters, self._sandbox.tests)
        except TooMuch as error:
            return Fault("template-too-much", str(error))
        except NotFinite as error:
            return word_not_finite(error)
        except NotText as error:
            return word_not_text(error)
        except RecursionError:
            return Fault("template-too-much", "the template is nested too deep")
        except (TemplateError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            return Fault("template-syntax", f"the template cannot be compiled: {plain(error)}")

    def _free_names(self, tree: nodes.Template) -> frozenset[str]:
        """Return the names that a template looks up, in what a constant condition leaves out too."""
        unfolded = nodes.EvalContextModifier([nodes.Keyword("volatile", nodes.Const(True))])
        whole = nodes.Template([unfolded, *tree.body], environment=self._sandbox)
        return frozenset(meta.find_undeclared_variables(whole)) - frozenset(self._sandbox.globals)

    def _guarded(self, evaluate: Render, names: frozenset[str]) -> Render:
        """Return a render that turns errors into Faults; a template that once did too much work is not tried again."""
        spent: list[Fault] = []

        def render(scope: Mapping[str, Any]) -> Any:
            if spent:
                return spent[0]
            if any(isinstance(scope.get(name), Faulty) for name in names):
                return ECHO
            try:
                self._sandbox.budget.start()
                return evaluate(scope)
            except (TooMuch, RecursionError, MemoryError) as error:
                said = str(error) if isinstance(error, TooMuch) else "the template calls itself without an end"
                spent.append(Fault("template-too-much", said))
                return spent[0]
            except Echo:
                return ECHO
            except UndefinedName as error:
                return word_undefined(error, names)
            except NotFinite as error:
                return word_not_finite(error)
            except NotText as error:
                alike = (name for name in sorted(names) if name in scope and kind_of(scope[name]) == error.kind)
                return replace(word_not_text(error), word=next(alike, None))
            except TemplateError as error:
                return word_error(error)
            except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
                return Fault("template-failed", f"the template cannot be rendered: {plain(error)}")

        def render_sound(scope: Mapping[str, Any]) -> Any:
            result = render(scope)
            if isinstance(result, Fault) and any(holds_faulty(scope.get(name)) for name in names):
                return ECHO
            return result

        return render_sound

    def _load(self, name: str) -> tuple[str, str | None, Callable[[], bool]]:
        try:
            source = read_text(self._read(name), name)
        except Unreadable as error:
            raise NotLoaded(name, Fault(error.code, error.message, error.hint, word=name)) from error
        if isinstance(source, Problem):
            raise NotLoaded(name, Fault(source.code, source.message, source.hint, mark=source.mark))
        if len(source) > SOURCE_LIMIT:
            raise NotLoaded(name, Fault("template-too-much", f"`{name}` is over 64 KiB", word=name))
        return source, name, lambda: True


def _is_one_expression(tree: nodes.Template) -> bool:
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return False
    parts = [part for part in tree.body[0].nodes if not (isinstance(part, nodes.TemplateData) and part.data.isspace())]
    return len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData)


def _native(value: Any) -> Any:
    """Return an expression's value as YAML could have written it; NotText for other values."""
    if isinstance(value, Undefined):
        return as_text(value)
    if isinstance(value, list | tuple | range | Iterator):
        return [_native(part) for part in value]
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else as_text(key): _native(part) for key, part in value.items()}
    if not isinstance(sound_value(value), _NATIVE):
        raise NotText(kind_of(value))
    return value
