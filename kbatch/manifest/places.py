"""Places inside nested values: lists and mappings of JSON, walked and rebuilt without a change of the given ones."""

from collections.abc import Iterator, Mapping
from typing import Any

Place = tuple[str | int, ...]
"""The way to one value, such as `("elements", 0, "image")`."""


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield place and value of all that is neither a list nor a mapping."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*place, key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from leaves(item, (*place, number))
    else:
        yield place, value


def value_at(value: Any, place: Place) -> Any:
    """Return the value at a place; LookupError or TypeError where there is none."""
    for step in place:
        value = value[step]
    return value


def put_at(holder: Any, place: Place, value: Any) -> Any:
    """Return the holder with another value at a place that exists; the errors of `value_at` where there is none.

    >>> put_at({"images": ["a", "b"]}, ("images", 1), "c")
    {'images': ['a', 'c']}
    """
    if not place:
        return value
    step, inner = place[0], put_at(holder[place[0]], place[1:], value)
    if isinstance(holder, Mapping):
        return {**holder, step: inner}
    return [inner if number == step else item for number, item in enumerate(holder)]
