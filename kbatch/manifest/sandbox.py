"""Jinja2 hardened for texts from strangers: no attribute escapes, no clock, no randomness, and a bound on work.

Jinja's own sandbox blocks attribute escapes but not a template that eats memory or time. Here each loop step, filter call,
concatenation and piece of output spends from a budget; what can multiply a text in one step (`*`, `**`, `%`, padding) is
bounded or absent; filters and methods are those on a list.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from kbatch.manifest.labels import slug

LONGEST_TEXT = 100_000
WORK_LIMIT = 1_000_000

_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last",
    "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr",
    "sort", "string", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount",
)  # fmt: skip
_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        ("capitalize", "casefold", "count", "endswith", "find", "isalnum", "isalpha", "isdecimal", "isdigit", "islower",
         "isnumeric", "isspace", "istitle", "isupper", "lower", "lstrip", "partition", "removeprefix", "removesuffix",
         "rfind", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title",
         "upper")
    ),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
}  # fmt: skip


class TooMuch(SecurityError):
    """A template spent its budget of work or made a text over 100,000 characters."""


class MissingName(Exception):
    """A template used something that is not there: `name` was looked up in `known` (None when it is not a mapping)."""

    def __init__(self, name: str, known: tuple[str, ...] | None, holder: str) -> None:
        super().__init__(name)
        self.name = name
        self.known = known
        self.holder = holder


class NotText(Exception):
    """A value that no text can hold stands inside one: `kind` says what it is, `fields` what it offers."""

    def __init__(self, kind: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(kind)
        self.kind = kind
        self.fields = fields


class _Missing(StrictUndefined):
    """An undefined value that raises `MissingName` whenever it is used, with what was known instead."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = UndefinedError) -> None:
        if exc is not UndefinedError:
            super().__init__(hint, obj, name, exc)
            return
        known = tuple(str(key) for key in obj) if isinstance(obj, Mapping) else None
        holder = "" if obj is missing else _kind_of(obj)
        super().__init__(hint, obj, name, lambda _message: MissingName(str(name), known, holder))


def as_text(value: Any) -> str:
    """Return how a value stands in a text; NotText for mappings, lists, frames and empty values."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, StrictUndefined):
        return str(value)
    raise NotText(_kind_of(value), tuple(map(str, value)) if isinstance(value, Mapping) else ())


def _kind_of(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | range):
        return "a list"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float):
        return "a number"
    return "a function" if callable(value) else f"a {type(value).__name__.lower()}"


class _Generator(CodeGenerator):
    """Compiles `~` to a call that spends from the budget."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        self.write("environment.chained((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """The one environment in which manifests' templates run; `start` opens a fresh budget for each rendering."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(undefined=_Missing, autoescape=False, finalize=as_text, **options)
        self._left = WORK_LIMIT
        own: dict[str, Callable[..., Any]] = {
            "join": _join, "replace": _replace, "slug": slug, "sum": _sum, "tojson": _tojson,
        }  # fmt: skip
        self.filters = {name: self._metered(FILTERS[name]) for name in _FILTERS}
        self.filters.update({name: self._metered(function) for name, function in own.items()})
        self.filters["__each"] = self._each
        self.globals = {"range": self._range, "dict": dict, "namespace": self.globals["namespace"]}
        self.concat = self.joined  # type: ignore[assignment, method-assign]

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> Any:
        """Jinja's hook before code is made: every loop counts its steps."""
        for loop in source.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "__each", [], [], None, None, lineno=loop.lineno)
        return super()._generate(source, *args, **kwargs)

    def start(self) -> None:
        """Open a fresh budget; call before each rendering."""
        self._left = WORK_LIMIT

    def spend(self, amount: int) -> None:
        """Take from the budget; TooMuch when it is used up."""
        self._left -= amount
        if self._left < 0:
            raise TooMuch("the template does too much work")

    def joined(self, parts: Iterable[Any]) -> str:
        """Concatenate within the limit of 100,000 characters; this is also how Jinja gathers its output."""
        texts: list[str] = []
        size = 0
        for part in parts:
            text = str(part)
            size += len(text)
            if size > LONGEST_TEXT:
                raise TooMuch(f"the text grows over {LONGEST_TEXT} characters")
            texts.append(text)
        self.spend(1 + len(texts) + size // 100)
        return "".join(texts)

    def chained(self, parts: Iterable[Any]) -> str:
        """Concatenate the parts of a `~` expression as texts."""
        return self.joined(as_text(part) for part in parts)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a mapping's own field before any method of that name: `row.items` is the column."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def wrap_str_format(self, _value: Any) -> None:
        """Leave `format` to the list of methods, which lacks it: a width in it eats memory."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow plain fields and the listed methods only."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        for kind, allowed in _METHODS.items():
            if isinstance(obj, kind):
                return attr in allowed
        return True

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute `+ * ** %` where the result stays small; `%` only on numbers."""
        self.spend(1)
        if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
            self._bound(len(left) + len(right))
        elif operator == "%" and not _is_number(left):
            raise TooMuch("`%` is for numbers only")
        elif operator == "*" and not (_is_number(left) and _is_number(right)):
            size, times = (len(left), right) if isinstance(left, Sequence) else (len(right), left)
            self._bound(size * times if isinstance(times, int) else 0)
        elif operator == "**" and not (abs(left) <= 1_000_000 and abs(right) <= 16):
            raise TooMuch("the power is too large")
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int) and result.bit_length() > 4096:
            raise TooMuch("a number grows too large")
        return result

    def call(self, context: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what a template may call, each time for a piece of the budget."""
        self.spend(1)
        return super().call(context, function, *args, **kwargs)

    def _bound(self, size: int) -> None:
        if size > LONGEST_TEXT:
            raise TooMuch(f"the text grows over {LONGEST_TEXT} characters")
        self.spend(size // 100)

    def _each(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.spend(1)
            yield value

    def _range(self, *bounds: int) -> range:
        values = range(*bounds)
        self.spend(len(values))
        return values

    def _metered(self, function: Callable[..., Any]) -> Callable[..., Any]:
        position = 1 if hasattr(function, "jinja_pass_arg") else 0

        def metered(*args: Any, **kwargs: Any) -> Any:
            value = args[position] if len(args) > position else None
            size = len(value) if isinstance(value, str | list | tuple | dict | range) else 1
            self.spend(1 + (size // 100 if isinstance(value, str) else size))
            return function(*args, **kwargs)

        if position:
            metered.jinja_pass_arg = function.jinja_pass_arg  # type: ignore[attr-defined]
        return metered


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _join(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    texts = [as_text(value[attribute] if attribute is not None else value) for value in values]
    if sum(map(len, texts)) + len(separator) * len(texts) > LONGEST_TEXT:
        raise TooMuch(f"the text grows over {LONGEST_TEXT} characters")
    return separator.join(texts)


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    source = str(text)
    found = source.count(old) if count < 0 else min(count, source.count(old))
    if len(source) + found * (len(new) - len(old)) > LONGEST_TEXT:
        raise TooMuch(f"the text grows over {LONGEST_TEXT} characters")
    return source.replace(old, new, count)


def _sum(values: Iterable[Any], attribute: str | None = None, start: int = 0) -> Any:
    total: Any = start
    for value in values:
        part = value[attribute] if attribute is not None else value
        if not _is_number(part):
            raise TooMuch("`sum` is for numbers only")
        total += part
    return total


def _tojson(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
