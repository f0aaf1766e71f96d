"""Small checks of parsed JSON that stack up into the shape of an event or a lockfile.

As strict as the JSON Schemas for them (`schemas/events.schema.json`, `schemas/lockfile.schema.json`), which tests hold
against these checks. A check returns nothing, or raises `Misfit` with the path to what does not fit. No number passes
that JSON cannot write (NaN, infinities), and no float for a whole number, not even `5.0`.

Each check has a *form* too: the same shape as a type of msgspec, which reads JSON into it in a tenth of the time. A
form passes over names that it does not know and names that stand twice. So what was read into it fits only when it is
seen to be all there was; of anything else the check is the judge, which words the fault.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from types import GenericAlias
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta, Struct

from kbatch.errors import did_you_mean

Path = tuple[str | int, ...]
Judge = Callable[[Any], None]

_LARGEST = math.nextafter(math.inf, 0)
_MOST = 2**63 - 1


class Misfit(ValueError):
    """A value without the shape that it must have; `path` leads to it, from the outermost object."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def within(self, step: str | int) -> "Misfit":
        """Return this complaint as seen from one level further out."""
        return Misfit(self.message, (step, *self.path))

    def __str__(self) -> str:
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")
        return f"`{where}` {self.message}" if where else self.message


class Check(Struct, frozen=True):
    """The shape of a value, which a call judges; `form` is None where no type says as much."""

    judge: Judge
    form: Any = None

    def __call__(self, value: Any) -> None:
        """Raise Misfit when the value does not fit."""
        self.judge(value)


def _as(form: Any) -> Callable[[Judge], Check]:
    return lambda judge: Check(judge, form)


@_as(Any)
def anything(value: Any) -> None:
    """Accept every JSON value."""


@_as(str)
def text(value: Any) -> None:
    """Accept a string, the empty one too."""
    if type(value) is not str:
        raise Misfit("must be a string")


@_as(Annotated[str, Meta(min_length=1)])
def some_text(value: Any) -> None:
    """Accept a string that is not empty."""
    if type(value) is not str or not value:
        raise Misfit("must be a string that is not empty")


@_as(bool)
def boolean(value: Any) -> None:
    """Accept true and false."""
    if type(value) is not bool:
        raise Misfit("must be true or false")


@_as(Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[float, Meta(ge=0)])
def number(value: Any) -> None:
    """Accept a number that is not negative and that a float can hold."""
    if type(value) not in (int, float) or not 0 <= value <= _LARGEST:
        raise Misfit("must be a number, at least 0")


def whole(least: int = 0) -> Check:
    """Accept an integer of at least `least` that 63 bits hold: longer ones end in errors of whatever reckons on."""

    @_as(Annotated[int, Meta(ge=least, le=_MOST)])
    def check(value: Any) -> None:
        if type(value) is not int or value < least:
            raise Misfit(f"must be a whole number, at least {least}")
        if value > _MOST:
            raise Misfit(f"must be a whole number, at most {_MOST}")

    return check


def nullable(inner: Check) -> Check:
    """Accept null and what `inner` accepts."""
    judge = inner.judge

    @_as(inner.form and inner.form | None)
    def check(value: Any) -> None:
        if value is not None:
            judge(value)

    return check


def text_or(inner: Check) -> Check:
    """Accept null, a string, and the objects that `inner` accepts."""
    judge = inner.judge

    @_as(inner.form and inner.form | str | None)
    def check(value: Any) -> None:
        if value is not None and type(value) is not str:
            judge(value)

    return check


def one_of(words: Collection[str]) -> Check:
    """Accept one of these strings."""
    known = frozenset(map(str, words))

    @_as(Literal[tuple(map(str, words))])
    def check(value: Any) -> None:
        if type(value) is not str or value not in known:
            raise Misfit("must be one of " + ", ".join(f"`{word}`" for word in words))

    return check


def matching(pattern: str, what: str) -> Check:
    """Accept a string that the pattern matches as a whole; `what` names it in words."""
    matches = re.compile(pattern).fullmatch

    @_as(Annotated[str, Meta(pattern=rf"\A(?:{pattern})\Z")])
    def check(value: Any) -> None:
        if type(value) is not str or matches(value) is None:
            raise Misfit(f"must be {what}")

    return check


_YEAR = r"(?:19[7-9][0-9]|[2-8][0-9]{3})"
_LEAP = r"(?=[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[357][26])00)"
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
MOMENT = rf"(?:{_YEAR}-{_DAY}|{_LEAP}{_YEAR}-02-29)T{_TIME}Z"
"""A time that the calendar has, from 1970 to 8999, so that one can go on from it for as long as anyone waits."""

moment = matching(MOMENT, "a time in UTC that the calendar has and that ends in Z")
usable_text = matching(r"[^\x00\ud800-\udfff]+", "a text without NUL and half surrogate pairs, and not empty")
"""A path or an id: what a disk can have, and a URL."""

digest = matching(r"[0-9a-f]{64}", "a SHA-256 in 64 hex digits")


def list_of(inner: Check) -> Check:
    """Accept a list whose items `inner` accepts."""
    judge = inner.judge

    @_as(inner.form and GenericAlias(list, (inner.form,)))
    def check(value: Any) -> None:
        if type(value) is not list:
            raise Misfit("must be a list")
        for index, item in enumerate(value):
            try:
                judge(item)
            except Misfit as misfit:
                raise misfit.within(index) from None

    return check


def object_of(inner: Check) -> Check:
    """Accept an object with any names whose values `inner` accepts."""
    judge = inner.judge

    @_as(inner.form and GenericAlias(dict, (str, inner.form)))
    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Misfit("must be an object")
        for name, item in value.items():
            try:
                judge(item)
            except Misfit as misfit:
                raise misfit.within(name) from None

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Accept an object with all of these fields, perhaps with the optional ones, and with no other."""
    known = {name: check.judge for name, check in {**required, **(optional or {})}.items()}

    @_as(_record_form(required, optional or {}))
    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Misfit("must be an object")
        for name, item in value.items():
            judge = known.get(name)
            if judge is None:
                meant = did_you_mean(name, known)
                raise Misfit(f"is an unknown field ({meant})" if meant else "is an unknown field", (name,))
            try:
                judge(item)
            except Misfit as misfit:
                raise misfit.within(name) from None
        for name in required:
            if name not in value:
                raise Misfit(f"lacks the field `{name}`")

    return check


def _record_form(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Any:
    if any(check.form is None for check in (*required.values(), *optional.values())):
        return None
    fields = {name: check.form for name, check in required.items()}
    fields |= {name: NotRequired[check.form] for name, check in optional.items()}
    return TypedDict("Record", fields)  # type: ignore[operator]
