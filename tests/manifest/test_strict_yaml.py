"""Strict YAML: what is refused, under which code and where, and that no bytes at all make the reader fail or hang."""

import json
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kbatch.errors import Problem
from kbatch.manifest.yaml import syntax
from kbatch.manifest.yaml.document import ALIAS_LIMIT, PROBLEM_LIMIT, Document, read_document
from kbatch.manifest.yaml.source import SourceText
from kbatch.manifest.yaml.syntax import DEPTH_LIMIT, SIZE_LIMIT, VALUE_LIMIT

REFUSED: dict[str, tuple[bytes, str, int, int]] = {
    "empty": (b"", "empty-file", 1, 1),
    "only-space": (b" \n\n  \n", "empty-file", 1, 1),
    "only-a-byte-order-mark": (b"\xef\xbb\xbf", "empty-file", 1, 1),
    "only-comments": (b"# a\n# b\n", "empty-file", 1, 1),
    "duplicate-key": (b"a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1),
    "duplicate-key-in-quotes": (b"a: 1\n'a': 3\n", "duplicate-key", 2, 1),
    "duplicate-key-in-braces": (b"x: {a: 1, b: 2, a: 3}\n", "duplicate-key", 1, 17),
    "duplicate-number-as-key": (b"1: a\n1: b\n", "duplicate-key", 2, 1),
    "tag": (b"a: !!str 5\n", "yaml-tag", 1, 4),
    "tag-of-python": (b"a: !!python/object/apply:os.system [ls]\n", "yaml-tag", 1, 4),
    "tag-of-a-mapping": (b"a: !!map {b: c}\n", "yaml-tag", 1, 4),
    "tag-of-a-key": (b"!!str a: 1\n", "yaml-tag", 1, 1),
    "tag-of-a-quoted-text": (b"a: !!int '5'\n", "yaml-tag", 1, 4),
    "tag-written-out": (b"a: !<plain> 5\n", "yaml-tag", 1, 4),
    "tag-of-its-own": (b"a: !env HOME\n", "yaml-tag", 1, 4),
    "tag-without-a-name": (b"a: ! 12\n", "yaml-tag", 1, 4),
    "merge-key": (b"a: &a {b: 1}\nc:\n  <<: *a\n", "merge-key", 3, 3),
    "second-document": (b"a: 1\n---\nb: 2\n", "second-document", 2, 1),
    "second-document-empty": (b"a: 1\n---\n", "second-document", 2, 1),
    "second-document-not-yaml": (b"a: 1\n---\n\t}\n", "second-document", 2, 1),
    "tab": (b"a:\n\tb: 1\n", "tab", 2, 1),
    "tab-after-spaces": (b"a:\n  b: 1\n  \tc: 2\n", "tab", 3, 3),
    "colon-in-text": (b"a: b: c\n", "yaml-syntax", 1, 5),
    "unclosed-quote": (b'a: 1\nb: "c\n', "yaml-syntax", 2, 4),
    "unclosed-bracket": (b"a: [1, 2\n", "yaml-syntax", 1, 4),
    "unknown-alias": (b"a: 1\nb: *c\n", "yaml-syntax", 2, 4),
    "at-sign": (b"a: @b\n", "yaml-syntax", 1, 4),
    "bad-escape": (b'a: "\\d"\n', "yaml-syntax", 1, 5),
    "half-a-surrogate-pair": (b'a: "\\ud83d"\n', "yaml-syntax", 1, 7),
    "other-version": (b"%YAML 3.0\n---\na: 1\n", "yaml-syntax", 1, 1),
    "list-as-key": (b"? [a, b]\n: c\n", "bad-key", 1, 3),
    "template-as-key": (b"{{ a }}: b\n", "bad-key", 1, 1),
    "empty-key": (b"'': b\n", "bad-key", 1, 1),
    "infinity": (b"a: .inf\n", "bad-number", 1, 4),
    "not-a-number": (b"a: [1, .nan]\n", "bad-number", 1, 8),
    "too-large-a-number": (b"a: 1e999\n", "bad-number", 1, 4),
    "latin-1": (b"a: 1\nb: caf\xe9\n", "encoding", 2, 7),
    "cut-in-the-middle-of-a-character": (b"a: caf\xc3", "encoding", 1, 7),
    "utf-16": ("a: 1\n".encode("utf-16"), "encoding", 1, 1),
    "utf-16-big-endian": (b"\xfe\xff\x00a", "encoding", 1, 1),
    "utf-32": ("a: 1\n".encode("utf-32"), "encoding", 1, 1),
    "picture": (b"\x89PNG\r\n\x1a\n", "encoding", 1, 1),
    "null-byte": (b"a: b\x00c\n", "control-character", 1, 5),
    "bell-after-a-wide-character": ("é: 1\n東京: \x07\n".encode(), "control-character", 2, 5),
    "delete": (b"a: \x7f\n", "control-character", 1, 4),
    "byte-order-mark-twice": (b"\xef\xbb\xbf\xef\xbb\xbfa: \xef\xbf\xbe\n", "control-character", 1, 5),
    "alias-of-itself": (b"a: &a [b, *a]\n", "too-deep", 1, 4),
    "mapping-of-itself": (b"&a\nb: *a\n", "too-deep", 1, 1),
}


def problems_of(data: bytes) -> tuple[Problem, ...]:
    """Return what is wrong with bytes that are not good."""
    found = read_document(data, "m.yaml")
    assert not isinstance(found, Document)
    return found


@pytest.mark.parametrize(("data", "code", "line", "column"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_strict_yaml_is_refused_with_its_place(data: bytes, code: str, line: int, column: int) -> None:
    """One fault is one problem, at its line and column, counted from 1 in characters."""
    (problem,) = problems_of(data)
    assert problem.mark is not None
    assert (problem.code, problem.mark.line, problem.mark.column) == (code, line, column)


def test_all_faults_of_a_walk_are_reported_at_once() -> None:
    """Tags, duplicate keys and bad numbers of one file are reported together, in the order of the file."""
    found = problems_of(b"a: !!str 1\nb: .nan\na: 2\nc: {d: 1, d: 2}\n")
    assert [(one.code, one.mark.line if one.mark else 0) for one in found] == [
        ("yaml-tag", 1),
        ("bad-number", 2),
        ("duplicate-key", 3),
        ("duplicate-key", 4),
    ]


FEWER = VALUE_LIMIT // 20
"""A million values take seconds to count, so the tests count to less."""

BOMBS = {
    "brackets": (b"a: " + b"[" * 200_000, "too-deep"),
    "braces": (b"{a: " * 200_000, "too-deep"),
    "brackets-closed-in-quotes-only": (b"a: " + b'["]", ' * 200_000, "too-deep"),
    "brackets-behind-comments": (b"[ # ]\n" * 200_000, "too-deep"),
    "dashes": (b"- " * 200_000, "too-deep"),
    "question-marks": (b"? " * 200_000, "too-deep"),
    "indentation": (b"".join(b" " * depth + b"a:\n" for depth in range(1000)), "too-deep"),
    "list-and-mapping-at-one-column": (
        b"".join(b" " * n + b"-\n " + b" " * n + b"a:\n" for n in range(200)),
        "too-deep",
    ),
    "values": (b"[" + b"1," * (FEWER + 10) + b"]", "too-many-values"),
    "keys": (b"{" + b"a," * (FEWER // 2 + 10) + b"}", "too-many-values"),
    "size": (b"#" * (SIZE_LIMIT + 1), "file-too-large"),
}


@pytest.mark.parametrize(("data", "code"), BOMBS.values(), ids=BOMBS)
def test_what_would_eat_the_stack_or_the_memory_is_refused(
    data: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Depth, number of values and size are bounded before libyaml composes anything."""
    monkeypatch.setattr(syntax, "VALUE_LIMIT", FEWER)
    (problem,) = problems_of(data)
    assert problem.code == code


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- ", b"? "], ids=["brackets", "braces", "dashes", "questions"])
@pytest.mark.parametrize("depth", [DEPTH_LIMIT + 1, 999, 1001, 5000])
def test_what_is_too_deep_is_reported_where_the_limit_is_passed(opening: bytes, depth: int) -> None:
    """The 101st level is the place, whether or not libyaml refuses a depth of its own (0.2.6: 1,000)."""
    (problem,) = problems_of(opening * depth)
    assert problem.mark is not None
    assert (problem.code, problem.mark.column) == ("too-deep", 1 + DEPTH_LIMIT * len(opening))


@pytest.mark.parametrize("depth", [DEPTH_LIMIT, DEPTH_LIMIT + 1])
def test_the_limit_of_depth_is_exact(depth: int) -> None:
    """A hundred levels are read, one more is not."""
    found = read_document(b"[" * depth + b"]" * depth, "m.yaml")
    assert isinstance(found, Document) == (depth <= DEPTH_LIMIT)


def test_aliases_that_multiply_are_refused() -> None:
    """Ten names that each repeat the one before ten times are a bomb, reported once, where the limit is passed."""
    names = "abcdefghi"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(names)]
    (problem,) = problems_of("\n".join(lines).encode())
    assert problem.code == "alias-bomb"
    assert f"{ALIAS_LIMIT:,}" in problem.message


def test_aliases_that_nest_are_refused() -> None:
    """An alias counts the levels below it: a chain of names is as deep as if it were written out."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, DEPTH_LIMIT + 1)]
    found = problems_of("\n".join(lines).encode())
    assert {problem.code for problem in found} == {"too-deep"}


def test_many_faults_stay_few_and_quick() -> None:
    """Five thousand duplicates do not make five thousand problems."""
    keys = b"\n".join(b"k%d: 1" % number for number in range(5_000))
    found = problems_of(keys + b"\n" + keys)
    assert len(found) == PROBLEM_LIMIT
    assert found[0].message == "`k0` stands already in line 1"


def test_an_alias_has_the_value_of_its_anchor() -> None:
    """Anchors and aliases are read, and a mark inside an alias is the place where the value was written."""
    document = read_document(b"a: &a {b: 1}\nc: *a\n", "m.yaml")
    assert isinstance(document, Document)
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.mark(("c", "b")).line == 1


TEXT = """\
name: example      # a comment
shots:
  - id: hero
    prompt: |
      light on a ridge
      at {{ light }}
    "params": {duration: 5, start_image: "é {{ x }}"}
"""
PLACES: dict[str, tuple[tuple[str | int, ...], bool, tuple[int, int, int]]] = {
    "value": (("name",), False, (1, 7, 7)),
    "key": (("name",), True, (1, 1, 4)),
    "item": (("shots", 0), False, (3, 5, 8)),
    "value-in-item": (("shots", 0, "id"), False, (3, 9, 4)),
    "block": (("shots", 0, "prompt"), False, (4, 13, 1)),
    "quoted-key": (("shots", 0, "params"), True, (7, 5, 8)),
    "value-in-braces": (("shots", 0, "params", "duration"), False, (7, 26, 1)),
    "quoted-value": (("shots", 0, "params", "start_image"), False, (7, 42, 11)),
    "root": ((), False, (1, 1, 13)),
    "missing-field": (("shots", 0, "takes"), False, (3, 5, 8)),
    "missing-item": (("shots", 4), False, (3, 3, 10)),
    "nothing-there": (("budget", "max_credits"), False, (1, 1, 13)),
}


@pytest.mark.parametrize(("where", "key", "place"), PLACES.values(), ids=PLACES)
def test_every_key_and_value_keeps_its_place(
    where: tuple[str | int, ...], key: bool, place: tuple[int, int, int]
) -> None:
    """A mark is line, column and width of what was written, or of the nearest part around what was not."""
    document = read_document(TEXT.encode(), "m.yaml")
    assert isinstance(document, Document)
    mark = document.mark(where, key=key)
    width = {(1, 1, 13): len("name: example      # a comment")}.get(place, place[2])
    assert (mark.line, mark.column, mark.width) == (place[0], place[1], width)
    assert mark.source == TEXT.splitlines()[place[0] - 1]


def test_a_word_is_found_inside_the_braces_first() -> None:
    """The caret stands below the name that a template uses, not below the same word in the prose before it."""
    document = read_document(TEXT.encode(), "m.yaml")
    assert isinstance(document, Document)
    mark = document.mark_word(("shots", 0, "prompt"), "light")
    assert (mark.line, mark.column, mark.width) == (6, 13, 5)
    assert document.mark_word(("shots", 0, "prompt"), "ridge").line == 5
    assert document.mark_word(("shots", 0, "prompt"), "nowhere") == document.mark(("shots", 0, "prompt"))
    assert document.mark_word(("name",), "hero") == document.mark(("name",))


def test_a_line_of_a_literal_block_has_its_place() -> None:
    """Line 2 of a literal block is the second line below its key; other texts are marked as a whole."""
    document = read_document(TEXT.encode(), "m.yaml")
    assert isinstance(document, Document)
    mark = document.mark_line(("shots", 0, "prompt"), 2)
    assert (mark.line, mark.column, mark.width) == (6, 7, 14)
    assert document.mark_line(("shots", 0, "id"), 1) == document.mark(("shots", 0, "id"))


def test_places_are_those_of_an_editor() -> None:
    """Windows and old Macintosh line ends count as one line each; U+2028 and its like are characters of their line."""
    document = read_document("a: 1\r\nb: 2\rc: 3\u2028d: 4\x85e: 5\n\nf: 6\n".encode(), "m.yaml")
    assert isinstance(document, Document)
    marks = [document.mark((key,), key=True) for key in "abcdef"]
    assert [(mark.line, mark.column) for mark in marks] == [(1, 1), (2, 1), (3, 1), (3, 6), (3, 11), (5, 1)]
    assert marks[4].source == "c: 3\u2028d: 4\x85e: 5"
    assert document.mark(("f",)).source == "f: 6"


def test_a_repeated_key_names_the_line_of_an_editor() -> None:
    """The line that a message names is counted as its mark's line is."""
    found = read_document("a: 1\u2028b: 2\nc: 3\nc: 4\n".encode(), "m.yaml")
    assert isinstance(found, tuple)
    assert (found[0].message, found[0].mark and found[0].mark.line) == ("`c` stands already in line 2", 3)


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "\u2029"])
def test_what_only_yaml_takes_for_a_line_end_is_named_where_it_breaks_a_text(odd: str) -> None:
    """A syntax error in a line with such a character names it, since nothing of it can be seen."""
    found = read_document(f"a: one{odd}two\nb: 2\n".encode(), "m.yaml")
    assert isinstance(found, tuple)
    assert found[0].code == "yaml-syntax"
    assert f"U+{ord(odd):04X}" in (found[0].hint or "")


def test_what_stands_around_a_file_is_kept_apart() -> None:
    """A byte order mark, a directive, document marks and comments are no part of the value."""
    document = read_document("\ufeff%YAML 1.2\n--- # begin\na: 1\n...\n".encode(), "m.yaml")
    assert isinstance(document, Document)
    assert document.value == {"a": 1}


def test_a_source_finds_words_across_lines() -> None:
    """Braces that are opened on one line and closed on another count as open on the lines between."""
    source = SourceText("p.txt", "dawn\n{{ x\n| y(dawn) }} dawn")
    mark = source.find("dawn")
    assert mark is not None
    assert (mark.line, mark.column) == (3, 5)
    assert source.find("da") is None


PIECES = st.sampled_from(
    ["a", "b", ": ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "&a ", "*a", "!", "!!int ", "|", ">", "'", '"',
     "#", "%", "---", "...", "?", "<<", "{{ x }}", "16:9", "~", ".inf", "0x", "é", "東", "\u2028", "\\x", "@", "`",
     "1e9999"]
)  # fmt: skip
BOUNDED = settings(max_examples=300, deadline=timedelta(seconds=20))


def check_outcome(found: Document | tuple[Problem, ...], size: int) -> None:
    """Hold what any input may come to: a document, or problems with a code and a place inside the file."""
    if isinstance(found, Document):
        return
    assert found
    for problem in found:
        assert problem.code
        assert problem.mark is not None
        assert 1 <= problem.mark.line <= size + 1
        assert 1 <= problem.mark.column <= size + 1


@BOUNDED
@given(st.lists(PIECES, max_size=40).map("".join))
@example('"' + "[" * 3000)
def test_pieces_of_yaml_never_raise(text: str) -> None:
    """Any mixture of YAML's own signs is a document or problems with places."""
    check_outcome(read_document(text.encode(), "m.yaml"), len(text))


@BOUNDED
@given(st.text(max_size=200))
def test_any_text_never_raises(text: str) -> None:
    """Any text that UTF-8 can hold is a document or problems with places."""
    check_outcome(read_document(text.encode("utf-8", "replace"), "m.yaml"), len(text))


@BOUNDED
@given(st.binary(max_size=200))
def test_any_bytes_never_raise(data: bytes) -> None:
    """Any bytes are a document or problems with places."""
    check_outcome(read_document(data, "m.yaml"), len(data))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
)


@BOUNDED
@given(VALUES)
def test_json_means_the_same_in_yaml(value: object) -> None:
    """Whatever JSON can say is read as JSON means it, keys, texts and numbers alike."""
    text = json.dumps(value)
    found = read_document(text.encode(), "m.yaml")
    if isinstance(found, Document):
        assert found.value == value
    else:
        assert "\\ud" in text or "<<" in text or len(text) > 1000
