"""Data files: CSV, JSON, JSONL and YAML become rows; what is wrong in one is marked in that file."""

import pytest
from small_manifests import Files

from kbatch.manifest.data import read_rows
from kbatch.problems import Problem

GOOD = {
    "csv": ("a.csv", "id,name\np,Parka\n", [{"id": "p", "name": "Parka"}]),
    "csv-fields-stay-texts": ("a.csv", "id,n\n1,05\n", [{"id": "1", "n": "05"}]),
    "csv-quotes": ("a.csv", 'id,name\np,"Parka, ""sand""\nnew"\n', [{"id": "p", "name": 'Parka, "sand"\nnew'}]),
    "csv-of-windows": ("a.csv", b"\xef\xbb\xbfid,name\r\np,Parka\r\n", [{"id": "p", "name": "Parka"}]),
    "csv-header-with-spaces": ("a.csv", "id , name\np,Parka\n", [{"id": "p", "name": "Parka"}]),
    "csv-empty-lines": ("a.csv", "id\n\np\n\n", [{"id": "p"}]),
    "csv-without-rows": ("a.csv", "id,name\n", []),
    "csv-template-stays-text": ("a.csv", "id\n{{ x }}\n", [{"id": "{{ x }}"}]),
    "json": ("a.json", '[{"id": "p", "n": 5}, "plain"]', [{"id": "p", "n": 5}, "plain"]),
    "jsonl": ("a.jsonl", '{"id": "p"}\n\n{"id": 2}\n', [{"id": "p"}, {"id": 2}]),
    "jsonl-with-a-unicode-line-end": ("a.jsonl", '{"id": "a\u2028b"}\n', [{"id": "a\u2028b"}]),
    "ndjson": ("a.ndjson", "1\n2", [1, 2]),
    "yaml": ("a.yaml", "- {id: p, ratio: 16:9}\n- no\n", [{"id": "p", "ratio": "16:9"}, "no"]),
    "yml": ("a.YML", "[a]", ["a"]),
}


@pytest.mark.parametrize(("name", "text", "rows"), GOOD.values(), ids=GOOD)
def test_rows_are_read_as_data(name: str, text: str | bytes, rows: list[object]) -> None:
    """Each format gives its rows, with the types that the format has."""
    assert read_rows(name, Files({name: text}).read, name) == rows


BAD: dict[str, tuple[str, str | bytes, str, int, int, str]] = {
    "csv-too-many-fields": ("a.csv", "id,name\np,P\nq,Q,x\n", "data-format", 3, 1, "3 fields where the header has 2"),
    "csv-too-few-fields": ("a.csv", "id,name\np\n", "data-format", 2, 1, "1 fields where the header has 2"),
    "csv-fields-after-a-long-row": (
        "a.csv", 'id,name\np,"a\nb\nc"\nq\n', "data-format", 5, 1, "1 fields where the header has 2",
    ),
    "csv-column-twice": ("a.csv", "id,id\n", "data-format", 1, 1, "the first line must name every column once"),
    "csv-column-without-name": ("a.csv", "id,\n", "data-format", 1, 1, "the first line must name every column once"),
    "csv-empty": ("a.csv", "", "data-format", 1, 1, "the first line must name every column once"),
    "csv-open-quote": ("a.csv", 'id\n"p\n', "data-format", 2, 1, "this is not CSV: unexpected end of data"),
    "csv-text-after-quote": ("a.csv", 'id\n"p"q\n', "data-format", 2, 1, "this is not CSV: ',' expected after '\"'"),
    "csv-latin-1": ("a.csv", b"id\ncaf\xe9\n", "encoding", 2, 4, "byte 0xe9 is not UTF-8"),
    "csv-utf-16": ("a.csv", "id\np\n".encode("utf-16"), "encoding", 1, 1, "the file is written in UTF-16"),
    "json-syntax": ("a.json", '[\n  {"id": }\n]', "data-format", 2, 10, "this is not JSON: Expecting value"),
    "json-mapping": ("a.json", '{"id": 1}', "data-format", 1, 1, "the file must hold a list of rows"),
    "json-key-twice": (
        "a.json", '[{"a": 1, "b": 2, "a": 3}]', "data-format", 1, 1,
        "this cannot be read as data: `a` stands twice in one object",
    ),
    "json-not-a-number": (
        "a.json", "[NaN]", "bad-number", 1, 1,
        "`NaN` cannot be read: neither infinity nor NaN can be sent to a provider",
    ),
    "json-half-a-surrogate-pair": (
        "a.json", '["\\ud83d"]', "data-format", 1, 1,
        "a text has half a character (a lone surrogate)",
    ),
    "json-empty": ("a.json", "", "data-format", 1, 1, "this is not JSON: Expecting value"),
    "jsonl-syntax": ("a.jsonl", '{"id": 1}\n{"id"}', "data-format", 2, 6, "this is not JSON: Expecting ':' delimiter"),
    "yaml-mapping": ("a.yaml", "a: 1\n", "data-format", 1, 1, "the file must hold a list of rows"),
    "yaml-tag": ("a.yaml", "- a\n- !!int 5\n", "yaml-tag", 2, 3, "tags are not supported, here `!!int`"),
}  # fmt: skip


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_a_bad_file_is_marked_in_itself(row: tuple[str, str | bytes, str, int, int, str]) -> None:
    """The mark names the data file, as the caller calls it, with line and column inside it."""
    name, text, code, line, column, message = row
    problem = read_rows(name, Files({name: text}).read, f"beside/{name}")
    assert isinstance(problem, Problem)
    assert (problem.code, problem.message) == (code, message)
    assert problem.mark is not None
    assert (problem.mark.file, problem.mark.line, problem.mark.column) == (f"beside/{name}", line, column)


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.csv.gz"])
def test_an_unknown_format_is_refused(name: str) -> None:
    """A format is told by the end of the name, and only the known ones are read."""
    problem = read_rows(name, Files({name: "x"}).read, name)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.hint) == ("data-format", "known: .csv, .json, .jsonl, .yaml")


def test_what_cannot_be_read_keeps_its_code() -> None:
    """A missing file is the tree's complaint, without a place: the manifest has it."""
    problem = read_rows("none.csv", Files().read, "none.csv")
    assert isinstance(problem, Problem)
    assert (problem.code, problem.mark) == ("file-not-found", None)


def test_deep_json_is_no_traceback() -> None:
    """Nesting that Python's reader cannot follow is a problem like any other."""
    problem = read_rows("a.json", Files({"a.json": "[" * 100_000}).read, "a.json")
    assert isinstance(problem, Problem)
    assert problem.code == "data-format"
