"""A result as JSON text, in pieces: what an iterator yields is written as it comes and never held as a whole.

Written as a whole, the plan of 60,000 jobs takes 1.2 times the memory, and as much CPU time.
`tests/report/test_json_stream.py` holds the pieces equal to the whole.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

_AT_ONCE = 1000


def pieces(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of a mapping that is not empty, indented by two, its keys in their order, and a last line break.

    Joined they are what `json.dumps(document, indent=2, ensure_ascii=False)` gives, an iterator standing for a list.

    >>> print("".join(pieces({"jobs": iter([{"address": "hero"}]), "counts": {}})), end="")
    {
      "jobs": [
        {
          "address": "hero"
        }
      ],
      "counts": {}
    }
    """
    begin = "{"
    for name, value in document.items():
        yield f"{begin}\n  {json.dumps(name, ensure_ascii=False)}: "
        yield from _items(value) if isinstance(value, Iterator) else (_text(value),)
        begin = ","
    yield "\n}\n"


def _items(values: Iterator[Any]) -> Iterator[str]:
    begin = "["
    while some := list(islice(values, _AT_ONCE)):
        yield begin + _text(some)[1 : -len("\n  ]")]
        begin = ","
    yield "[]" if begin == "[" else "\n  ]"


def _text(value: Any) -> str:
    """Return a value's text one level down; no line break inside a text is one of the text's own."""
    try:
        packed = msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError):  # an amount beyond 64 bits, half a surrogate pair
        return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")
    return msgspec.json.format(packed, indent=2).decode().replace("\n", "\n  ")
