"""Data files of a manifest: CSV, JSON, JSONL and YAML become lists of rows, read as data and never as code.

CSV fields are texts. Other formats keep their own types. A row is a mapping, or a scalar where the format allows one.
"""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from kbatch.manifest.document import read_document
from kbatch.problems import Mark, Problem, Unreadable

Rows = list[Any]
_ROW_LIMIT = 1_000_000


def read_rows(name: str, read: Callable[[str], bytes]) -> Rows | Problem:
    """Return the rows of the file `name`, or a problem whose mark, if any, is a place inside that file."""
    try:
        data = read(name)
    except Unreadable as error:
        return Problem(code=error.code, message=error.message, hint=error.hint)
    suffix = name.rpartition(".")[2].lower()
    readers = {"csv": _read_csv, "json": _read_json, "jsonl": _read_jsonl, "ndjson": _read_jsonl}
    if suffix in ("yaml", "yml"):
        return _read_yaml(data, name)
    reader = readers.get(suffix)
    if reader is None:
        hint = "known: .csv, .json, .jsonl, .yaml"
        return Problem(code="data-format", message=f"`{name}` has no known format", hint=hint)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return _bad(name, line, 1, f"byte 0x{data[error.start]:02x} is not UTF-8")
    rows = reader(text, name)
    if isinstance(rows, list) and len(rows) > _ROW_LIMIT:
        return _bad(name, 1, 1, f"{len(rows):,} rows, at most {_ROW_LIMIT:,} are read")
    return rows


def _read_csv(text: str, name: str) -> Rows | Problem:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: Rows = []
    try:
        header = [column.strip() for column in next(reader, [])]
        if not header or "" in header or len(set(header)) != len(header):
            return _bad(name, 1, 1, "the first line must name every column once")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                return _bad(name, reader.line_num, 1, f"{len(fields)} fields where the header has {len(header)}")
            rows.append(dict(zip(header, fields, strict=True)))
    except csv.Error as error:
        return _bad(name, reader.line_num, 1, f"this is not CSV: {error}")
    return rows


def _read_json(text: str, name: str) -> Rows | Problem:
    value = _parse(text, name, 1)
    if isinstance(value, list | Problem):
        return value
    return _bad(name, 1, 1, "the file must hold a list of rows")


def _read_jsonl(text: str, name: str) -> Rows | Problem:
    rows: Rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            row = _parse(line, name, number)
            if isinstance(row, Problem):
                return row
            rows.append(row)
    return rows


def _parse(text: str, name: str, first_line: int) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return row

    def finite(word: str) -> float:
        raise ValueError(f"`{word}` is not a number that can be sent")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=finite)
    except json.JSONDecodeError as error:
        return _bad(name, first_line + error.lineno - 1, error.colno, f"this is not JSON: {error.msg}")
    except (ValueError, RecursionError) as error:
        return _bad(name, first_line, 1, f"this cannot be read as data: {error}")


def _read_yaml(data: bytes, name: str) -> Rows | Problem:
    document = read_document(data, name)
    if isinstance(document, tuple):
        return document[0]
    if isinstance(document.value, list):
        return document.value
    return Problem(code="data-format", message="the file must hold a list of rows", mark=document.mark())


def _bad(name: str, line: int, column: int, message: str) -> Problem:
    return Problem(code="data-format", message=message, mark=Mark(file=name, line=line, column=column))
