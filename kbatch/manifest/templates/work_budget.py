"""The budget of work of templates: one for each rendering, and one for all heavy renderings of a manifest.

Every list and mapping that a template makes is weighed: its weight is the cost of a walk through it, repeated parts
included. So a template cannot build a value that is cheap to make and expensive to compare, hash or print.
"""

from typing import Any

LONGEST_TEXT = 100_000
WORK_LIMIT = 500_000
ORDINARY_WORK = 1_000
WHOLE_LIMIT = 50_000_000
LARGEST_NUMBER_BITS = 4096
DEEPEST = 100

_REMEMBERED = 100_000


class TooMuch(Exception):
    """A template spent its budget of work, or made a text over 100,000 characters."""


class Budget:
    """The remaining work of one rendering and of a whole manifest, and the known weights."""

    def __init__(self) -> None:
        self._left = WORK_LIMIT
        self._whole = WHOLE_LIMIT
        self._weights: dict[int, tuple[Any, int, int]] = {}

    def start(self) -> None:
        """Open a fresh budget; call before each rendering."""
        self._whole -= max(0, WORK_LIMIT - self._left - ORDINARY_WORK)
        self._left = WORK_LIMIT
        if len(self._weights) > _REMEMBERED:
            self._weights.clear()
        if self._whole < 0:
            raise TooMuch("the manifest's templates do too much work")

    def spend(self, amount: int) -> None:
        """Take from the budget; TooMuch when it is used up."""
        self._left -= amount
        if self._left < 0:
            raise TooMuch("the template does too much work")

    def weigh(self, value: Any) -> int:
        """Return the cost of a walk through a value; TooMuch above the budget of a rendering."""
        return self._weigh(value)[0]

    def _weigh(self, value: Any) -> tuple[int, int]:
        if isinstance(value, str):
            return 1 + len(value) // 100, 0
        if isinstance(value, range):
            return 1 + len(value), 0
        if not isinstance(value, list | tuple | dict):
            return 1, 0
        known = self._weights.get(id(value))
        if known is not None:
            return known[1:]
        weight, depth = 1 + len(value), 1
        self.spend(len(value))
        for part in value.values() if isinstance(value, dict) else value:
            part_weight, part_depth = self._weigh(part)
            weight += part_weight
            depth = max(depth, part_depth + 1)
        if weight > WORK_LIMIT or depth > DEEPEST:
            raise TooMuch("a list or mapping grows too large")
        self._weights[id(value)] = (value, weight, depth)
        return weight, depth

    def checked(self, value: Any) -> Any:
        """Return the result of an operation; TooMuch for a text, number or list that is too large."""
        if isinstance(value, str):
            bound(len(value))
        elif isinstance(value, list | tuple | dict):
            self.weigh(value)
        elif isinstance(value, int) and value.bit_length() > LARGEST_NUMBER_BITS:
            raise TooMuch("a number grows too large")
        return value


def bound(size: int, kind: str = "text") -> None:
    """Refuse a text of more than 100,000 characters, or a list of more values."""
    if size > LONGEST_TEXT:
        raise TooMuch(f"a {kind} grows over {LONGEST_TEXT:,} {'characters' if kind == 'text' else 'values'}")
