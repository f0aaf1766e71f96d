"""What stands where a value would be that could not be had, once its fault was said: nothing more is said of it.

So one pass says all faults of a manifest and no echo of one: whatever depends on such a value is left alone, and all
else is checked.
"""

from typing import Any

from msgspec import Struct

ALL_PARAMS = "params.*"
"""Among the fields of a shot that were said: it may have any parameter."""


class Faulty(Struct, frozen=True):
    """A value whose fault was said; `raw` is what was written, where that can still serve as a name."""

    raw: Any = None


FAULTY = Faulty()


class Echo(Exception):
    """A template used a value whose fault was said."""


def sound_value(value: Any) -> Any:
    """Return a value; Echo when its fault was said."""
    if isinstance(value, Faulty):
        raise Echo
    return value


def holds_faulty(value: Any) -> bool:
    """Whether a value is one whose fault was said, or a mapping of such."""
    if isinstance(value, dict):
        return any(map(holds_faulty, value.values()))
    return isinstance(value, Faulty)


def mapping_of(value: Any) -> dict[str, Any]:
    """Return a mapping that was written, an empty one where it could not be read or is missing."""
    return value if isinstance(value, dict) else {}
