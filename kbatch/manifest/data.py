"""Data files of a manifest: CSV, JSON, JSONL and YAML become lists of rows, read as data and never as code.

CSV fields are texts. Other formats keep their own types. A row is a mapping, or a scalar where the format allows one.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kbatch.manifest.document import read_document
from kbatch.manifest.source import Source, read_text
from kbatch.problems import Problem, Unreadable

Rows = list[Any]


class NoNumber(ValueError):
    """A number that JSON may write and no provider can be sent."""


_ROW_LIMIT = 1_000_000
_NOT_ROWS = "the file must hold a list of rows"


def read_rows(name: str, read: Callable[[str], bytes], shown: str) -> Rows | Problem:
    """Return the rows of the file `name`, or a problem; its mark, if any, is a place inside the file, named `shown`."""
    try:
        data = read(name)
    except Unreadable as error:
        return Problem(code=error.code, message=error.message, hint=error.hint)
    suffix = name.rpartition(".")[2].lower()
    if suffix in ("yaml", "yml"):
        return _read_yaml(data, shown)
    reader = _READERS.get(suffix)
    if reader is None:
        hint = "known: .csv, .json, .jsonl, .yaml"
        return Problem(code="data-format", message=f"`{name}` has no known format", hint=hint)
    text = read_text(data, shown)
    if isinstance(text, Problem):
        return text
    rows = reader(Source(shown, text))
    if isinstance(rows, list) and len(rows) > _ROW_LIMIT:
        return _bad(Source(shown, ""), 0, f"{len(rows):,} rows, at most {_ROW_LIMIT:,} are read")
    return rows


def _read_csv(source: Source) -> Rows | Problem:
    reader = csv.reader(io.StringIO(source.text, newline=""), strict=True)
    rows: Rows = []
    before = 0
    try:
        header = [column.strip() for column in next(reader, [])]
        if not header or "" in header or len(set(header)) != len(header):
            return _bad(source, 0, "the first line must name every column once")
        before = reader.line_num
        for fields in reader:
            if len(fields) not in (0, len(header)):
                message = f"{len(fields)} fields where the header has {len(header)}"
                return _bad(source, before, message, hint="a field with a comma in it needs quotes")
            if fields:
                rows.append(dict(zip(header, fields, strict=True)))
            before = reader.line_num
    except csv.Error as error:
        hint = "a quote is not closed" if "end of data" in str(error) else None
        return _bad(source, before, f"this is not CSV: {error}", hint=hint)
    return rows


def _read_json(source: Source) -> Rows | Problem:
    value = _parse(source, source.text, 0)
    return value if isinstance(value, list | Problem) else _bad(source, 0, _NOT_ROWS)


def _read_jsonl(source: Source) -> Rows | Problem:
    rows: Rows = []
    for number, line in enumerate(source.text.split("\n")):
        if line.strip():
            row = _parse(source, line, number)
            if isinstance(row, Problem):
                return row
            rows.append(row)
    return rows


def _parse(source: Source, text: str, first_line: int) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for place, name in enumerate(names) if name in names[:place])
            raise ValueError(f"`{twice}` stands twice in one object")
        return row

    def finite(word: str) -> float:
        number = float(word)
        if not math.isfinite(number):
            raise NoNumber(f"`{word}` cannot be read: neither infinity nor NaN can be sent to a provider")
        return number

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=finite, parse_float=finite)
        json.dumps(value, ensure_ascii=False).encode()
    except NoNumber as error:
        return replace(_bad(source, first_line, str(error)), code="bad-number")
    except json.JSONDecodeError as error:
        return _bad(source, first_line + error.lineno - 1, f"this is not JSON: {error.msg}", error.colno - 1)
    except UnicodeEncodeError:
        return _bad(source, first_line, "a text has half a character (a lone surrogate)")
    except (ValueError, RecursionError) as error:
        return _bad(source, first_line, f"this cannot be read as data: {error}")
    return value


def _read_yaml(data: bytes, shown: str) -> Rows | Problem:
    document = read_document(data, shown)
    if isinstance(document, tuple):
        return document[0]
    if isinstance(document.value, list):
        return document.value
    return Problem(code="data-format", message=_NOT_ROWS, mark=document.mark())


_READERS: Mapping[str, Callable[[Source], Rows | Problem]] = {
    "csv": _read_csv,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
}


def _bad(source: Source, line: int, message: str, column: int | None = None, *, hint: str | None = None) -> Problem:
    mark = source.of_line(line) if column is None else source.at(line, column)
    return Problem(code="data-format", message=message, mark=mark, hint=hint)
