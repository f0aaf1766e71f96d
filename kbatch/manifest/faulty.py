"""Placeholders for values whose fault is reported already.

Whatever depends on such a value is not checked, and all else is: one pass reports every fault of a manifest once.
"""

from typing import Any

from msgspec import Struct

ALL_PARAMS = "params.*"
"""Marks all parameters of a shot as faulty."""


class Faulty(Struct, frozen=True):
    """A value whose fault is reported; `raw` is the written text, where that can still serve as a name."""

    raw: Any = None


FAULTY = Faulty()


class Echo(Exception):
    """A template used a faulty value."""


def sound_value(value: Any) -> Any:
    """Return a value; Echo when it is faulty."""
    if isinstance(value, Faulty):
        raise Echo
    return value


def holds_faulty(value: Any) -> bool:
    """Whether a value is faulty, or a mapping that holds a faulty value."""
    if isinstance(value, dict):
        return any(map(holds_faulty, value.values()))
    return isinstance(value, Faulty)


def mapping_of(value: Any) -> dict[str, Any]:
    """Return a value that is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}
