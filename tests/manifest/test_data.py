"""Data files: CSV, JSON, JSONL and YAML become rows; a fault is marked in its data file."""

import pytest
from small_manifests import Files

from kbatch.errors import Problem, Severity
from kbatch.manifest.data import read_data, read_rows

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


_SEMICOLONS = "`;` stand between the columns, and CSV has commas"
_EMPTY = "every field of this row is empty"
_LFS = "this is a pointer of Git LFS, not the file itself"
_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

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
        "a.json", '[\n {"b": 1},\n {"a": 1, "b": 2, "a": 3}\n]', "duplicate-key", 3, 19,
        "`a` occurs twice in one object",
    ),
    "json-not-a-number": (
        "a.json", "[{}, {},\n  {\"a\": NaN}]", "bad-number", 2, 9,
        "`NaN` cannot be read: neither infinity nor NaN can be sent to a provider",
    ),
    "json-half-a-surrogate-pair": (
        "a.json", '["\\ud83d\\ude00",\n  "\\ud83d"]', "not-unicode", 2, 3,
        "a text has half a character (a lone surrogate)",
    ),
    "json-half-a-character-in-a-name": (
        "a.json", '[{\n"\\ud83d": 1}]', "not-unicode", 2, 1,
        "a text has half a character (a lone surrogate)",
    ),
    "json-name-twice-by-an-escape": (
        "a.json", '[{"a": 1,\n "\\u0061": 2}]', "duplicate-key", 2, 2,
        "`a` occurs twice in one object",
    ),
    "json-infinite": (
        "a.json", '[1,\n -Infinity]', "bad-number", 2, 2,
        "`-Infinity` cannot be read: neither infinity nor NaN can be sent to a provider",
    ),
    "json-too-many-digits": (
        "a.json", f"[1,\n {'9' * 5000}]", "bad-number", 2, 2,
        f"`{'9' * 39}…` has more digits than can be read",
    ),
    "json-deep": ("a.json", "[\n" * 100_000, "too-deep", 101, 1, "nested deeper than 100 levels"),
    "json-behind-a-line-separator": (
        "a.json", '["\u2028\u2029\x85",\n NaN]', "bad-number", 2, 2,
        "`NaN` cannot be read: neither infinity nor NaN can be sent to a provider",
    ),
    "jsonl-not-a-number": (
        "a.jsonl", '{"a": 1}\n\n{"a": NaN}\n', "bad-number", 3, 7,
        "`NaN` cannot be read: neither infinity nor NaN can be sent to a provider",
    ),
    "csv-with-semicolons": ("a.csv", "id;t\na;x\n", "data-format", 1, 1, _SEMICOLONS),
    "csv-with-semicolons-and-commas-in-texts": ("a.csv", "id;t\na;x, y\n", "data-format", 1, 1, _SEMICOLONS),
    "csv-with-tabs": (
        "a.csv", "id\tt\na\tx\n", "data-format", 1, 1, "tabs stand between the columns, and CSV has commas",
    ),
    "csv-row-of-empty-fields": ("a.csv", "id,name\np,P\n\n,\n", "data-format", 4, 1, _EMPTY),
    "csv-row-of-blanks": ("a.csv", "id,name\n , \np,P\n", "data-format", 2, 2, _EMPTY),
    "csv-longer-row-of-empty-fields": ("a.csv", "id\n,,\n", "data-format", 2, 1, _EMPTY),
    "csv-behind-a-line-separator": (
        "a.csv", "id,name\np,a\u2028b\nq\n", "data-format", 3, 1, "1 fields where the header has 2",
    ),
    "csv-pointer-of-lfs": ("a.csv", _POINTER, "git-lfs-pointer", 1, 1, _LFS),
    "yaml-pointer-of-lfs": ("a.yaml", _POINTER, "git-lfs-pointer", 1, 1, _LFS),
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
    """The end of the name gives the format, and only known formats are read."""
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
    assert problem.code == "too-deep"


ALL = {
    "csv": ("a.csv", "id,name\np\nq,Q\nr,R,x\n", [("data-format", 2), ("data-format", 4)]),
    "json": (
        "a.json", '[{"a": NaN},\n{"a": 1, "a": 2},\n"\\ud83d"]',
        [("bad-number", 1), ("duplicate-key", 2), ("not-unicode", 3)],
    ),
    "jsonl": ("a.jsonl", '{"a": NaN}\n1\n{"a"}\n', [("bad-number", 1), ("data-format", 3)]),
    "yaml": ("a.yaml", "- !x 1\n- {a: 1, a: 2}\n", [("yaml-tag", 1), ("duplicate-key", 2)]),
    "at-most-twenty": ("a.csv", "id,name\n" + "p\n" * 1000, [("data-format", line) for line in range(2, 22)]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), ALL.values(), ids=ALL)
def test_all_faults_of_a_file_are_said_at_once(name: str, text: str, said: list[tuple[str, int]]) -> None:
    """A file with several faults is read once and mended once."""
    found = read_data(name, Files({name: text}).read, name)
    assert found.rows is None
    assert [(problem.code, problem.mark.line) for problem in found.problems if problem.mark] == said


def test_lost_text_of_yaml_data_is_warned() -> None:
    """A `#` ends an unquoted text of a data file as it does in a manifest."""
    found = read_data("a.yaml", Files({"a.yaml": "- {id: p}\n- id: q\n  text: a fox #wild, slow\n"}).read, "d/a.yaml")
    assert found.rows is not None
    assert [(p.code, p.severity, p.mark.file, p.mark.line, p.mark.column) for p in found.problems if p.mark] == [
        ("lost-text", Severity.WARNING, "d/a.yaml", 3, 15)
    ]
