"""Images inside parameters: where they are, by the card's paths such as `reference_images[]` and `elements[].image`.

A place is the way to one value, such as `("elements", 0, "image")`; its label, `elements[0].image`, names it in
receipts. Parameters of any form may be walked: what is not as the path says holds no image.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from kbatch.manifest.places import Place

_EACH = "[]"


@cache
def steps_of(path: str) -> tuple[str, ...]:
    """Split a card's path.

    >>> steps_of("elements[].image")
    ('elements', '[]', 'image')
    """
    return tuple(step for step in path.replace(_EACH, f".{_EACH}.").split(".") if step)


def label_of(place: Place) -> str:
    """Return a place in words: `elements[0].image`; of a parameter that is an image its name."""
    first, *rest = place
    return str(first) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)


def places(paths: Iterable[str], params: Mapping[str, Any]) -> Iterator[tuple[str, Place, Any]]:
    """Yield path, place and value of everything that stands where an image belongs, in the card's order."""
    for path in paths:
        yield from ((path, place, value) for place, value in _below(steps_of(path), params, ()))


def _below(steps: tuple[str, ...], value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if not steps:
        yield place, value
    elif steps[0] == _EACH:
        for number, item in enumerate(value if isinstance(value, list | tuple) else ()):
            yield from _below(steps[1:], item, (*place, number))
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _below(steps[1:], value[steps[0]], (*place, steps[0]))


def replaced(paths: Iterable[str], params: Mapping[str, Any], replace: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the parameters with each image replaced by what `replace` makes of it; the given ones stay as they are."""
    made = dict(params)
    for path in paths:
        root, *rest = steps_of(path)
        if root in made:
            made[root] = _replaced(tuple(rest), made[root], replace)
    return made


def _replaced(steps: tuple[str, ...], value: Any, replace: Callable[[Any], Any]) -> Any:
    if not steps:
        return replace(value)
    if steps[0] == _EACH:
        if not isinstance(value, list | tuple):
            return value
        return [_replaced(steps[1:], item, replace) for item in value]
    if not isinstance(value, Mapping) or steps[0] not in value:
        return value
    return {**value, steps[0]: _replaced(steps[1:], value[steps[0]], replace)}
