"""Messages for templates that cannot be compiled or rendered: one Fault for each error of Jinja or the sandbox."""

import re
from collections.abc import Iterable

from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError

from kbatch.errors import did_you_mean
from kbatch.manifest.templates.faults import Fault
from kbatch.manifest.templates.undefined import Forbidden, UndefinedName
from kbatch.manifest.yaml.source import SourceText

_UNKNOWN = re.compile(r"No (?P<kind>filter|test) named '(?P<name>[^']*)'")
_OPEN_BLOCK = re.compile(r"innermost block that needs to be closed is '(?P<name>\w+)'")


class NotLoaded(TemplateNotFound):
    """An imported file that cannot be read, with the reason."""

    def __init__(self, name: str, fault: Fault) -> None:
        super().__init__(name, fault.message)
        self.fault = fault


def word_syntax(error: TemplateSyntaxError, filters: Iterable[str], tests: Iterable[str]) -> Fault:
    """Word what keeps a template from being compiled; an unknown filter or test has the nearest known one."""
    unknown = _UNKNOWN.match(error.message or "")
    if unknown is None:
        return Fault("template-syntax", f"the template is wrong: {_syntax_words(error)}", line=error.lineno)
    kind, name = unknown["kind"], unknown["name"]
    hint = did_you_mean(name, filters if kind == "filter" else tests)
    return Fault("template-syntax", f"there is no {kind} `{name}`", hint, word=name, line=error.lineno)


def word_error(error: TemplateError) -> Fault:
    """Word what Jinja or the sandbox raised while a template was rendered."""
    match error:
        case Forbidden():
            return Fault("template-unsafe", str(error), did_you_mean(error.name, error.allowed), word=error.name)
        case SecurityError():
            return Fault("template-unsafe", f"not allowed in a template: {error}")
        case NotLoaded():
            return error.fault
        case TemplateSyntaxError():
            mark = SourceText(error.name or "", error.source or "", plain=True).of_line(error.lineno - 1)
            return Fault("template-syntax", f"the imported template is wrong: {_syntax_words(error)}", mark=mark)
        case _:
            return Fault("template-failed", f"the template cannot be rendered: {plain(error)}")


def _syntax_words(error: TemplateSyntaxError) -> str:
    message = (error.message or "it cannot be read").rstrip(".")
    open_block = _OPEN_BLOCK.search(message)
    return f"`{{% {open_block['name']} %}}` is not closed" if open_block else message[:1].lower() + message[1:]


def word_undefined(error: UndefinedName, names: frozenset[str]) -> Fault:
    """Return the fault of an undefined name: in a value, in one of several combinations, or in an imported macro."""
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


def plain(error: BaseException) -> str:
    """Return the first line of an error's own words."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200]
