"""JSON text: strict parsing, fast writing with two-space indent, line numbers of values.

Parsing refuses duplicate names in one object, since one of two paid renders would be lost, and NaN and infinities.
"""

import json
import re
from collections.abc import Collection, Iterator
from json.encoder import encode_basestring
from typing import Any, NoReturn

import msgspec

from kbatch.errors import StateUnreadable
from kbatch.receipts.shapes import Path, ShapeError

_WORDS = {None: "null", True: "true", False: "false"}
_MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')


class DuplicateName(ShapeError):
    """A duplicate name in one object."""


def _no_number(word: str) -> NoReturn:
    raise ShapeError(f"holds `{word}`, which is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if abs(number) != float("inf") else _no_number(digits)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise DuplicateName(f"has `{next(name for name in names if names.count(name) > 1)}` twice")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_number, parse_float=_finite)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; json.JSONDecodeError for invalid JSON, ShapeError for refused content."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ShapeError("is nested too deeply") from None
    except (json.JSONDecodeError, ShapeError):
        raise
    except ValueError:  # Python reads no whole number of more than 4,300 digits
        raise ShapeError("holds a number that is too long") from None


class DocumentHints(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about a document that cannot be read, and about one that a merge left unfinished."""

    restore: str
    merge: str


def read_document(data: bytes, name: str, hints: DocumentHints) -> tuple[str, Any]:
    """Return the text of a JSON document and its value; StateUnreadable has `name`, the line and a hint."""
    try:
        text = data.decode("utf-8-sig")  # an editor may have put a byte order mark before it
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise StateUnreadable(f"{name}:{line}: is not UTF-8 text", hint=hints.restore) from None
    if not text.strip():
        raise StateUnreadable(f"{name}:1: is empty, which no such file is", hint=hints.restore)
    try:
        return text, parse_json(text)
    except json.JSONDecodeError as error:
        for number, line_text in enumerate(text.splitlines(), start=1):
            if line_text.startswith(_MARKERS):
                message = f"{name}:{number}: an unfinished merge (`{line_text[:7]}`)"
                raise StateUnreadable(message, hint=hints.merge) from None
        raise StateUnreadable(f"{name}:{error.lineno}: is not JSON: {error.msg}", hint=hints.restore) from None
    except DuplicateName as error:
        raise StateUnreadable(f"{name}:{line_of_duplicate(text)}: {error}", hint=hints.restore) from None
    except ShapeError as error:
        raise StateUnreadable(f"{name}:1: {error}", hint=hints.restore) from None


def write_json(value: Any) -> bytes:
    """Return the JSON of a value in UTF-8: sorted keys, two-space indent, a newline at the end.

    The bytes are those of `json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)`, an exponent's spelling
    aside, in a tenth of the time; a lone surrogate, which a server's cut text may hold, is written as its escape.
    """
    try:
        return msgspec.json.format(_ENCODER.encode(value), indent=2) + b"\n"
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate, a number beyond 64 bits
        return (_write(msgspec.to_builtins(value), "\n") + "\n").encode("utf-8", "backslashreplace")


_ENCODER = msgspec.json.Encoder(order="sorted")


def _write(value: Any, line: str) -> str:
    if type(value) is str:
        return str(encode_basestring(value))
    deeper = line + "  "
    if isinstance(value, dict):
        if not value:
            return "{}"
        members = [f"{deeper}{encode_basestring(name)}: {_write(value[name], deeper)}" for name in sorted(value)]
        return "{" + ",".join(members) + line + "}"
    if isinstance(value, list | tuple):
        if not value:
            return "[]"
        return "[" + ",".join([deeper + _write(item, deeper) for item in value]) + line + "]"
    if value is None or value is True or value is False:
        return _WORDS[value]
    return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)


def line_of(text: str, path: Path) -> int:
    """Return the line (from 1) of the name or item at `path`, else of its nearest parent."""
    best, found = 0, 0
    for place, offset in _positions(text):
        if place == path:
            found = offset
            break
        if len(place) > best and place == path[: len(place)]:
            best, found = len(place), offset
    return text.count("\n", 0, found) + 1


def lines_of(text: str, paths: Collection[Path]) -> dict[Path, int]:
    """Return the line (from 1) of each of these names or items that the text holds, in one walk."""
    requested = set(paths)
    lines: dict[Path, int] = {}
    line = walked = 0
    for place, offset in _positions(text):
        if place in requested:
            line += text.count("\n", walked, offset)
            walked = offset
            lines[place] = line + 1
    return lines


def line_of_duplicate(text: str) -> int:
    """Return the line (from 1) of the first duplicate name."""
    seen: set[Path] = set()
    for place, offset in _positions(text):
        if place in seen:
            return text.count("\n", 0, offset) + 1
        seen.add(place)
    return 1


def _positions(text: str) -> Iterator[tuple[Path, int]]:
    """Yield the path and the offset of every name and list item, in the order of the text, which is valid JSON."""
    path: list[str | int] = []
    names = False
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{":
                path.append("")
                names = True
            case "[":
                path.append(0)
                yield tuple(path), token.end()
            case "}" | "]":
                path.pop()
                names = False
            case ",":
                last = path[-1]
                names = isinstance(last, str)
                if isinstance(last, int):
                    path[-1] = last + 1
                    yield tuple(path), token.end()
            case ":":
                names = False
            case name if names:
                path[-1] = json.loads(name)
                yield tuple(path), token.start()
