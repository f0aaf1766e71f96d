"""Reads data files of a manifest: CSV, JSON, JSONL and YAML become lists of rows.

CSV fields are texts; other formats keep their own types. A row is a mapping, or a scalar where the format allows one.
All faults of a file are reported at once, with marks in that file.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from msgspec import Struct

from kbatch.errors import Problem, Unreadable
from kbatch.manifest.findings import Findings
from kbatch.manifest.yaml.document import read_document
from kbatch.manifest.yaml.json_faults import JsonFault, json_faults
from kbatch.manifest.yaml.lost_text import warn_lost_text
from kbatch.manifest.yaml.source import SourceText, read_text

Rows = list[Any]

_ROW_LIMIT = 1_000_000
_MOST_FAULTS = 20
"""Most problems that are reported of one file: a thousand rows with the same fault are one mistake."""
_NOT_ROWS = "the file must hold a list of rows"
_SEPARATORS = {";": "`;`", "\t": "tabs", "|": "`|`"}


class Data(Struct, frozen=True, kw_only=True):
    """Content of a data file: its rows, None when it cannot be used, and its problems and warnings."""

    rows: Rows | None
    problems: tuple[Problem, ...] = ()


def read_rows(name: str, read: Callable[[str], bytes], shown: str) -> Rows | Problem:
    """Return the rows of the file `name`, or its first problem; see `read_data`."""
    data = read_data(name, read, shown)
    return data.problems[0] if data.rows is None else data.rows


def read_data(name: str, read: Callable[[str], bytes], shown: str) -> Data:
    """Return the content of the file `name`; marks of problems name it `shown`."""
    try:
        data = read(name)
    except Unreadable as error:
        return _no(Problem(code=error.code, message=error.message, hint=error.hint))
    suffix = name.rpartition(".")[2].lower()
    if suffix in ("yaml", "yml"):
        return _read_yaml(data, shown)
    reader = _READERS.get(suffix)
    if reader is None:
        hint = "known: .csv, .json, .jsonl, .yaml"
        return _no(Problem(code="data-format", message=f"`{name}` has no known format", hint=hint))
    text = read_text(data, shown)
    if isinstance(text, Problem):
        return _no(text)
    source = SourceText(shown, text, plain=True)
    found = reader(source)
    if found.rows is not None and len(found.rows) > _ROW_LIMIT:
        return _no(_bad(source, 0, f"{len(found.rows):,} rows, at most {_ROW_LIMIT:,} are read"))
    return found


def _read_csv(source: SourceText) -> Data:
    reader = csv.reader(io.StringIO(source.text, newline=""), strict=True)
    rows: Rows = []
    faults: list[Problem] = []
    before = 0
    try:
        header = [column.strip() for column in next(reader, [])]
        fault = _header_fault(source, header)
        if fault is not None:
            return _no(fault)
        before = reader.line_num
        for fields in reader:
            if not fields:
                pass
            elif len(fields) == len(header) and any(map(str.strip, fields)):
                rows.append(dict(zip(header, fields, strict=True)))
            elif len(faults) < _MOST_FAULTS:
                faults.append(_row_fault(source, before, fields, len(header)))
            before = reader.line_num
    except csv.Error as error:
        hint = "a quote is not closed" if "end of data" in str(error) else None
        faults.append(_bad(source, before, f"this is not CSV: {error}", hint=hint))
    return _no(*faults) if faults else Data(rows=rows)


def _header_fault(source: SourceText, header: list[str]) -> Problem | None:
    """Return the fault of the header line, such as another separator than `,`."""
    if len(header) == 1:
        found = next((mark for mark in _SEPARATORS if mark in header[0]), None)
        if found is not None:
            message = f"{_SEPARATORS[found]} stand between the columns, and CSV has commas"
            hint = "save it as CSV with commas (“CSV UTF-8” of a spreadsheet may write `;`, by its region)"
            return _bad(source, 0, message, hint=hint)
    if header and "" not in header and len(set(header)) == len(header):
        return None
    return _bad(source, 0, "the first line must name every column once")


def _row_fault(source: SourceText, line: int, fields: list[str], columns: int) -> Problem:
    if not any(field.strip() for field in fields):
        hint = "remove the line; spreadsheets leave such lines at the end"
        return _bad(source, line, "every field of this row is empty", hint=hint)
    message = f"{len(fields)} fields where the header has {columns}"
    return _bad(source, line, message, hint="a field with a comma in it needs quotes")


def _read_json(source: SourceText) -> Data:
    value = _parse(source, source.text, 0)
    if isinstance(value, Data):
        return value
    return Data(rows=value) if isinstance(value, list) else _no(_bad(source, 0, _NOT_ROWS))


def _read_jsonl(source: SourceText) -> Data:
    rows: Rows = []
    faults: list[Problem] = []
    for number, line in enumerate(source.text.split("\n")):
        if line.strip():
            row = _parse(source, line, number)
            if isinstance(row, Data):
                faults += row.problems
            else:
                rows.append(row)
            if len(faults) >= _MOST_FAULTS:
                break
    return _no(*faults) if faults else Data(rows=rows)


class _Unfit(ValueError):
    """The text is JSON with a value that no row may hold; `json_faults` finds its place."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise _Unfit
    return row


def _finite(word: str) -> float:
    number = float(word)
    if number - number != 0:
        raise _Unfit
    return number


def _parse(source: SourceText, text: str, first_line: int) -> Any:
    """Return the value of a text that begins at a line, from 0; Data when it has none."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        return _no(_bad(source, first_line + error.lineno - 1, f"this is not JSON: {error.msg}", error.colno - 1))
    except (ValueError, RecursionError):
        faults = islice(json_faults(text), _MOST_FAULTS)
        said = [_placed(source, text, first_line, fault) for fault in faults]
        return _no(*said) if said else _no(_bad(source, first_line, "this cannot be read as data"))
    return value


def _placed(source: SourceText, text: str, first_line: int, fault: JsonFault) -> Problem:
    line, begin = text.count("\n", 0, fault.at), text.rfind("\n", 0, fault.at) + 1
    mark = source.at(first_line + line, fault.at - begin, fault.width)
    return Problem(code=fault.code, message=fault.message, mark=mark, hint=fault.hint)


def _read_yaml(data: bytes, shown: str) -> Data:
    document = read_document(data, shown)
    if isinstance(document, tuple):
        return _no(*document[:_MOST_FAULTS])
    if not isinstance(document.value, list):
        return _no(Problem(code="data-format", message=_NOT_ROWS, mark=document.mark()))
    findings = Findings(document)
    warn_lost_text(document, findings)
    return Data(rows=document.value, problems=findings.problems())


_READERS: Mapping[str, Callable[[SourceText], Data]] = {
    "csv": _read_csv,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "ndjson": _read_jsonl,
}


def _no(*problems: Problem) -> Data:
    return Data(rows=None, problems=problems)


def _bad(source: SourceText, line: int, message: str, column: int | None = None, *, hint: str | None = None) -> Problem:
    mark = source.of_line(line) if column is None else source.at(line, column)
    return Problem(code="data-format", message=message, mark=mark, hint=hint)
