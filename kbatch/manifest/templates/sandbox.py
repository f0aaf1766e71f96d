"""Jinja2 hardened for untrusted texts: no attribute escapes, no clock, no randomness, and a bound on work.

Jinja's own sandbox blocks attribute escapes but not a template that eats memory or time. Here each loop step, call,
filter, comparison and piece of output spends from a budget; what can multiply a value in one step is bounded or absent;
filters, methods and attributes are those on a list.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import nodes
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace
from msgspec import Struct

from kbatch.manifest.faulty import sound_value
from kbatch.manifest.templates.filters import DEEP, METHODS, filters, is_number
from kbatch.manifest.templates.metering import meter
from kbatch.manifest.templates.undefined import Forbidden, UndefinedValue, as_text
from kbatch.manifest.templates.value_text import kind_of
from kbatch.manifest.templates.work_budget import Budget, TooMuch, bound

_TESTS = (
    "boolean", "defined", "divisibleby", "even", "false", "float", "integer", "iterable", "lower", "mapping", "none",
    "number", "odd", "sequence", "string", "true", "undefined", "upper",
)  # fmt: skip
_COMPARISONS = (
    "==", "!=", ">", ">=", "<", "<=", "eq", "equalto", "ne", "gt", "greaterthan", "ge", "lt", "lessthan", "le", "in",
)  # fmt: skip
_STEP = 3
_WRITTEN_OUT = 4
"""Cost of each letter of another script that a filter returns: `slug` looks each one up."""
_VIEWS: tuple[Any, ...] = (type({}.keys()), type({}.values()), type({}.items()))


class _Meter(Struct, frozen=True):
    """A function that only a metered tree calls, and that pays for itself."""

    run: Callable[..., Any]


class Sandbox(ImmutableSandboxedEnvironment):
    """The one environment in which a manifest's templates run; `budget.start` comes before each rendering."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "**", "%"))

    def __init__(self, **options: Any) -> None:
        # the optimizer walks a whole expression anew for each of its levels, and folds what must be metered
        super().__init__(undefined=UndefinedValue, autoescape=False, finalize=as_text, optimized=False, **options)
        self.budget = Budget()
        self.filters = {name: self._metered(function, deep=name in DEEP) for name, function in filters().items()}
        self.tests = {name: self._metered(TESTS[name], deep=False) for name in _TESTS}
        self.tests.update((name, self._metered(TESTS[name], deep=True)) for name in _COMPARISONS)
        self.globals = {"range": self._range, "dict": dict, "namespace": Namespace}
        self.concat = self.joined  # type: ignore[method-assign]
        self.spend, self.each, self.chained = _Meter(self.budget.spend), _Meter(self._each), _Meter(self._chained)
        self.made, self.compared, self.sliced = _Meter(self._made), _Meter(self._compared), _Meter(self._sliced)

    def compile(self, source: str | nodes.Template, name: str | None = None, *rest: Any, **options: Any) -> Any:
        """Compile a text or a tree, an imported one too, with the metering in it."""
        tree = self.parse(source, name) if isinstance(source, str) else source
        return super().compile(meter(tree), name, *rest, **options)

    def joined(self, parts: Iterable[Any]) -> str:
        """Concatenate within the limit of 100,000 characters; this is also how Jinja gathers its output."""
        texts: list[str] = []
        size = 0
        for part in parts:
            text = str(part)
            size += len(text)
            bound(size)
            texts.append(text)
        self.budget.spend(1 + len(texts) + size // 100)
        return "".join(texts)

    def _chained(self, *parts: Any) -> str:
        """Concatenate the parts of a `~` expression as texts."""
        return self.joined(map(as_text, parts))

    def _each(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield what a loop goes through."""
        for value in values:
            self.budget.spend(_STEP)
            yield value

    def _made(self, value: Any) -> Any:
        """Return a list, mapping or tuple that a template wrote."""
        self.budget.spend(1 + len(value))
        return self.budget.checked(value)

    def _compared(self, value: Any) -> Any:
        """Return an operand of a comparison."""
        self.budget.spend(self.budget.weigh(value))
        return value

    def _sliced(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """Return a slice of a text or a list."""
        self.budget.spend(1 + len(value) // 10)
        return self.budget.checked(value[start:stop:step])

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item; a key is hashed, so it spends what it weighs."""
        self.budget.spend(self.budget.weigh(argument))
        if isinstance(obj, str) and isinstance(argument, str):
            return self.getattr(obj, argument)
        return sound_value(super().getitem(obj, argument))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a mapping's own field before any method of that name: `row.items` is the column."""
        if isinstance(obj, Mapping) and attribute in obj:
            return sound_value(obj[attribute])
        if isinstance(obj, str) and hasattr(obj, attribute) and attribute not in METHODS[str]:
            return self.unsafe_undefined(
                obj, attribute
            )  # Jinja would offer `format`, in which a width takes memory without bound
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow the listed methods, and what a namespace or an imported template holds."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if isinstance(obj, Namespace | TemplateModule):
            return True
        return any(attr in allowed for kind, allowed in METHODS.items() if isinstance(obj, kind))

    def unsafe_undefined(self, obj: Any, attribute: str) -> UndefinedValue:
        """Return what raises `Forbidden` when it is used."""
        allowed = sorted(name for kind, names in METHODS.items() if isinstance(obj, kind) for name in names)
        error = Forbidden(attribute, kind_of(obj), tuple(allowed))
        return UndefinedValue("", obj=obj, name=attribute, exc=lambda _message: error)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute where the result stays small; `%` only on numbers."""
        self.budget.spend(1)
        if operator == "%" and not is_number(left):
            raise TooMuch("`%` is for numbers only")
        if operator == "**" and not (abs(left) <= 1_000_000 and abs(right) <= 16):
            raise TooMuch("the power is too large")
        if operator == "+" and isinstance(left, str) != isinstance(right, str):
            raise TypeError(f"`+` does not join {kind_of(left)} and {kind_of(right)}; `~` makes a text of both")
        if not (is_number(left) and is_number(right)):
            bound(_length_of(operator, left, right), "text" if isinstance(left, str) else "list")
            self.budget.spend((_length(left) + _length(right)) // 100)
        return self.budget.checked(super().call_binop(context, operator, left, right))

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what a template may call; what is not a macro pays for its values."""
        if isinstance(function, _Meter):
            return function.run(*args)
        weights = [self.budget.weigh(value) for value in (*args, *kwargs.values())]
        self.budget.spend(1 + len(weights))
        if not isinstance(function, Macro):
            owner = getattr(function, "__self__", None)
            if isinstance(owner, str):
                self.budget.spend(self.budget.weigh(owner) * max(weights, default=1))
            self.budget.spend(sum(weights) + (self.budget.weigh(owner) if isinstance(owner, list | tuple) else 0))
        result: Any = super().call(context, function, *args, **kwargs)
        return self.budget.checked(list(result) if isinstance(result, _VIEWS) else result)

    def _range(self, *bounds: int) -> range:
        values = range(*bounds)
        self.budget.spend(len(values))
        return values

    def _metered(self, function: Any, *, deep: bool) -> Callable[..., Any]:
        position = 1 if hasattr(function, "jinja_pass_arg") else 0

        def metered(*args: Any, **kwargs: Any) -> Any:
            value, *others = args[position:] or (None,)
            text = isinstance(value, str)
            size = 5 * self.budget.weigh(value) if text else self.budget.weigh(value) if deep else _length(value)
            more = sum(self.budget.weigh(other) for other in (*others, *kwargs.values()))
            self.budget.spend(1 + size + more + (size * more if text else 0))
            result = function(*args, **kwargs)
            if text and not value.isascii():  # some letters are written out as a phrase of 18
                self.budget.spend(_WRITTEN_OUT * len(result) if isinstance(result, str) else 0)
            return self.budget.checked(result)

        if position:
            metered.jinja_pass_arg = function.jinja_pass_arg  # type: ignore[attr-defined]
        return metered


def _length(value: Any) -> int:
    return len(value) if isinstance(value, Sequence | Mapping) else 1


def _length_of(operator: str, left: Any, right: Any) -> int:
    """Return how long the result of `+` or `*` on texts and lists gets, before it is made."""
    if operator == "+":
        return _length(left) + _length(right)
    if operator == "*":
        times, value = (left, right) if isinstance(left, int) else (right, left)
        return _length(value) * times if isinstance(times, int) else 0
    return 0
