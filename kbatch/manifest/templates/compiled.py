"""A compiled text: the names that it looks up, and a function that renders it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

WHOLE = re.compile(r"\s*\{\{[-+]?(?P<inner>.*?)[-+]?\}\}\s*\Z", re.DOTALL)
"""A text that may be one whole expression."""

SOURCE_LIMIT = 64 * 1024

Render = Callable[[Mapping[str, Any]], Any]


class Template(Struct, frozen=True):
    """A compiled text: `names` are the free names that it uses, `render` makes a value or a Fault of a scope."""

    source: str
    names: frozenset[str]
    render: Render
