"""Small checks of parsed JSON that stack up into the shape of an event or a lockfile.

As strict as the JSON Schemas for them (`schemas/events.schema.json`, `schemas/lockfile.schema.json`), which tests hold
against these checks, and fast enough to run over each of 100,000 receipts at every start. A check returns nothing, or
raises `Misfit` with the path to what does not fit. No number passes that JSON cannot write (NaN, infinities), and no
float for a whole number, not even `5.0`.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kbatch.problems import did_you_mean

Check = Callable[[Any], None]
"""Takes a parsed value; raises Misfit when it does not fit."""

Path = tuple[str | int, ...]


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


def anything(value: Any) -> None:
    """Accept every JSON value."""


def text(value: Any) -> None:
    """Accept a string, the empty one too."""
    if type(value) is not str:
        raise Misfit("must be a string")


def some_text(value: Any) -> None:
    """Accept a string that is not empty."""
    if type(value) is not str or not value:
        raise Misfit("must be a string that is not empty")


def boolean(value: Any) -> None:
    """Accept true and false."""
    if type(value) is not bool:
        raise Misfit("must be true or false")


def number(value: Any) -> None:
    """Accept a number that is not negative."""
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise Misfit("must be a number, at least 0")


def whole(least: int = 0) -> Check:
    """Accept an integer of at least `least`."""

    def check(value: Any) -> None:
        if type(value) is not int or value < least:
            raise Misfit(f"must be a whole number, at least {least}")

    return check


def nothing(value: Any) -> None:
    """Accept null."""
    if value is not None:
        raise Misfit("must be null")


def nullable(inner: Check) -> Check:
    """Accept null and what `inner` accepts."""

    def check(value: Any) -> None:
        if value is not None:
            inner(value)

    return check


def one_of(words: Collection[str]) -> Check:
    """Accept one of these strings."""
    known = frozenset(words)

    def check(value: Any) -> None:
        if type(value) is not str or value not in known:
            raise Misfit("must be one of " + ", ".join(f"`{word}`" for word in words))

    return check


def matching(pattern: str, what: str) -> Check:
    """Accept a string that the pattern matches as a whole; `what` names it in words."""
    matches = re.compile(pattern).fullmatch

    def check(value: Any) -> None:
        if type(value) is not str or matches(value) is None:
            raise Misfit(f"must be {what}")

    return check


moment = matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z", "a time in UTC that ends in Z")
digest = matching(r"[0-9a-f]{64}", "a SHA-256 in 64 hex digits")


def list_of(inner: Check) -> Check:
    """Accept a list whose items `inner` accepts."""

    def check(value: Any) -> None:
        if type(value) is not list:
            raise Misfit("must be a list")
        for index, item in enumerate(value):
            try:
                inner(item)
            except Misfit as misfit:
                raise misfit.within(index) from None

    return check


def object_of(inner: Check) -> Check:
    """Accept an object with any names whose values `inner` accepts."""

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Misfit("must be an object")
        for name, item in value.items():
            try:
                inner(item)
            except Misfit as misfit:
                raise misfit.within(name) from None

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Accept an object with all of these fields, perhaps with the optional ones, and with no other."""
    known = {**required, **(optional or {})}

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Misfit("must be an object")
        for name, item in value.items():
            inner = known.get(name)
            if inner is None:
                meant = did_you_mean(name, known)
                raise Misfit(f"is an unknown field ({meant})" if meant else "is an unknown field", (name,))
            try:
                inner(item)
            except Misfit as misfit:
                raise misfit.within(name) from None
        for name in required:
            if name not in value:
                raise Misfit(f"lacks the field `{name}`")

    return check
