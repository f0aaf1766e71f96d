"""Converts values to text in templates, with messages for values that have no text form."""

import math
from collections.abc import Mapping
from typing import Any

from kbatch.manifest.drafts import FrameCall
from kbatch.manifest.faulty import sound_value
from kbatch.manifest.templates.faults import Fault

_NOT_TEXT_HINTS = {
    "a list": "`| join(', ')` makes a text of a list",
    "a function": "call it: `()` is missing",
    "an empty value": "`| default('…', true)` gives a value that may be empty another one",
    "a clip's frame": "a frame is the whole value of a picture parameter",
}


class NotText(Exception):
    """A value without a text form stands inside a text: `kind` is its description, `fields` are its fields."""

    def __init__(self, kind: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(kind)
        self.kind = kind
        self.fields = fields


class NotFinite(Exception):
    """A number that no provider accepts: infinite, or NaN."""

    def __init__(self) -> None:
        super().__init__("neither infinity nor NaN can be sent to a provider")


def check_number(value: Any) -> None:
    """Raise NotFinite for infinity and NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        raise NotFinite


def as_text(value: Any) -> str:
    """Return a value as text; NotText for mappings, lists, frames and empty values, NotFinite for infinity and NaN."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        check_number(value)
        return str(value)
    sound_value(value)
    raise NotText(kind_of(value), tuple(map(str, value)) if isinstance(value, Mapping) else ())


def kind_of(value: Any) -> str:
    """Return the description of a value for a message."""
    if value is None:
        return "an empty value"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | range):
        return "a list"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, FrameCall):
        return "a clip's frame"
    return "a function" if callable(value) else "this value"


def text_of(value: Any) -> str | Fault:
    """Return a rendered value as the text of a field, such as a prompt or a model's name."""
    try:
        text = as_text(value)
        if not text.isascii():
            text.encode()
    except NotText as error:
        return word_not_text(error)
    except NotFinite as error:
        return word_not_finite(error)
    except UnicodeEncodeError:
        return Fault("not-unicode", "the text has half a character (a lone surrogate), which cannot be sent")
    return text


def word_not_finite(error: NotFinite) -> Fault:
    """Return the fault of a number that cannot be sent."""
    return Fault("bad-number", f"a number in the template cannot be read: {error}")


def word_not_text(error: NotText) -> Fault:
    """Return the fault of a value without a text form."""
    fields = ", ".join(f"`{name}`" for name in error.fields[:8])
    hint = f"name one of its fields: {fields}" if fields else _NOT_TEXT_HINTS.get(error.kind)
    return Fault("not-text", f"{error.kind} cannot stand inside a text", hint)
